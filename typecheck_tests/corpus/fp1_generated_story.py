"""A story beside a stub as stubgen writes it: it knows no `I.x`."""

from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState, variable


@dataclass(frozen=True)
class Checkout(Story):
    I.reserve
    I.charge

    class State(StoryState):
        order_id: int
        receipt: str = variable()

    prefix: str

    def reserve(self, state: State) -> None:
        assert state.order_id

    async def charge(self, state: State) -> None:
        state.receipt = f"{self.prefix}{state.order_id}"
