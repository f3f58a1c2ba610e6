"""Story classes under decorators that checkers see through, half, or not at all; injected in odd ways."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Final, TypeVar

import attr
import attrs

from dddkit.stories import I, Story, StoryState

T = TypeVar("T")
opaque: Any = dataclasses.dataclass(frozen=True)


class St(StoryState):
    log: list[str] = []


def say(text: str) -> Callable[[St], None]:
    return lambda state: state.log.append(text)


def injectable(cls: type[T]) -> type[T]:
    """What a container does: it gives the class a constructor."""

    @functools.wraps(cls, updated=())
    def make(self: Any, **given: Any) -> None:
        for name, value in given.items():
            setattr(self, name, value)

    setattr(cls, "__init__", make)
    return cls


@opaque
class Opaque(Story):
    I.go

    text: str = "opaque"

    def go(self, state: St) -> None:
        state.log.append(self.text)


@injectable
class Injected(Story):
    I.go

    go: Callable[[St], None]

    def __init__(self, **given: Any) -> None: ...


@dataclasses.dataclass
class Fields(Story):
    I.a
    I.b
    I.c
    I.d

    a: Annotated[Callable[[St], None], "injected"]
    b: Final[Callable[[St], None]] = dataclasses.field(default=say("b"))
    c: Callable[[St], None] = dataclasses.field(default_factory=lambda: say("c"))
    number: dataclasses.InitVar[int] = 0
    limits: ClassVar[tuple[int, ...]] = (1,)
    d: Callable[[St], None] = dataclasses.field(init=False)

    def __post_init__(self, number: int) -> None:
        self.d = say(f"d{number}")


@attr.s(auto_attribs=True, frozen=True)
class OldAttrs(Story):
    I.go

    go: Callable[[St], None] = attr.ib(factory=lambda: say("old attrs"))


@attrs.define
class NewAttrs(Story):
    I.go
    I.made

    go: Callable[[St], None]
    made: Callable[[St], None] = attrs.field(init=False)

    @made.default
    def _make(self) -> Callable[[St], None]:
        return say("made")


state = St()
stories: list[Story] = [
    Opaque(),
    Injected(go=say("injected")),
    Fields(say("a"), number=3),
    OldAttrs(),
    NewAttrs(say("new")),
]
for story in stories:
    story(state)
assert state.log == ["opaque", "injected", "a", "b", "c", "d3", "old attrs", "new", "made"]
