"""The facts of a run are right whichever thread reads them when."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
from collections.abc import Iterator
from time import sleep
from types import FrameType
from typing import Any

import pytest

from dddkit.stories import I, StepExecutionInfo, StepStatus, Story, StoryExecutionContext, inject_hooks
from tests.stories.shop import Declined, Mode, both_modes, needs_threads, run_alone

pytestmark = needs_threads


class Kept:
    """Keeps the context of the run under way."""

    context: StoryExecutionContext

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        self.context = context
        yield


class PausedReader:
    """A thread that reads the facts of a run, and pauses at a line of our code until the run has ended."""

    def __init__(self, kept: Kept, line: int) -> None:
        self._kept = kept
        self._lines = line
        self._paused = threading.Event()
        self._go_on = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self.has_paused = False
        self.seen: tuple[StepExecutionInfo, ...] = ()

    def start(self) -> None:
        self._thread.start()
        self._paused.wait(10)

    def finish(self) -> None:
        self._go_on.set()
        self._thread.join()

    def _read(self) -> None:
        sys.settrace(self._trace)
        self.seen = self._kept.context.steps
        sys.settrace(None)
        self._paused.set()

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line" and "dddkit" in frame.f_globals.get("__name__", ""):
            self._lines -= 1
            if self._lines == 0:
                self.has_paused = True
                self._paused.set()
                self._go_on.wait(0.01)  # the run may have to wait for what this thread holds
        return self._trace


def sale_that_is_read(mode: Mode, error: BaseException | None, reader: list[PausedReader]) -> type[Story]:
    """Return a story whose second step lets the reader begin, and then fails or completes."""

    class Sale(Story):
        I.reserve
        I.charge
        I.ship

        def reserve(self, state: object) -> None: ...

        def charge(self, state: object) -> None:
            reader[0].start()
            if error is not None:
                raise error

        def ship(self, state: object) -> None: ...

    class AsyncSale(Sale):
        async def reserve(self, state: object) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the point
            await asyncio.sleep(0)

    return Sale if mode == "sync" else AsyncSale


@both_modes
@pytest.mark.parametrize("fails", [False, True])
def test_fr8_facts_are_right_wherever_the_thread_that_reads_them_is_interrupted(
    mode: Mode, fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    kept, reader = Kept(), list[PausedReader]()
    story = sale_that_is_read(mode, Declined() if fails else None, reader)
    inject_hooks(story)
    inject_hooks(story, [kept])
    end = StepStatus.FAILED if fails else StepStatus.COMPLETED
    expected = [StepStatus.COMPLETED, end, StepStatus.PENDING if fails else StepStatus.COMPLETED]
    wrong: list[Any] = []
    line = 0
    while True:
        line += 1
        reader[:] = [PausedReader(kept, line)]
        caplog.clear()
        with contextlib.suppress(Declined):
            run_alone(story, None)
        tree = str(kept.context)
        reader[0].finish()
        facts = [step.status for step in kept.context.steps]
        if facts != expected or [step.status for step in reader[0].seen] != expected or str(kept.context) != tree:
            wrong.append((line, facts, reader[0].seen))
        if fails and not [record for record in caplog.records if "✗I.charge" in record.getMessage()]:
            wrong.append((line, caplog.text))
        if not reader[0].has_paused:
            break
    assert wrong == []
    assert line > 10


@both_modes
def test_fr8_the_steps_that_another_thread_has_read_are_those_of_the_run(mode: Mode) -> None:
    class Sale(Story):
        I.reserve
        I.charge

        def reserve(self, state: object) -> None:
            sleep(0)  # lets the other thread run

        def charge(self, state: object) -> None: ...

    class AsyncSale(Sale):
        async def charge(self, state: object) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the point

    story = Sale if mode == "sync" else AsyncSale
    kept, stopped = Kept(), threading.Event()
    seen: list[tuple[StoryExecutionContext, tuple[StepExecutionInfo, ...]]] = []

    def read() -> None:
        while not stopped.is_set():
            context = kept.context
            seen.append((context, context.steps))

    inject_hooks(story)
    inject_hooks(story, [kept])
    run_alone(story, None)
    thread = threading.Thread(target=read)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        for _ in range(500):
            run_alone(story, None)
    finally:
        stopped.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert all(one is other for context, steps in seen for one, other in zip(steps, context.steps, strict=True))
    assert {step.status for _, steps in seen for step in steps} == {StepStatus.COMPLETED}


@both_modes
def test_fr8_a_thread_that_reads_a_waiting_run_sees_which_step_it_is_at(mode: Mode) -> None:
    at_work, go_on = threading.Event(), threading.Event()
    kept = Kept()
    seen: list[list[StepStatus]] = []

    class Sale(Story):
        I.reserve
        I.charge

        def reserve(self, state: object) -> None:
            seen.append([step.status for step in kept.context.steps])

        def charge(self, state: object) -> None:
            at_work.set()
            go_on.wait(10)

    class AsyncSale(Sale):
        async def reserve(self, state: object) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the point
            Sale.reserve(self, state)

    story = Sale if mode == "sync" else AsyncSale
    inject_hooks(Sale)
    inject_hooks(Sale, [kept])
    thread = threading.Thread(target=lambda: run_alone(story, None))
    thread.start()
    assert at_work.wait(10)
    during = kept.context.steps
    assert [step.status for step in during] == [StepStatus.COMPLETED, StepStatus.RUNNING]
    assert "⟳I.charge" in str(kept.context)
    go_on.set()
    thread.join()
    assert [step.status for step in during] == [StepStatus.COMPLETED, StepStatus.COMPLETED]
    assert seen == [[StepStatus.RUNNING, StepStatus.PENDING]]
