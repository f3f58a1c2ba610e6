"""Stories and States as models and as pydantic dataclasses."""

from typing import Annotated

import pydantic
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, validate_call
from pydantic.dataclasses import dataclass

from dddkit.stories import I, Story


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Convert(Story):
    I.convert
    I.round
    I.verify

    class State(BaseModel):
        amount: PositiveInt
        result: float | None = None
        steps: list[str] = []

        model_config = ConfigDict(validate_assignment=True)

    rate: Annotated[float, Field(gt=0)]
    digits: int = 2

    def convert(self, state: State) -> None:
        state.result = state.amount * self.rate
        state.steps.append("convert")

    def round(self, state: State) -> None:
        assert state.result is not None
        state.result = round(state.result, self.digits)

    @validate_call
    def verify(self, state: Annotated[State, Field()]) -> None:
        state.steps.append("verify")


class Labelled(Convert):
    I.convert
    I.label

    @pydantic.dataclasses.dataclass
    class State:
        amount: int
        text: str = ""

    def convert(self, state: State) -> None:  # type: ignore[override]
        state.text = str(state.amount * self.rate)

    def label(self, state: State) -> None:
        state.text += "!"


state = Convert.State(amount=3)
Convert(rate=1.3333)(state)
assert (state.result, state.steps) == (4.0, ["convert", "verify"])
labelled = Labelled.State(2)
Labelled(1.5)(labelled)
assert labelled.text == "3.0!"
