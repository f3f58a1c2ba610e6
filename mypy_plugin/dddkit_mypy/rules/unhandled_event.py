"""`singledispatchmethod` takes any event; no type says that each event of an aggregate has a handler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from mypy.nodes import ClassDef, MemberExpr, MypyFile, Node, RefExpr, TypeInfo

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnAnalysed, OnClass, Rule
from dddkit_mypy.blocks.changes_handlers import default_of, missing_events, own_classes, parameters_of, store_body
from dddkit_mypy.mypy_api import format_type

CODE: Final = codes.UNHANDLED_EVENT


def check(ctx: ClassContext) -> None:
    """Report the events without a handler; once, and not at the children that inherit it."""
    info = ctx.info
    missing = None if mypy_api.is_abstract(info) else missing_events(info, ctx.api)
    if not missing or mypy_api.comes_from_stub(info, ctx.api):
        return  # stubs leave out handlers with private names
    default = default_of(info)
    for base in own_classes(info):
        if base is not info and default_of(base) is default and not mypy_api.is_abstract(base):
            known = missing_events(base, ctx.api) or ()
            missing = [event for event in missing if event not in known]
    if not missing or _registers_elsewhere(ctx):
        return
    listed = ", ".join(event.name for event in missing)
    if default is None:
        advice = (
            f'write "@singledispatchmethod" above "def handle_changes(self, event: object, aggregate: '
            f'{_aggregate_of(ctx)}) -> None: raise NotImplementedError", and register a method for each event with it'
        )
    else:
        # No body to paste: an empty one would hide the fault.
        advice = (
            f'under "@handle_changes.register" write "def _(self, event: {missing[0].name}, aggregate: '
            f'{_aggregate_of(ctx)}) -> None:", and let it change what the result is made of'
            f"{'; the same for the others' if len(missing) > 1 else ''}"
        )
    ctx.report(f"{info.name} has no handler for {listed}; {advice}", info.defn, CODE)


def _aggregate_of(ctx: ClassContext) -> str:
    parameters = parameters_of(ctx.info)
    return "object" if parameters is None else format_type(parameters[0], ctx.api.options).strip('"')


def _registers_elsewhere(ctx: ClassContext) -> bool:
    """Whether code outside the body of the class registers handlers with it, or with what may be the class."""
    kept: tuple[MypyFile, dict[_Family, list[_Place]]] | None = ctx.of_run.get(CODE)
    if kept is None or kept[0] is not ctx.tree:
        kept = ctx.of_run[CODE] = ctx.tree, _registrations(ctx.tree)
    places = kept[1]
    families: list[_Family] = [None, (ctx.info, "child"), *[(base, "itself") for base in ctx.info.mro]]
    return any(ctx.info.defn not in place for family in families for place in places.get(family, ()))


_Family: TypeAlias = tuple[TypeInfo, str] | None
"""A class itself, or the classes it is a base of; None for what may be any class."""
_Place: TypeAlias = tuple[ClassDef, ...]
"""The classes whose bodies code is in."""


def _registrations(tree: MypyFile) -> dict[_Family, list[_Place]]:
    """Return where a module registers handlers, by the class that it registers them with."""
    found: dict[_Family, list[_Place]] = {}
    for node, place in _places(tree, ()):
        if isinstance(node, MemberExpr) and node.name == "register":
            handle = node.expr
            if isinstance(handle, MemberExpr) and handle.name == "handle_changes":
                owner = handle.expr.node if isinstance(handle.expr, RefExpr) else None
                families: list[_Family] = [None]
                if isinstance(owner, TypeInfo):
                    families = [(owner, "itself"), *[(base, "child") for base in owner.mro]]
                for family in families:
                    found.setdefault(family, []).append(place)
    return found


def _places(node: Node, place: _Place) -> Iterator[tuple[Node, _Place]]:
    yield node, place
    if isinstance(node, ClassDef):
        place = (*place, node)
    for child in mypy_api.children(node):
        yield from _places(child, place)


RULE: Final = Rule(
    code=CODE,
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
        OnAnalysed((names.CHANGES_HANDLER,), store_body),
        OnClass((names.CHANGES_HANDLER,), check),
    ),
)
