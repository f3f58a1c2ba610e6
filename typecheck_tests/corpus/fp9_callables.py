"""Callable objects, partials, bound methods, classes and operators as steps."""

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol

from dddkit.stories import I, Story

State = dict[str, int]


class Step(Protocol):
    def __call__(self, state: State, /) -> None: ...


class Named(Protocol):
    def __call__(self, state: State, *, by: int = ...) -> object: ...


class Add:
    def __init__(self, by: int) -> None:
        self.by = by

    def __call__(self, state: State) -> None:
        state["n"] = state.get("n", 0) + self.by

    def twice(self, state: State, /) -> None:
        self(state)
        self(state)


def put(key: str, state: State, value: int = 7) -> None:
    state[key] = value


@dataclass
class Calls(Story):
    I.add
    I.bound
    I.place
    I.put_more
    I.remove
    I.named
    I.plain

    add: Step
    bound: Callable[[State], None]
    place: "partial[None]" = field(default_factory=lambda: partial(put, "p"))
    named: Named = field(default=lambda state, by=1: put("by", state, by))
    put_more: ClassVar[Callable[..., Any]] = staticmethod(partial(put, "more", value=9))
    remove: ClassVar[Any] = staticmethod(operator.methodcaller("pop", "p"))
    plain: ClassVar[Step] = Add(5)


state: State = {}
Calls(add=Add(1), bound=Add(2).twice)(state)
assert state == {"n": 10, "more": 9, "by": 1}
