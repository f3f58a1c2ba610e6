"""A story with sync and async steps."""

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace

from dddkit.stories import I, Story


@dataclass(frozen=True, slots=True)
class Track(Story):
    I.ask
    I.read
    I.keep

    class State(SimpleNamespace):
        answer: str = ""
        place: str = ""
        kept: bool = False

    async def ask(self, state: State):
        await asyncio.sleep(0)
        state.answer = "in leeds"

    def read(self, state: State):
        state.place = state.answer.title()

    async def keep(self, state: State):
        await asyncio.sleep(0)
        state.kept = True


async def track():
    story = Track()
    state = story.State()
    await story(state)
    return state


state = asyncio.run(track())
print(state.answer, state.place, state.kept)
