"""A story with a SimpleNamespace for its state; one of its defaults is a list."""

from dataclasses import dataclass
from types import SimpleNamespace

from dddkit.stories import I, Story


@dataclass(frozen=True, slots=True)
class Pack(Story):
    I.collect
    I.wrap
    I.weigh

    class State(SimpleNamespace):
        goods: list = []
        paper: float = 0.0
        weight: float = 0.0

    def collect(self, state: State):
        state.goods.append({"name": "tea", "weight": 0.5})

    def wrap(self, state: State):
        if len(state.goods) > 1:
            state.paper = 0.1

    def weigh(self, state: State):
        state.weight = sum(each["weight"] for each in state.goods) + state.paper


story = Pack()
state = story.State()
story(state)
print(state.goods, state.paper, state.weight)
