"""PEP 695: `class X[T]`, `type` statements, generic functions, in stories, States and blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import override

from dddkit.dataclasses import Aggregate, AggregateEvent, Identity, InMemoryRepository, Repository, ValueObject
from dddkit.stories import I, Story, StoryState, variable

type Key = int
type Marked = Identity[Key]
type Maybe[T] = T | None


class Box[T](StoryState):
    content: T
    label: str = variable()


class Label[T](Story):
    I.label
    I.shout

    def label(self, state: Box[T]) -> None:
        state.label = repr(state.content)

    def shout(self, state: Box[T]) -> None:
        state.label = state.label.upper()


class LabelBoxes(Story):
    I.label

    State = Box

    def label[X](self, state: Box[X]) -> None:
        state.label = str(state.content)


@dataclass(frozen=True)
class Range[N: (int, float)](ValueObject):
    low: N
    high: N


@dataclass
class Node[K](Aggregate):
    id: K
    range: Maybe[Range[int]] = None
    seen: list[K] = field(default_factory=list)

    class Visited(AggregateEvent): ...

    def visit(self) -> None:
        self.add_event(self.Visited())


@dataclass
class Marker(Aggregate):
    number: Marked


class Base[K](Story):
    I.visit

    class State(StoryState):
        count: int = 0

    @property
    def nodes(self) -> tuple[Node[K], ...]:
        return ()

    def visit(self, state: State) -> None:
        for node in self.nodes:
            node.visit()
            state.count += 1


class Derived(Base[int]):
    @property
    @override
    def nodes(self) -> tuple[Node[int], ...]:
        return (Node(1), Node(2))

    @override
    def visit(self, state: Base.State) -> None:
        super().visit(state)


class Nodes[K](InMemoryRepository[Node[K], K]): ...


class IntNodes(Nodes[int]): ...


class Markers(InMemoryRepository[Marker, int]): ...


class Stored[A: Aggregate, K](Repository[A, K]): ...


def run[S](story: Callable[[S], object], state: S) -> S:
    story(state)
    return state


assert run(Label[int](), Box(content=1)).label == "1"
assert run(LabelBoxes(), Box(content="x")).label == "x"
assert run(Derived(), Derived.State()).count == 2
assert Marker(1) == Marker(1)
assert all([Nodes[str](), IntNodes(), Markers()])
