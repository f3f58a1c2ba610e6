"""Annotations of stories whose values come from a child, a property, a slot, a container, or only from checkers."""

from __future__ import annotations

import contextvars
from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from dddkit.stories import I, Story, StoryState


class St(StoryState):
    log: list[str] = []


class Templated(Story, ABC):
    I.render

    template: str

    def render(self, state: St) -> None:
        state.log.append(self.template)


class Hello(Templated):
    template = "hello"


class Computed(Templated):
    @property
    def template(self) -> str:  # type: ignore[override]
        return "computed"


class Configured(Story):
    I.go

    default: str = "default"
    limits: ClassVar[dict[str, int]]

    if TYPE_CHECKING:
        clock: Any

    def __getattr__(self, name: str) -> Any:
        if name == "clock":
            return "clock"
        raise AttributeError(name)

    def go(self, state: St) -> None:
        state.log.append(f"{self.default} {self.clock}")


class HasName(Protocol):
    name: str


class Named(Story):
    I.go

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def go(self, state: St) -> None:
        state.log.append(self.upper(self))

    @staticmethod
    def upper(named: HasName) -> str:
        return named.name.upper()


class ByNew(Story):
    I.go

    number: int

    def __new__(cls, number: int) -> ByNew:
        made = super().__new__(cls)
        made.number = number
        return made

    def go(self, state: St) -> None:
        state.log.append(str(self.number))


class InContext(Story):
    """What a step sets goes into a context variable, so runs do not share it."""

    I.set
    I.read

    _current: contextvars.ContextVar[str] = contextvars.ContextVar("current")

    @property
    def current(self) -> str:
        return self._current.get()

    @current.setter
    def current(self, value: str) -> None:
        self._current.set(value)

    def set(self, state: St) -> None:
        self.current = f"context {len(state.log)}"

    def read(self, state: St) -> None:
        state.log.append(self.current)


class OwnCall(Story):
    I.go

    def __call__(self, text: str, times: int = 1) -> list[str]:
        state = St()
        for _ in range(times):
            super().__call__(state)
        return [text, *state.log]

    def go(self, state: St) -> None:
        state.log.append("own")


state = St()
stories: list[Story] = [Hello(), Computed(), Configured(), Named("n"), ByNew(3), InContext()]
for story in stories:
    story(state)
assert state.log == ["hello", "computed", "default clock", "N", "3", "context 5"]
assert OwnCall()("x", 2) == ["x", "own", "own"]
