"""`singledispatchmethod` takes any event; that each one an aggregate declares is handled, no type says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy.nodes import ClassDef, MemberExpr, Node, RefExpr, TypeInfo

from dddkit_mypy import _changes as changes
from dddkit_mypy import _names as names
from dddkit_mypy import _trees as trees
from dddkit_mypy._rule import ClassContext, OnAnalysed, OnClass, Rule, new_code

_TITLE: Final = "A changes handler handles every event that its aggregate declares"
CODE: Final = new_code("dddkit-unhandled-event", _TITLE)


def check(ctx: ClassContext) -> None:
    """Report the events that nothing is registered for; once, not at the children again that inherit them."""
    info = ctx.info
    missing = None if changes.is_for_others(info) else changes.missing_events(info)
    if not missing:
        return
    default = changes.default_of(info)
    for base in changes.own_classes(info):
        if base is not info and changes.default_of(base) is default and not changes.is_for_others(base):
            known = changes.missing_events(base) or ()
            missing = [event for event in missing if event not in known]
    if not missing or _registers_elsewhere(ctx):
        return
    listed = ", ".join(event.name for event in missing)
    if default is None:
        advice = "declare a handle_changes that is a @singledispatchmethod, and register one"
    else:
        advice = f"write @handle_changes.register above a method that takes an event: {missing[0].name}"
    ctx.report(f"{info.name} has no handler for {listed}; {advice}", info.defn, CODE)


def _registers_elsewhere(ctx: ClassContext) -> bool:
    """Whether the module registers handlers with the class, or with what may be the class, outside of its body."""
    for node in _outside(ctx.info.defn, ctx.tree):
        if isinstance(node, MemberExpr) and node.name == "register":
            handle = node.expr
            if isinstance(handle, MemberExpr) and handle.name == "handle_changes":
                owner = handle.expr.node if isinstance(handle.expr, RefExpr) else None
                if not isinstance(owner, TypeInfo) or owner in ctx.info.mro or ctx.info in owner.mro:
                    return True
    return False


def _outside(defn: ClassDef, node: Node) -> Iterator[Node]:
    if node is not defn:
        yield node
        for child in trees.children(node):
            yield from _outside(defn, child)


RULE: Final = Rule(
    code=CODE,
    title=_TITLE,
    reason=(
        "Saving an aggregate that has recorded the event raises `UnhandledEventError`, which a test sees only if it "
        "records this very event. A handler for a base event counts, and a base whose children are all handled needs "
        "none. A default body that does something is taken to handle everything; one that raises, or is empty but "
        "for a docstring or `...`, nothing. A base for other handlers derives from `ABC`."
    ),
    bad="""\
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import NamedTuple

from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler


@dataclass(kw_only=True)
class Basket(Aggregate):
    id: int

    @dataclass(frozen=True, kw_only=True)
    class ItemAdded(AggregateEvent):
        sku: str

    @dataclass(frozen=True, kw_only=True)
    class Emptied(AggregateEvent): ...


class Rows(NamedTuple):
    added: list[str]


class BasketRows(ChangesHandler[Basket, Rows]):
    result_type = Rows

    def _clear_state(self) -> None:
        self.added: list[str] = []

    @singledispatchmethod
    def handle_changes(self, event: AggregateEvent, aggregate: Basket) -> None:
        raise NotImplementedError

    @handle_changes.register
    def _(self, event: Basket.ItemAdded, aggregate: Basket) -> None:
        self.added.append(event.sku)
""",
    good="""\
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import NamedTuple

from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler


@dataclass(kw_only=True)
class Basket(Aggregate):
    id: int

    @dataclass(frozen=True, kw_only=True)
    class ItemAdded(AggregateEvent):
        sku: str

    @dataclass(frozen=True, kw_only=True)
    class Emptied(AggregateEvent): ...


class Rows(NamedTuple):
    added: list[str]


class BasketRows(ChangesHandler[Basket, Rows]):
    result_type = Rows

    def _clear_state(self) -> None:
        self.added: list[str] = []

    @singledispatchmethod
    def handle_changes(self, event: AggregateEvent, aggregate: Basket) -> None:
        raise NotImplementedError

    @handle_changes.register
    def _(self, event: Basket.ItemAdded, aggregate: Basket) -> None:
        self.added.append(event.sku)

    @handle_changes.register
    def _(self, event: Basket.Emptied, aggregate: Basket) -> None:
        self.added.clear()
""",
    checks=(
        OnAnalysed((names.CHANGES_HANDLER,), changes.note),
        OnClass((names.CHANGES_HANDLER,), check),
    ),
)
