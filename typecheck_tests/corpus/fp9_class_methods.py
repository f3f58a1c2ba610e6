"""classmethod, staticmethod, singledispatchmethod, overload, property and descriptor steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any, ClassVar, Generic, TypeVar, overload

from dddkit.stories import I, Story, StoryState

S = TypeVar("S")
C = TypeVar("C")


class bound_late(Generic[C, S]):
    """A descriptor of one's own that binds like a method."""

    def __init__(self, function: Callable[[C, S], None]) -> None:
        self.function = function

    @overload
    def __get__(self, instance: None, owner: type[C]) -> bound_late[C, S]: ...
    @overload
    def __get__(self, instance: C, owner: type[C]) -> Callable[[S], None]: ...
    def __get__(self, instance: C | None, owner: type[C]) -> Any:
        if instance is None:
            return self
        return lambda state: self.function(instance, state)


def shared(state: Base) -> None:
    state.seen.append("shared")


class Base(StoryState):
    seen: list[str] = []


@dataclass(frozen=True)
class Kinds(Story):
    I.by_class
    I.by_static
    I.by_dispatch
    I.by_overload
    I.by_property
    I.by_descriptor
    I.by_class_var
    I.by_default

    class State(Base):
        pass

    name: str = "k"
    by_class_var: ClassVar[Callable[[Base], None]] = staticmethod(shared)

    @classmethod
    def by_class(cls, state: State) -> None:
        state.seen.append(cls.__name__)

    @staticmethod
    def by_static(state: Base) -> None:
        state.seen.append("static")

    @singledispatchmethod
    def by_dispatch(self, state: object) -> None:
        raise NotImplementedError

    @by_dispatch.register
    def _(self, state: Base) -> None:
        state.seen.append(f"dispatched {self.name}")

    @overload
    def by_overload(self, state: State) -> None: ...
    @overload
    def by_overload(self, state: State, loud: bool) -> str: ...
    def by_overload(self, state: State, loud: bool = False) -> str | None:
        state.seen.append("overload")
        return "loud" if loud else None

    @property
    def by_property(self) -> Callable[[Base], None]:
        return shared

    @bound_late
    def by_descriptor(self, state: State) -> None:
        state.seen.append(self.name)

    def by_default(self, state: State, times: int = 1, *more: int, **options: int) -> None:
        state.seen.extend(["default"] * times)


state = Kinds.State()
Kinds()(state)
assert state.seen == ["Kinds", "static", "dispatched k", "overload", "shared", "k", "shared", "default"]
