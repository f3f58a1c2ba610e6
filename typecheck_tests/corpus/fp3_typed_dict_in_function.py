"""Function-local, frozen, async, generic TypedDicts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Generic, TypeVar

from typing_extensions import TypedDict

from dddkit.stories import I, Story

T = TypeVar("T")


class Page(TypedDict, Generic[T]):
    items: list[T]
    seen: int


@dataclass(frozen=True)
class Count(Story):
    I.count

    State = Page[str]
    start: int = 0

    async def count(self, state: Page[str]) -> None:
        state["seen"] = self.start + len(state["items"])


async def main() -> None:
    @dataclass(frozen=True)
    class Local(Story):
        I.first
        I.second

        class State(TypedDict):
            n: int

        step: int

        async def first(self, state: State) -> None:
            state["n"] += self.step

        def second(self, state: State) -> None:
            state["n"] *= 2

    state = Local.State(n=1)
    await Local(step=2)(state)
    assert state["n"] == 6
    page: Page[str] = {"items": ["a", "b"], "seen": 0}
    await Count(1)(page)
    assert page["seen"] == 3


asyncio.run(main())
