"""Names that are set by `setattr`, `vars(state).update`, `__dict__[...]`, or deleted, in the same function."""

from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from dddkit.stories import I, Story


class Load(Story):
    I.load
    I.update
    I.item
    I.get
    I.forget

    class State(SimpleNamespace):
        source: dict[str, int]
        total: int = 0

    def load(self, state: State) -> None:
        setattr(state, "first", 1)
        state.total += state.first

    def update(self, state: State) -> None:
        vars(state).update(second=2)
        state.total += getattr(state, "second")

    def item(self, state: State) -> None:
        state.__dict__["third"] = 3
        third: int = attrgetter("third")(state)
        state.total += third

    def get(self, state: State) -> None:
        state.total += getattr(state, "fourth", 4)

    def forget(self, state: State) -> None:
        for name in ("first", "second", "third"):
            delattr(state, name)
        anything: Any = state
        anything.fifth = 5


state = Load.State(source={})
Load()(state)
assert state.total == 10
assert vars(state) == {"source": {}, "total": 10, "fifth": 5}
