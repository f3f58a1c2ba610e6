"""Generator hooks around a story and around a step."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from dddkit.stories import StepExecutionInfo, StepStatus, StoryExecutionContext, inject_hooks
from tests.stories.recording import Recorder
from tests.stories.shop import Declined, Mode, Notes, both_modes, checkout, perform, run_alone


class Around:
    """A hook that runs a generator function around the story or around its first step."""

    def __init__(self, kind: str, generator: Any) -> None:
        def of_first_step(context: StoryExecutionContext, step: StepExecutionInfo) -> Any:
            return generator(context) if step.step_index == 0 else quietly(context)

        if kind == "story":
            self.around_story = generator
        else:
            self.around_step = of_first_step


def quietly(context: object) -> Iterator[None]:
    yield


around_both = pytest.mark.parametrize("kind", ["story", "step"])


def run_with(mode: Mode, kind: str, generator: Any, state: Notes, *more: Any) -> None:
    story = checkout(mode)
    inject_hooks(story, [Around(kind, generator), *more])
    perform(story, state)


@both_modes
@around_both
def test_the_error_is_seen_at_the_yield(mode: Mode, kind: str) -> None:
    seen: list[object] = []

    def watching(context: StoryExecutionContext) -> Iterator[None]:
        try:
            yield
        except Declined as error:
            seen.extend([error, context.steps[0].status])
            raise

    error = Declined("card")
    with pytest.raises(Declined) as caught:
        run_with(mode, kind, watching, Notes(reserve=error))
    assert seen == [error, StepStatus.FAILED]
    assert caught.value is error


@both_modes
@around_both
def test_the_error_cannot_be_swallowed(mode: Mode, kind: str) -> None:
    def swallowing(context: StoryExecutionContext) -> Iterator[None]:
        with suppress(BaseException):
            yield

    error = Declined("card")
    state = Notes(reserve=error)
    with pytest.raises(Declined) as caught:
        run_with(mode, kind, swallowing, state)
    assert caught.value is error
    assert state.log == ["reserve"]


@both_modes
@around_both
def test_an_error_before_the_yield_stops_like_a_before_hook(mode: Mode, kind: str) -> None:
    guard = Declined("guard")

    def guarding(context: StoryExecutionContext) -> Iterator[None]:
        raise guard
        yield

    log: list[str] = []
    outer, inner = Recorder("outer", log), Recorder("inner", log)
    story = checkout(mode)
    inject_hooks(story, [outer, Around(kind, guarding), inner])
    state = Notes()

    with pytest.raises(Declined) as caught:
        perform(story, state)

    assert caught.value is guard
    assert state.log == []
    if kind == "story":
        assert log == ["outer enter story", "outer leave story"]
    else:
        assert log == [
            "outer enter story",
            "inner enter story",
            "outer enter reserve",
            "outer error reserve",
            "inner error reserve",
            "outer after reserve",
            "inner after reserve",
            "outer leave reserve",
            "inner leave story",
            "outer leave story",
        ]


@both_modes
@around_both
def test_an_error_after_the_yield_counts_as_one_of_an_after_hook(mode: Mode, kind: str) -> None:
    own = LookupError("hook")
    contexts: list[StoryExecutionContext] = []

    def failing(context: StoryExecutionContext) -> Iterator[None]:
        contexts.append(context)
        yield
        raise own

    log: list[str] = []
    state = Notes()
    with pytest.raises(LookupError) as caught:
        run_with(mode, kind, failing, state, Recorder("a", log))

    assert caught.value is own
    assert state.log == (["reserve", "charge", "ship"] if kind == "story" else ["reserve"])
    assert contexts[0].status is StepStatus.FAILED
    assert contexts[0].steps[0].status is StepStatus.COMPLETED
    assert "a leave reserve" in log
    assert "a leave story" in log


@both_modes
@around_both
def test_an_error_after_the_yield_never_replaces_the_one_that_passes(
    mode: Mode, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    own = LookupError("hook")

    def failing(context: StoryExecutionContext) -> Iterator[None]:
        try:
            yield
        finally:
            raise own

    error = Declined("card")
    with pytest.raises(Declined) as caught:
        run_with(mode, kind, failing, Notes(reserve=error))

    assert caught.value is error
    [record] = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is own
    assert "failing failed while another error was on its way" in record.getMessage()


@both_modes
@around_both
def test_ctrl_c_after_the_yield_comes_before_the_error_that_passes(mode: Mode, kind: str) -> None:
    def interrupted(context: StoryExecutionContext) -> Iterator[None]:
        try:
            yield
        finally:
            raise KeyboardInterrupt

    story = checkout(mode)
    inject_hooks(story, [Around(kind, interrupted)])
    error = Declined("card")
    with pytest.raises(KeyboardInterrupt) as caught:
        run_alone(story, Notes(reserve=error))
    assert caught.value.__cause__ is error


@both_modes
@around_both
def test_the_error_of_an_inner_hook_passes_the_outer_ones(mode: Mode, kind: str) -> None:
    own = LookupError("hook")
    seen: list[BaseException] = []

    def watching(context: StoryExecutionContext) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            seen.append(error)
            raise

    def failing(context: StoryExecutionContext) -> Iterator[None]:
        yield
        raise own

    with pytest.raises(LookupError):
        run_with(mode, kind, watching, Notes(), Around(kind, failing))
    assert seen == [own]


@both_modes
@around_both
def test_not_yielding_is_an_error_before_the_first_step(mode: Mode, kind: str) -> None:
    def never(context: StoryExecutionContext) -> Iterator[None]:
        if context.status is StepStatus.PENDING:
            yield

    state = Notes()
    with pytest.raises(RuntimeError, match=r"the around hook .* yield exactly once, but never did"):
        run_with(mode, kind, never, state)
    assert state.log == []


@both_modes
@around_both
def test_yielding_twice_is_an_error(mode: Mode, kind: str) -> None:
    closed: list[str] = []

    def twice(context: StoryExecutionContext) -> Iterator[None]:
        try:
            yield
            yield
        finally:
            closed.append("closed")

    state = Notes()
    with pytest.raises(RuntimeError, match="twice has to yield exactly once, but yielded again"):
        run_with(mode, kind, twice, state)
    assert state.log[0] == "reserve"
    assert closed == ["closed"]


@both_modes
@around_both
def test_yielding_again_on_an_error_does_not_replace_it(
    mode: Mode, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def twice(context: StoryExecutionContext) -> Iterator[None]:
        try:
            yield
        except Declined:
            yield

    with pytest.raises(Declined):
        run_with(mode, kind, twice, Notes(reserve=Declined()))
    assert "twice has to yield exactly once, but yielded again" in caplog.text


def gives_none(context: object) -> None: ...
def gives_a_list(context: object) -> list[None]:
    return [None]


async def gives_a_coroutine(context: object) -> None: ...


@both_modes
@around_both
@pytest.mark.parametrize("other", [gives_none, gives_a_list, gives_a_coroutine])
def test_what_is_no_generator_is_an_error(mode: Mode, kind: str, other: Any) -> None:
    def hiding(context: StoryExecutionContext) -> Any:
        return other(context)

    state = Notes()
    with pytest.raises(RuntimeError, match=r"the around hook .* yield exactly once, but is no generator"):
        run_with(mode, kind, hiding, state)
    assert state.log == []


@around_both
def test_stop_iteration_of_a_step_passes_around_hooks_of_a_sync_story(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = StopIteration("no more")
    with pytest.raises(StopIteration) as caught:
        run_with("sync", kind, quietly, Notes(reserve=error), Around(kind, quietly))
    assert caught.value is error
    assert caplog.records == []


@around_both
def test_a_runtime_error_of_its_own_is_not_taken_for_a_stop_iteration(kind: str) -> None:
    def failing(context: StoryExecutionContext) -> Iterator[None]:
        yield
        raise RuntimeError("own")

    with pytest.raises(RuntimeError, match="own"):
        run_with("sync", kind, failing, Notes())


def swallowing(context: object) -> Iterator[None]:
    with suppress(Declined):
        yield


def replacing(context: object) -> Iterator[None]:
    try:
        yield
    except Declined as error:
        raise LookupError from error


@both_modes
@around_both
@pytest.mark.parametrize("generator", [quietly, swallowing, replacing])
def test_the_traceback_shows_the_step_and_no_line_of_a_hook(mode: Mode, kind: str, generator: Any) -> None:
    with pytest.raises(Declined) as caught:
        run_with(mode, kind, generator, Notes(reserve=Declined()), Around(kind, generator), Recorder("a", []))

    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [frame.name for frame in frames][-2:] == ["reserve", "take"]
    assert not [frame for frame in frames if "recording" in frame.filename or frame.name == generator.__name__]


def test_around_step_gets_the_step() -> None:
    seen: list[tuple[str, StepStatus]] = []

    class Watching:
        def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
            seen.append((step.step_name, step.status))
            yield
            seen.append((step.step_name, step.status))

    story = checkout("sync")
    inject_hooks(story, [Watching()])
    perform(story, Notes())
    assert seen == [
        (name, status)
        for name in ("reserve", "charge", "ship")
        for status in (StepStatus.RUNNING, StepStatus.COMPLETED)
    ]
