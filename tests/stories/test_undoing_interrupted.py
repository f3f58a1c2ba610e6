"""An interrupt at any line of the engine undoes nothing twice, and forgets nothing in silence."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from linecache import getline
from types import FrameType
from typing import Any

import pytest

from dddkit._awaitables import FINISHED
from dddkit.stories import I, Story, inject_hooks
from tests.stories.shop import Declined, Mode, Notes, both_modes
from tests.stories.test_undoing import COMPENSATION, shop


class Interrupt:
    """Raises KeyboardInterrupt at a line of our code, once, after the step that fails has begun."""

    def __init__(self, line: int, notes: Notes) -> None:
        self._left = line
        self._notes = notes
        self.has_come = False

    def trace(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        module = frame.f_globals.get("__name__", "")
        # Some lines stand where CPython does not look for an interrupt: those of generated source, and of a `finally`;
        # and the line of a `with`, which comes again when its lock is to be released, and would stay held.
        is_ours = module.startswith("dddkit") and not module.endswith((".source", ".tree_log", "._context"))
        is_ours = is_ours and not getline(frame.f_code.co_filename, frame.f_lineno).lstrip().startswith("with LOCK")
        if event == "line" and is_ours and "ship" in self._notes.log and not self.has_come:
            self._left -= 1
            if self._left == 0:
                self.has_come = True
                raise KeyboardInterrupt
        return self.trace


def run(story: type[Story], state: Notes) -> None:
    called: Any = story()(state)
    while called is not FINISHED:
        called.send(None)


def outcomes(story: type[Story], caplog: pytest.LogCaptureFixture) -> Iterator[tuple[list[str], str]]:
    """Run a story whose last step fails, interrupted at each line in turn; yield what ran, and what was logged."""
    caplog.set_level(logging.ERROR)
    with suppress(Declined):
        run(story, Notes(ship=Declined()))
    line, has_come = 0, True
    while has_come:
        line += 1
        caplog.clear()
        state = Notes(ship=Declined())
        interrupt = Interrupt(line, state)
        before = sys.gettrace()
        sys.settrace(interrupt.trace)
        try:
            with suppress(Declined, KeyboardInterrupt):
                run(story, state)
        finally:
            sys.settrace(before)
        has_come = interrupt.has_come
        yield state.log, " ".join(record.getMessage() for record in caplog.records if record.name == COMPENSATION)
    assert line > 10


# Between a compensation's call and its await, the interrupt leaves a coroutine behind.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in.*coroutine object:pytest.PytestUnraisableExceptionWarning")
@both_modes
@pytest.mark.parametrize("has_hooks", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_an_interrupt_at_any_line_of_the_undoing(mode: Mode, has_hooks: bool, caplog: pytest.LogCaptureFixture) -> None:
    story = shop(mode)
    if has_hooks:
        inject_hooks(story)
    wrong: list[object] = []
    for log, logged in outcomes(story, caplog):
        undone = [name for name in log if name in ("refund", "release")]
        forgotten = [
            step
            for step, undo in (("charge", "refund"), ("reserve", "release"))
            if undo not in undone and step not in logged
        ]
        if len(undone) != len(set(undone)) or forgotten:
            wrong.append((undone, logged))
    assert wrong == []


@both_modes
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in.*coroutine object:pytest.PytestUnraisableExceptionWarning")
def test_a_step_that_is_listed_twice_is_forgotten_at_neither_place(
    mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    class Twice(shop(mode)):  # type: ignore[misc]  # a class made by a function
        I.charge
        I.charge
        I.ship

    wrong: list[object] = []
    for log, logged in outcomes(Twice, caplog):
        if log.count("refund") + logged.replace("its compensation", "").count("charge") < 2 or log.count("refund") > 2:
            wrong.append((log, logged))
    assert wrong == []
