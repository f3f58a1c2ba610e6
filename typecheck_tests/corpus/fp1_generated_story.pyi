from dataclasses import dataclass
from dddkit.stories import Story, StoryState

@dataclass(frozen=True)
class Checkout(Story):
    class State(StoryState):
        order_id: int
        receipt: str = ...
    prefix: str
    def reserve(self, state: State) -> None: ...
    async def charge(self, state: State) -> None: ...
