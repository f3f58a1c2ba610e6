"""`add_event` takes any event; only where an event is declared says which aggregate it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy.nodes import TypeInfo
from mypy.plugin import MethodContext
from mypy.types import Instance, Type, TypeVarType, UnionType, get_proper_type

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import OnCall, Rule, new_code

_TITLE: Final = "An aggregate records its own events"
CODE: Final = new_code("dddkit-foreign-event", _TITLE)


def check(ctx: MethodContext) -> None:
    """Report an event that is declared inside an aggregate unrelated to the one that records it."""
    aggregate = _class_of(ctx.type)
    if aggregate is None or not ctx.args or len(ctx.args[0]) != 1:
        return
    checker = mypy_api.checker_of(ctx.api)
    for event in _classes_of(ctx.arg_types[0][0]):
        around = list(mypy_api.enclosing_classes(checker, event))
        mypy_api.dependencies_of(checker).add_types([event, *around], [])
        owners = [info for info in around if info.has_base(names.RECORDING)]
        if owners and not any(_are_related(aggregate, owner) for owner in owners):
            owner = owners[0].name
            event_name = ".".join(info.name for info in (*around[around.index(owners[0]) :: -1], event))
            checker.fail(
                f"{aggregate.name} records {event_name}, an event of the aggregate {owner}; "
                f"declare one in {aggregate.name}, or let {owner} record it",
                ctx.args[0][0],
                code=CODE,
            )


def _are_related(one: TypeInfo, other: TypeInfo) -> bool:
    return one.has_base(other.fullname) or other.has_base(one.fullname)


def _class_of(type_: Type) -> TypeInfo | None:
    found = get_proper_type(type_)
    if isinstance(found, TypeVarType):
        found = get_proper_type(found.upper_bound)
    return found.type if isinstance(found, Instance) else None


def _classes_of(type_: Type) -> Iterator[TypeInfo]:
    """Yield the classes that an event may have."""
    found = get_proper_type(type_)
    if isinstance(found, UnionType):
        for item in found.items:
            yield from _classes_of(item)
    else:
        info = _class_of(found)
        if info is not None and info.has_base(names.RECORDABLE):
            yield info


RULE: Final = Rule(
    code=CODE,
    title=_TITLE,
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
