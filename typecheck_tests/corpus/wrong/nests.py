from dataclasses import dataclass

from nested_elsewhere import Label

from dddkit.stories import I, Story


@dataclass(frozen=True)
class Ship(Story):
    I.weigh
    I.label

    class State(Label.State):
        pass

    label: Label

    def weigh(self, state: State) -> None:
        state.weight = 3


Ship(Label())(Label.State())  # E: dddkit-story-state
