"""`State: ClassVar[type[Box[int]]] = Box`, `type[Any]` and a generic Protocol."""

from typing import Any, ClassVar, Generic, Protocol, TypeVar

import attrs

from dddkit.stories import I, Story

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@attrs.define
class Box(Generic[T]):
    content: T
    copies: int = 0


class Ints(Story):
    I.copy

    State: ClassVar[type[Box[int]]] = Box

    def copy(self, state: Box[int]) -> None:
        state.copies += state.content


class Loose(Story):
    I.copy

    State: ClassVar[type[Any]] = Box

    def copy(self, state: Box[str]) -> None:
        state.copies += len(state.content)


class Source(Protocol[T_co]):
    def read(self) -> T_co: ...


class Reader(Story):
    I.read

    State = Source

    def read(self, state: Source[object]) -> None:
        print(end=str(state.read())[:0])


class Const:
    def read(self) -> int:
        return 3


Ints()(box := Box(2))
Loose()(text := Box("abc"))
Reader()(Const())
assert (box.copies, text.copies) == (2, 3)
