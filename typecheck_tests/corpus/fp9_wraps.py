"""`functools.wraps` over a method: decorators typed by ParamSpec, by a Callable, or hardly."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from typing_extensions import Concatenate, ParamSpec

from dddkit.stories import I, Story, StoryState

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
X = TypeVar("X")


def traced(function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        TRACE.append(function.__name__)
        return function(*args, **kwargs)

    return wrapper


def with_self(function: Callable[[S, X], R]) -> Callable[[S, X], R]:
    @functools.wraps(function)
    def wrapper(self: S, state: X) -> R:
        return function(self, state)

    return wrapper


def counted(function: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    def wrapper(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return function(self, *args, **kwargs)

    functools.update_wrapper(wrapper, function)

    return wrapper


def untyped(function: Any) -> Any:
    return functools.wraps(function)(lambda *args: function(*args))


TRACE: list[str] = []


def _check(self: "Mixed", state: "Mixed.State") -> None:
    state.n += self.by


@dataclass(frozen=True)
class Mixed(Story):
    I.first
    I.second
    I.third
    I.fourth
    I.check
    I.copied

    class State(StoryState):
        n: int = 0

    by: int = 1

    @traced
    def first(self, state: State) -> None:
        state.n += self.by

    @with_self
    def second(self, state: State) -> None:
        state.n += self.by

    @traced
    @counted
    def third(self, state: State) -> None:
        state.n += self.by

    @untyped
    def fourth(self, state: State) -> None:
        state.n += self.by

    @functools.wraps(_check)
    def check(self, state: State) -> None:
        _check(self, state)

    @functools.wraps(first)
    def copied(self, *args: Any, **kwargs: Any) -> None:
        self.first(*args, **kwargs)


state = Mixed.State()
Mixed(by=2)(state)
assert state.n == 12
assert TRACE == ["first", "third", "first"]
