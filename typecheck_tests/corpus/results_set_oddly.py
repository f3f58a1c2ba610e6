"""Changes handlers that set the parts of their result in every way that Python has."""

from __future__ import annotations

import contextlib
from abc import ABC
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler


@dataclass(kw_only=True)
class Thing(Aggregate):
    id: int

    class Happened(AggregateEvent):
        pass


class Result(NamedTuple):
    a: list[int]
    b: int
    c: str = "c"


class Short(ChangesHandler[Thing, Result], ABC):
    result_type = Result

    def handle_changes(self, event: AggregateEvent, thing: Thing) -> None:
        pass


class ByTuple(Short):
    def _clear_state(self) -> None:
        (self.a, self.b), self.c = ([1], 2), "tuple"


class ByWith(Short):
    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        yield 3

    def _clear_state(self) -> None:
        with self._opened() as self.b:
            for self.a in ([1], [2]):
                pass


class BySetattr(Short):
    def _clear_state(self) -> None:
        for name, value in (("a", [1]), ("b", 2)):
            setattr(self, name, value)


class ByVars(Short):
    def _clear_state(self) -> None:
        vars(self).update(a=[1], b=2)


class ByDict(Short):
    def _clear_state(self) -> None:
        self.__dict__ |= {"a": [], "b": 2}


class ByHelper(Short):
    def _clear_state(self) -> None:
        reset(self)


def reset(handler: Any) -> None:
    handler.a = []
    handler.b = 2


class ByHandling(Short):
    b = 0

    def _clear_state(self) -> None:
        self.a = list[int]()

    def handle_changes(self, event: AggregateEvent, thing: Thing) -> None:
        self.b = self.b + 1


class ByGetattr(Short):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return {"a": [1], "b": 2, "c": ""}[name]


@dataclass
class ByDataclass(Short):
    a: list[int] = field(default_factory=list)
    b: int = 0


class BySlots(Short):
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a, self.b = list[int](), 4


Plain = namedtuple("Plain", ["a", "b"], defaults=[0])


class ToPlain(ChangesHandler[Thing, Plain]):
    result_type = Plain

    def _clear_state(self) -> None:
        self.a = 1

    def handle_changes(self, event: AggregateEvent, thing: Thing) -> None:
        self.a += 1


thing = Thing(id=1)
handlers: list[Short] = [ByTuple(), ByWith(), BySetattr(), ByVars(), ByDict(), ByHelper(), ByHandling(), ByGetattr()]
for handler in [*handlers, ByDataclass(), BySlots()]:
    thing.add_event(Thing.Happened())
    assert len(handler(thing)) == 3
assert ToPlain()(thing) == (1, 0)
