"""Nested TypedDict, NamedTuple, Protocol and generic States in PEP 695 syntax."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypedDict

from dddkit.stories import I, Story, StoryState, variable

type Rows[T] = list[T]
type Handler[**P] = Callable[P, Awaitable[None]]


class Tally(Story):
    I.count

    class State[K](TypedDict):
        rows: Rows[K]
        n: int

    def count(self, state: State[str]) -> None:
        state["n"] = len(state["rows"])


class Log(Story):
    I.write

    class State[T](NamedTuple):
        lines: list[T]

    def write(self, state: State[str]) -> None:
        state.lines.append("line")


class HasTotal[N](Protocol):
    total: N


class Double(Story):
    I.double

    State = HasTotal

    async def double(self, state: HasTotal[int]) -> None:
        await asyncio.sleep(0)
        state.total *= 2


class Cart(StoryState):
    total: int = 1
    receipt: str = variable()


def traced[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    return run


class Pay(Story):
    I.pay
    I.confirm

    State = Cart

    def __init__(self, confirm: Handler[[Cart]]) -> None:
        self.confirm = confirm

    @traced
    def pay(self, state: Cart) -> None:
        state.receipt = f"{state.total}"


async def confirm(state: Cart) -> None:
    state.receipt += "!"


async def main() -> None:
    cart = Cart()
    await Double()(cart)
    await Pay(confirm)(cart)
    assert cart.receipt == "2!"


asyncio.run(main())
tally: Tally.State[str] = {"rows": ["a"], "n": 0}
Tally()(tally)
log = Log.State(["first"])
Log()(log)
assert (tally["n"], log.lines) == (1, ["first", "line"])
