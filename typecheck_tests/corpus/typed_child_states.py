"""Children with other States: TypedDicts, NamedTuples, Protocols and generic ones that grow with the story."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypedDict, TypeVar

from dddkit.stories import I, Story, StoryState

T = TypeVar("T")


class Base(Story):
    I.count

    class State(TypedDict):
        n: int

    def count(self, state: State) -> None:
        state["n"] += 1


class Child(Base):
    I.count
    I.name

    class State(Base.State):
        name: str

    def name(self, state: State) -> None:
        state["name"] = f"{state['n']}"


class Sized(Protocol):
    size: int


class Named(Sized, Protocol):
    name: str


class Measure(Story):
    I.measure

    State = Sized

    def measure(self, state: Sized) -> None:
        state.size = 2


class Describe(Measure):
    I.measure
    I.describe

    State = Named  # type: ignore[type-abstract,unused-ignore]

    def describe(self, state: Named) -> None:
        state.name = f"size {state.size}"


@dataclass
class Thing:
    size: int = 0
    name: str = ""


class Cell(StoryState, Generic[T]):
    value: T


class Write(Story, Generic[T]):
    I.write

    def __init__(self, value: T) -> None:
        self._value = value

    def write(self, state: Cell[T]) -> None:
        state.value = self._value


class WriteTexts(Write[str]):
    I.write
    I.shout

    State = Cell[str]

    def shout(self, state: Cell[str]) -> None:
        state.value = state.value.upper()


class Pair(NamedTuple):
    left: list[int]


class Fill(Story):
    I.fill

    State = Pair

    def fill(self, state: tuple[list[int], ...]) -> None:
        for items in state:
            items.append(1)


@dataclass(frozen=True)
class All(Story):
    I.base
    I.child

    State = Child.State
    base: Base
    child: Story

    def run(self, state: Any) -> None:
        self(state)


child: Child.State = {"n": 1, "name": ""}
Child()(child)
All(Base(), Child())(child)
All(Base(), Child()).run(child)
assert child == {"n": 6, "name": "6"}
thing = Thing()
Describe()(thing)
cell = Cell(value="")
WriteTexts("a")(cell)
Write("b")(cell)
pair = Pair([])
Fill()(pair)
assert (thing.name, cell.value, pair.left) == ("size 2", "b", [1])
