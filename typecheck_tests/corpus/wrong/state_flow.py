"""The order of steps, undeclared attributes, shared defaults, and what stories keep between runs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar

from dddkit.stories import I, Story, StoryState, variable

DEFAULT_TAGS: list[str] = []


class Order(Story):
    I.total
    I.sum
    I.label
    I.ship

    class State(StoryState):
        prices: list[int]
        rate: int = variable()
        total: int = variable()
        text: str = variable()

    async def total(self, state: State) -> None:
        state.total = sum(price * state.rate for price in state.prices)  # E: dddkit-state-order

    def sum(self, state: State) -> None:
        state.rate = 2

    def label(self, state: State) -> None:
        state.text = f"{state.total}"

    def ship(self, state: State) -> None: ...


class OrderAgain(Order):
    I.label  # E: dddkit-state-order
    I.sum
    I.total


class Branches(Story):
    I.count
    I.show
    I.set

    class State(StoryState):
        flag: bool
        n: int = variable()
        name: str = variable()

    def count(self, state: State) -> None:
        if state.flag:
            state.n += 1  # E: dddkit-state-order

    def show(self, state: State) -> None:
        match state.flag:
            case True:
                print(state.name)  # E: dddkit-state-order
            case _:
                print([state.name for _ in range(2)])

    def set(self, state: State) -> None:
        state.n, state.name = 1, "n"


class Kept(Story):
    I.read
    I.write

    class State(StoryState):
        items: dict[str, int] = variable()

    def read(self, state: State) -> None:
        state.items["a"] = 1  # E: dddkit-state-order

    def write(self, state: State) -> None:
        with open("/dev/null"):
            state.items = {}


class Names(Story):
    I.check
    I.note

    class State(SimpleNamespace):
        order_id: int
        total: int = 0
        tags: list[str] = DEFAULT_TAGS  # E: dddkit-mutable-default
        notes: list[str] = []  # E: dddkit-mutable-default
        seen = set[int]()  # E: dddkit-mutable-default
        counts: dict[str, int] = defaultdict(int)  # E: dddkit-mutable-default
        LIMITS: ClassVar[dict[str, int]] = {}

    def check(self, state: State) -> None:
        state.totl = 1  # E: dddkit-undeclared-state
        state.total += state.order_no  # E: dddkit-undeclared-state

    def note(self, state: State) -> None:
        def inner() -> int:
            return int(state.ttal)  # E: dddkit-undeclared-state

        print(f"{state.order}", inner())  # E: dddkit-undeclared-state


def helper(state: Names.State) -> list[Any]:
    state.cents = 3  # E: dddkit-undeclared-state
    return [state.a for _ in range(2)]  # E: dddkit-undeclared-state


def make() -> Names.State:
    return Names.State(ordr_id=1)  # E: dddkit-undeclared-state


def match(state: Names.State) -> str:
    match state:
        case Names.State(totl=3):  # E: dddkit-undeclared-state
            return "three"
        case _:
            return ""


class Shared(SimpleNamespace):
    log: list[str] = [""]  # E: dddkit-mutable-default


class UsesShared(Story):
    I.go

    State = Shared

    def go(self, state: Shared) -> None:
        state.logs.append("")  # E: dddkit-undeclared-state


class Leaks(Story):
    I.add
    I.show

    class State(StoryState):
        n: int

    def add(self, state: State) -> None:
        self.total = state.n  # E: dddkit-story-attribute
        self._seen = state.n

    def show(self, state: State) -> None:
        print(self.total, self._seen)


@dataclass
class Counts(Story):
    I.count

    class State(StoryState):
        n: int

    count_: int = 0
    names: list[str] = field(default_factory=list)

    async def count(self, state: State) -> None:
        self.count_ += state.n  # E: dddkit-story-attribute
        if self.count_ > 3:
            raise ValueError


class LeaksInTuple(Story):
    I.read
    I.set

    State = Leaks.State

    def __init__(self) -> None:
        self.first = self.second = 0

    def read(self, state: Leaks.State) -> None:
        state.n = self.first

    def set(self, state: Leaks.State) -> None:
        self.first, _ = state.n, 1  # E: dddkit-story-attribute


class ChildLeaks(Leaks):
    I.add
    I.use

    last: int = 0

    def use(self, state: Leaks.State) -> None:
        state.n = self.last
        self.last = state.n + 1  # E: dddkit-story-attribute
