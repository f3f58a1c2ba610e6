"""One failure is logged once, and an expected one is no fault."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from dddkit.stories import I, LoggingHook, Story, compensates, inject_hooks
from tests.stories.shop import Declined, Mode, Notes, both_modes, checkout, needs_threads, perform

LOGGER = "dddkit.stories.story"


def around(mode: Mode, inner: Callable[[Notes], object], *, levels: int = 1) -> type[Story]:
    """Return a story whose last step is another one, and so on."""

    @dataclass
    class Outer(Story):
        I.first
        I.inner

        inner: Any

        def first(self, state: Notes) -> None:
            pass

    inject_hooks(Outer)
    story: Any = inner
    for _ in range(levels):
        story = Outer(story)

    class Given(Outer):
        def __init__(self) -> None:
            self.inner = story.inner

    return Given


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return the level of each record above DEBUG, and the first line of the tree."""
    return [
        (record.levelname, record.getMessage().partition(":")[0])
        for record in caplog.records
        if record.name == LOGGER and record.levelno > logging.DEBUG
    ]


@both_modes
def test_fs16_a_failure_is_logged_once_with_the_tree_from_the_outermost_run(
    mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    inner = checkout(mode)
    inject_hooks(inner)
    caplog.set_level(logging.INFO)
    with pytest.raises(Declined):
        perform(around(mode, inner(), levels=3), Notes(charge=Declined()))
    record = caplog.records[0]
    assert len(caplog.records) == 1
    assert (record.levelname, record.exc_info is not None) == ("ERROR", True)
    assert [line.partition(" [")[0] for line in record.getMessage().splitlines()] == [
        "Given:",
        "    ✓I.first",
        "    ⟳I.inner",
        "        Outer:",
        "            ✓I.first",
        "            ⟳I.inner",
        "                Outer:",
        "                    ✓I.first",
        "                    ⟳I.inner",
        "                        Checkout:",
        "                            ✓I.reserve",
        "                            ✗I.charge",
        "                            I.ship",
    ]


@both_modes
def test_fs16_the_runs_that_it_passes_log_their_tree_at_debug(mode: Mode, caplog: pytest.LogCaptureFixture) -> None:
    inner = checkout(mode)
    inject_hooks(inner)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Declined):
        perform(around(mode, inner()), Notes(charge=Declined()))
    failed = [(record.levelname, record.exc_info is None) for record in caplog.records if "✗" in record.getMessage()]
    assert failed == [("ERROR", False), ("DEBUG", True)]


@both_modes
def test_fs16_a_run_without_the_hook_inside_leaves_the_record_to_the_next_one(
    mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Declined):
        perform(around(mode, checkout(mode)()), Notes(charge=Declined()))
    assert logged(caplog) == [("ERROR", "Given")]


def test_fs16_an_error_that_is_raised_from_another_is_a_new_failure(caplog: pytest.LogCaptureFixture) -> None:
    inner = checkout("sync")
    inject_hooks(inner)

    def translate(state: Notes) -> None:
        try:
            inner()(state)
        except Declined as error:
            raise LookupError from error

    with pytest.raises(LookupError):
        perform(around("sync", translate), Notes(charge=Declined()))
    assert [level for level, _ in logged(caplog)] == ["ERROR", "ERROR"]


@needs_threads
def test_fs16_a_failure_in_another_thread_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    inner = checkout("sync")
    inject_hooks(inner)

    def elsewhere(state: Notes) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(inner(), state).result()

    with pytest.raises(Declined):
        perform(around("sync", elsewhere), Notes(charge=Declined()))
    assert [level for level, _ in logged(caplog)] == ["ERROR"]


def test_fs16_a_failure_in_a_task_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    inner = checkout("async")
    inject_hooks(inner)

    async def elsewhere(state: Notes) -> None:
        await asyncio.create_task(inner()(state))

    with pytest.raises(Declined):
        perform(around("async", elsewhere), Notes(charge=Declined()))
    assert [level for level, _ in logged(caplog)] == ["ERROR"]


def test_fs16_runs_at_once_that_raise_one_object_are_logged_each(caplog: pytest.LogCaptureFixture) -> None:
    error = Declined("a constant of a module")

    class Refused(Story):
        I.wait
        I.refuse

        async def wait(self, state: int) -> None:
            await asyncio.sleep(0)

        def refuse(self, state: int) -> None:
            raise error

    inject_hooks(Refused)

    async def run() -> None:
        await asyncio.gather(*[Refused()(number) for number in range(3)], return_exceptions=True)

    asyncio.run(run())
    assert [level for level, _ in logged(caplog)] == ["ERROR"] * 3


@both_modes
def test_fs16_an_expected_error_is_logged_at_info_without_a_traceback(
    mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    story = checkout(mode)
    inject_hooks(story)
    inject_hooks(story, [LoggingHook(expected=Declined)])
    caplog.set_level(logging.INFO)
    with pytest.raises(Declined):
        perform(story, Notes(charge=Declined()))
    with pytest.raises(OSError, match="disk"):
        perform(story, Notes(charge=OSError("disk")))
    assert logged(caplog) == [("INFO", story.__name__), ("ERROR", story.__name__)]
    assert caplog.records[0].exc_info is None


@both_modes
def test_fs16_of_several_hooks_that_log_the_one_of_the_nearest_class_does(
    mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    parent = checkout(mode)

    class Child(parent):  # type: ignore[misc,valid-type]  # a class made by a function
        pass

    inject_hooks(Child, [LoggingHook(expected=[Declined])])
    inject_hooks(parent)
    caplog.set_level(logging.INFO)
    for story in (Child, parent):
        with pytest.raises(Declined):
            perform(story, Notes(charge=Declined()))
    assert [level for level, _ in logged(caplog)] == ["INFO", "ERROR"]


@both_modes
@pytest.mark.parametrize("expected", [(), Declined])
@pytest.mark.parametrize("fails", [False, True])
def test_fs16_after_an_undoing_the_tree_is_written_once_more(
    mode: Mode, expected: Any, fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Undone(checkout(mode)):  # type: ignore[misc]  # a class made by a function
        @compensates("reserve")
        def release(self, state: Notes) -> None:
            state.take("release")

    inject_hooks(Undone)
    inject_hooks(Undone, [LoggingHook(expected=expected)])
    caplog.set_level(logging.INFO)
    errors: dict[str, BaseException] = {"charge": Declined()}
    if fails:
        errors["release"] = ConnectionError()
    with pytest.raises(Exception):  # noqa: B017, PT011  # Declined, or a CompensationError
        perform(Undone, Notes(**errors))
    first, second = [record for record in caplog.records if record.name == LOGGER]
    assert (first.levelname, second.levelname) == ("INFO" if expected else "ERROR", "ERROR" if fails else "INFO")
    assert second.exc_info is None
    assert [line.partition(" [")[0] for line in second.getMessage().splitlines()] == [
        "Undone:",
        "    ↩✗I.reserve" if fails else "    ↩✓I.reserve",
        "    ✗I.charge",
        "    I.ship",
    ]


def test_fs16_what_is_no_exception_class_is_rejected() -> None:
    wrong: Any
    for wrong, shown in [
        (1, "1"),
        ("Declined", "a str"),
        ([Declined()], "a Declined"),
        (KeyboardInterrupt, "the class"),
    ]:
        with pytest.raises(TypeError, match=rf"LoggingHook\(expected=...\) takes exception classes, not .*{shown}"):
            LoggingHook(expected=wrong)
