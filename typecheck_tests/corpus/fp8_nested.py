"""A story that is only nested, elsewhere: what its outer story sets is a plain field here."""

from dddkit.stories import I, Story, StoryState, variable


class Label(Story):
    I.write
    I.forget

    class State(StoryState):
        parcels: int
        weight: int
        text: str = variable()

    def write(self, state: State) -> None:
        state.text = f"{state.weight} g"

    def forget(self, state: State) -> None:
        state.weight = 0


alone = Label.State(parcels=1, weight=5)
Label()(alone)
assert (alone.text, alone.weight) == ("5 g", 0)
