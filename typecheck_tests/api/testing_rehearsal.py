"""What checkers say about `rehearse`. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from typing_extensions import assert_type

from dddkit.stories import I, Story, StoryState, variable
from dddkit.stories.durable import Retry, Signal
from dddkit.testing import rehearse


@dataclass
class Checkout(Story):
    I.approve
    I.charge

    class State(StoryState):
        order: str
        approved: bool = variable()

    approve: Signal

    async def charge(self, state: State) -> None: ...


@asynccontextmanager
async def open_checkout() -> AsyncGenerator[Checkout]:
    yield Checkout(Signal("approval", into="approved"))


async def rehearsed(checkout: Checkout, state: Checkout.State) -> None:
    end = await rehearse(checkout, state, signals={"approval": True}, retries={"charge": Retry(on=ConnectionError)})
    assert_type(end, Checkout.State)
    assert_type(await rehearse(checkout, state, name="checkout"), Checkout.State)
    assert_type(await rehearse(open_checkout, state), Checkout.State)
    await rehearse(checkout, state, retries={"charge": 5})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    await rehearse("checkout", state)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    rehearse(checkout, state)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
