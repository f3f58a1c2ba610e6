"""What checkers say about durable stories. Every `ignore` is a mistake that must be reported.

mypy has the plugin, which knows the State of a story; to others its call takes anything, so the State stands in an
annotation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from typing_extensions import assert_type

from dddkit.stories import I, Story, StoryState, step_key, variable
from dddkit.stories.dbos import Durable, Run, SignalReceipt
from dddkit.stories.durable import Delay, Retry, RunStatus, Signal


@dataclass(frozen=True, slots=True)
class Checkout(Story):
    I.reserve
    I.approval
    I.pause
    I.charge

    class State(StoryState):
        order_id: int
        approved: bool = variable()

    approval: Signal
    pause: Delay

    def reserve(self, state: State) -> None: ...

    async def charge(self, state: State) -> None:
        assert_type(step_key(), str)


class Other(Story):
    I.step

    class State(StoryState):
        number: int

    def step(self, state: State) -> None: ...


@dataclass(frozen=True, slots=True)
class Either(Story):
    """A story that runs plainly with a function, and durably with a signal."""

    I.approval
    I.pause

    class State(StoryState):
        approved: bool = variable()

    approval: Signal | Callable[[State], Awaitable[None]]
    pause: Delay


@dataclass(frozen=True, slots=True)
class Slow(Story):
    I.pause
    I.step

    class State(StoryState): ...

    pause: Delay

    def step(self, state: State) -> None: ...


checkout: Durable[Checkout.State] = Durable(
    Checkout(Signal("approval", into="approved", within=timedelta(hours=1)), Delay(minutes=5)),
    name="checkout",
    formerly=("old",),
    retries={"charge": Retry(on=(ConnectionError, TimeoutError), attempts=3, wait=0.5, timeout=10.0)},
    queue="checkouts",
)
assert_type(Durable(Other(), name="known"), Durable[Other.State])  # pyright: ignore[reportAssertTypeFailure]
other: Durable[Checkout.State] = Durable(Other(), name="other")  # type: ignore[arg-type]

Durable(Checkout(Signal("a", into="approved"), Delay(5)))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Durable(1, name="one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Durable(Other(), name="x", retries={"step": 3})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
Retry()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # `on` has no default
Retry(on=KeyboardInterrupt)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Signal("approval")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Signal(name="approval", into=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Delay("long")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Retry(on=ValueError).attempts = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


async def call(state: Checkout.State, wrong: Other.State) -> None:
    """Each call has a sync form and one that is awaited."""
    assert_type(checkout.start(state, id="order-1"), str)
    assert_type(await checkout.astart(state), str)
    assert_type(checkout.result("order-1", timeout=1.0), Checkout.State)
    assert_type(await checkout.aresult("order-1"), Checkout.State)
    assert_type((await checkout.aresult("order-1")).approved, bool)
    assert_type(checkout.status("order-1"), RunStatus)
    assert_type(await checkout.astatus("order-1"), RunStatus)
    assert_type(checkout.signal("order-1", "approval", True), SignalReceipt)
    assert_type((await checkout.asignal("order-1", "approval", True)).accepted, bool)
    assert_type(checkout.runs(RunStatus.WAITING, limit=3), list[Run])
    assert_type((await checkout.aruns())[0].step, str | None)
    assert_type(checkout.purge(timedelta(days=30)), int)
    checkout.cancel("order-1", undo=True)
    await checkout.acancel("order-1", undo=False)
    checkout.resume("order-1")
    await checkout.aretry("order-1", new_keys=True)
    checkout.start(wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await checkout.astart(wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    checkout.start(state, "order-1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    checkout.cancel("order-1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    checkout.aresult("order-1")  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]


async def run(approval: Signal, pause: Delay, approve: Callable[[Either.State], Awaitable[None]]) -> None:
    """A signal and a delay wait as the story runs: its other steps decide whether it is async."""
    await Checkout(approval, pause)(Checkout.State(order_id=1))
    await Either(approve, pause)(Either.State())
    Slow(pause)(Slow.State())
    Checkout(approval, pause)(Checkout.State(order_id=1))  # type: ignore[unused-coroutine]
    await Slow(pause)(Slow.State())  # type: ignore[misc]
