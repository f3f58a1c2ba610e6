"""A story that only `nests.py` nests: who calls it is not known here, so what it reads too early is reported."""

from dddkit.stories import I, Story, StoryState, variable


class Label(Story):
    I.write
    I.forget

    class State(StoryState):
        weight: int = variable()
        text: str = variable()

    def write(self, state: State) -> None:
        state.text = f"{state.weight} g"  # E: dddkit-state-order

    def forget(self, state: State) -> None:
        state.weight = 0
