"""Stories that declare no State: events, builtins, Protocols, anything a step accepts."""

from __future__ import annotations

from collections.abc import Iterable, MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from dddkit.dataclasses import DomainEvent, EventBroker
from dddkit.stories import I, Story

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Paid(DomainEvent):
    cents: int


class HasCents(Protocol):
    @property
    def cents(self) -> int: ...


class Report(Story):
    I.check
    I.add

    def __init__(self) -> None:
        self._total = 0

    def check(self, event: HasCents) -> None:
        assert event.cents

    def add(self, event: Paid) -> None:
        self._total += event.cents

    @property
    def total(self) -> int:
        return self._total


class Tidy(Story):
    I.sort
    I.look
    I.any

    def sort(self, names: list[str]) -> None:
        names.sort()

    def look(self, names: Sequence[object] | None) -> None:
        assert names

    def any(self, names: Any) -> None:
        names.append("z")


class Extend(Story, Generic[T]):
    I.extend

    def __init__(self, items: Iterable[T]) -> None:
        self._items = list(items)

    def extend(self, target: MutableSequence[T]) -> None:
        target.extend(self._items)


class Untyped(Story):
    I.go

    def go(self, state):  # type: ignore[no-untyped-def]
        state["gone"] = True


class Nested(Story):
    I.tidy
    I.report

    def __init__(self) -> None:
        self.tidy = Tidy()

    def report(self, names: list[str]) -> None:
        names.insert(0, "first")


report = Report()
broker = EventBroker()
broker.subscribe(Paid, report)
broker.publish(Paid(cents=3))
report(Paid(cents=4))
assert report.total == 7
names = ["b", "a"]
Tidy()(names)
Nested()(names)
Extend([1, 2])(numbers := [0])
Extend[object]([None])(things := list[object]())
anything: Any = list("ba")
Tidy()(anything)
gone: dict[str, bool] = {}
Untyped()(gone)
assert (names, numbers, things, gone) == (["first", "a", "b", "z", "z"], [0, 1, 2], [None], {"gone": True})
