"""The cure for a nested story in another module: a plain field there, which the outer one declares as a variable."""

from dataclasses import dataclass

from fp8_nested import Label

from dddkit.stories import I, Story, variable


@dataclass(frozen=True)
class Ship(Story):
    I.weigh
    I.label

    class State(Label.State):
        weight: int = variable()

    label: Label

    def weigh(self, state: State) -> None:
        state.weight = 3 * state.parcels


state = Ship.State(parcels=2)
Ship(Label())(state)
assert state.text == "6 g"
assert state.weight == 0
