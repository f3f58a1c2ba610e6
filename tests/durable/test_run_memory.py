"""Nothing of a durable run is alive after it, however it ends: errors lead to frames, and these to the facts."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest

from dddkit.exceptions import CompensationError, SignalTimeoutError, StoryNotRecordableError
from dddkit.stories import I, StepExecutionInfo, Story, StoryExecutionContext, StoryState, compensates, inject_hooks
from dddkit.stories.durable import Signal
from dddkit.testing._journal import Crash, Place
from tests.durable.running import Running, write_and_forget
from tests.stories.shop import Declined


class Kind(str):
    """Reads back as a plain str."""

    __slots__ = ()


@dataclass(frozen=True)
class Checkout(Story):
    I.reserve
    I.approval
    I.ship

    class State(StoryState):
        ends: str
        note: str = ""

    approval: Any

    async def reserve(self, state: State) -> None: ...

    @compensates(reserve)
    async def release(self, state: State) -> None:
        if state.ends == "not undone":
            raise ArithmeticError

    async def ship(self, state: State) -> None:
        if state.ends in ("declined", "not undone"):
            raise Declined
        if state.ends == "cut off":
            raise asyncio.CancelledError
        if state.ends == "lost":
            state.note = Kind("lost")


class Hooks:
    """Refuse steps, stop the run after one, and remember the state."""

    def __init__(self) -> None:
        self.seen: list[weakref.ref[Any]] = []

    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        self.seen.append(weakref.ref(context.state))
        if context.state.ends == f"refused {step.step_name}":
            raise PermissionError

    def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        if context.state.ends == f"stopped after {step.step_name}":
            raise PermissionError


@pytest.mark.parametrize(
    ("ends", "raised"),
    [
        ("completed", None),
        ("declined", Declined),
        ("not undone", CompensationError),
        ("lost", StoryNotRecordableError),
        ("cut off", asyncio.CancelledError),
        ("crashed", Crash),
        ("too late", SignalTimeoutError),
        ("refused reserve", PermissionError),
        ("refused approval", PermissionError),
        ("refused ship", PermissionError),
        ("stopped after reserve", PermissionError),
        ("stopped after ship", PermissionError),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_of_a_run_is_alive_after_it_without_the_garbage_collector(
    ends: str, raised: type[BaseException] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_and_forget(monkeypatch)

    class Watched(Checkout):
        pass

    hooks = Hooks()
    inject_hooks(Watched, [hooks])
    running = Running(
        Watched(Signal("approval", into="note", within=1)),
        Watched.State(ends=ends),
        signals={} if ends == "too late" else {"approval": "yes"},
        crashes=[Place(3, "before")] if ends == "crashed" else (),
    )

    async def without_collector() -> None:
        gc.disable()
        try:
            with nullcontext() if raised is None else pytest.raises(raised):
                await running.execute()
            assert hooks.seen
            assert [state() for state in hooks.seen] == [None] * len(hooks.seen)
        finally:
            gc.enable()

    asyncio.run(without_collector())
