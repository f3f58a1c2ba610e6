"""The inner story asks for a Protocol, so whose variable it reads is the outer one's affair."""

from dataclasses import dataclass
from typing import Protocol

from fp8_protocol_inner import HasVat, Vat

from dddkit.stories import I, Story, StoryState, variable


class HasNet(Protocol):
    net: int


@dataclass(frozen=True)
class Invoice(Story):
    I.sum
    I.vat
    I.total

    class State(StoryState):
        items: list[int]
        net: int = variable()
        vat: int = variable()
        total: int = variable()

    vat: Vat

    def sum(self, state: State) -> None:
        state.net = sum(state.items)

    def total(self, state: State) -> None:
        state.total = state.net + state.vat


def show(state: HasVat) -> str:
    return f"{state.vat}"


state = Invoice.State(items=[100])
Invoice(Vat())(state)
assert (state.total, show(state)) == (119, "19")
