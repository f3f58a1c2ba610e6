"""States and steps whose types contain themselves: JSON, trees, callables that return callables."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Dict, List, NamedTuple, Optional, Tuple, TypedDict, Union

from typing_extensions import TypeAlias

from dddkit.stories import I, Story, StoryState, variable

Json: TypeAlias = "Union[int, str, List[Json], Dict[str, Json]]"
Nested = Union[int, Tuple["Nested", ...]]
Even = Union[int, List["Odd"]]
Odd = Union[str, List["Even"]]
Thunk = Callable[[], Union["Thunk", None]]

calls: list[object] = []


class Import(Story):
    I.check
    I.store

    State = Json

    def __init__(self, check: Callable[[Json], None]) -> None:
        self.check = check

    @staticmethod
    def store(state: Json) -> None:
        calls.append(state)


Import(calls.append)([1, {"a": [2]}])
assert calls == [[1, {"a": [2]}]] * 2


class Flatten(Story):
    I.flatten
    I.count

    def __init__(self, count: Callable[[Nested], None]) -> None:
        self.count = count

    @classmethod
    def flatten(cls, state: Nested) -> None:
        calls.append(cls)


Flatten(calls.append)((1, (2, 3)))
assert calls[2:] == [Flatten, (1, (2, 3))]


class Alternate(Story):
    I.even
    I.odd

    def __init__(self, even: Callable[[Even], None], odd: Callable[[Even | Odd], None]) -> None:
        self.even = even
        self.odd = odd


even: Even = ["a", [1]]
Alternate(calls.append, calls.append)(even)
assert calls[4:] == [even, even]


class Node(NamedTuple):
    name: str
    parent: Optional[Node] = None


class Rename(Story):
    I.look
    I.show

    State = Node

    def __init__(self, look: Callable[[Node], None]) -> None:
        self.look = look

    @staticmethod
    def show(state: Node) -> None:
        calls.append(state.name)


Rename(calls.append)(Node("b", Node("a")))
assert calls[6:] == [Node("b", Node("a")), "b"]


class Walk(Story):
    I.step
    I.last

    class State(TypedDict, total=False):
        children: List[Walk.State]

    def __init__(self, step: Callable[[State], None]) -> None:
        self.step = step

    @staticmethod
    def last(state: Walk.State) -> None:
        calls.append(len(state["children"]))


Walk(calls.append)({"children": [{}]})
assert calls[8:] == [{"children": [{}]}, 1]


class Unwind(Story):
    I.unwind
    I.end

    class State(StoryState):
        start: Thunk
        data: Json = 0
        left: Nested = variable()

    def __init__(self, unwind: Callable[[State], Optional[Thunk]]) -> None:
        self.unwind = unwind

    def end(self, state: State) -> None:
        if state.data:
            calls.append(state.left)
        state.left = ()
        state.data = [0]


def nothing() -> None:
    return None


state = Unwind.State(start=nothing)
Unwind(lambda state: None)(state)
Unwind(lambda state: None)(state)
assert calls[10:] == [()]


class Keep(Story):
    I.keep

    class State(SimpleNamespace):
        data: Json = 0
        tree: Nested = ()

    def keep(self, state: State) -> None:
        state.tree = (state.tree,)
        calls.append(state.tree)


Keep()(Keep.State(data={}))
assert calls[11:] == [((),)]
