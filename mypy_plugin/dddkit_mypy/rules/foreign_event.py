"""`add_event` takes any event; only where an event is declared says which aggregate it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy.nodes import TypeInfo
from mypy.plugin import MethodContext
from mypy.types import Instance, Type, TypeVarType, get_proper_type

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import OnCall, Rule

CODE: Final = codes.FOREIGN_EVENT


def check(ctx: MethodContext) -> None:
    """Report an event that is declared inside an aggregate unrelated to the one that records it."""
    aggregate = _class_of(ctx.type)
    if aggregate is None or not ctx.args or len(ctx.args[0]) != 1:
        return
    checker = mypy_api.checker_of(ctx.api)
    recorded = list(_classes_of(ctx.arg_types[0][0]))
    foreign = [event for event in recorded if _is_foreign(checker, aggregate, event)]
    if foreign and len(foreign) < len(recorded):
        foreign = _of_no_aggregate(checker, ctx, foreign)
    for event in foreign:
        around = list(mypy_api.enclosing_classes(checker, event))
        root = next(info for info in around if info.has_base(names.RECORDING))
        event_name = ".".join(info.name for info in (*around[around.index(root) :: -1], event))
        checker.fail(
            f"{aggregate.name} records {event_name}, an event of the aggregate {root.name}; "
            f"declare one in {aggregate.name}, or let {root.name} record it",
            ctx.args[0][0],
            code=CODE,
        )


def _is_foreign(checker: mypy_api.TypeChecker, aggregate: TypeInfo, event: TypeInfo) -> bool:
    """Whether an event is declared inside an aggregate that neither is nor encloses a relative of this one."""
    around = list(mypy_api.enclosing_classes(checker, event))
    mypy_api.dependencies_of(checker).add_types([event, *around], [])
    owners = [info for info in around if info.has_base(names.RECORDING)]
    if not owners or any(_are_related(aggregate, owner) for owner in owners):
        return False
    outer = [info for base in aggregate.mro for info in mypy_api.enclosing_classes(checker, base)]
    mypy_api.dependencies_of(checker).add_types(outer, [])
    return not any(_are_related(info, owner) for info in outer for owner in owners)


def _of_no_aggregate(checker: mypy_api.TypeChecker, ctx: MethodContext, foreign: list[TypeInfo]) -> list[TypeInfo]:
    """Return the events that belong to no member of the union that records them.

    In `either.add_event(either.Closed())` each event goes with one aggregate; mypy asks once for each aggregate, and
    with all the events.
    """
    aggregates = [info for info in map(_class_of, mypy_api.receiver_types(checker, ctx.context)) if info is not None]
    return [event for event in foreign if all(_is_foreign(checker, other, event) for other in aggregates)]


def _are_related(one: TypeInfo, other: TypeInfo) -> bool:
    return one.has_base(other.fullname) or other.has_base(one.fullname)


def _class_of(type_: Type) -> TypeInfo | None:
    found = get_proper_type(type_)
    if isinstance(found, TypeVarType):
        found = get_proper_type(found.upper_bound)
    return found.type if isinstance(found, Instance) else None


def _classes_of(type_: Type) -> Iterator[TypeInfo]:
    """Yield the classes that an event may have."""
    for item in mypy_api.union_items(type_):
        info = _class_of(item)
        if info is not None and info.has_base(names.RECORDABLE):
            yield info


RULE: Final = Rule(
    code=CODE,
    reason=(
        "An event declared inside an aggregate says what has happened to that aggregate: its changes handler saves "
        "it, and a reader looks for it there. Recorded by another one, it is an event no handler of that one expects. "
        "What is shared is declared outside of both; parents and children share theirs."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.dataclasses import Aggregate, AggregateEvent


@dataclass(kw_only=True)
class Basket(Aggregate):
    id: int

    @dataclass(frozen=True, kw_only=True)
    class CheckedOut(AggregateEvent): ...


@dataclass(kw_only=True)
class Order(Aggregate):
    id: int

    def pay(self) -> None:
        self.add_event(Basket.CheckedOut())
""",
    good="""\
from dataclasses import dataclass

from dddkit.dataclasses import Aggregate, AggregateEvent


@dataclass(kw_only=True)
class Basket(Aggregate):
    id: int

    @dataclass(frozen=True, kw_only=True)
    class CheckedOut(AggregateEvent): ...


@dataclass(kw_only=True)
class Order(Aggregate):
    id: int

    @dataclass(frozen=True, kw_only=True)
    class Paid(AggregateEvent): ...

    def pay(self) -> None:
        self.add_event(Order.Paid())
""",
    checks=(OnCall((names.RECORDING,), "add_event", check),),
)
