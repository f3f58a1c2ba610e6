"""Sync stories on DBOS: their runs, hooks and records and all, are in a thread, and hold none where they wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pytest
from dbos import DBOS
from sqlalchemy import Engine, event

from dddkit.stories import I, StepExecutionInfo, Story, StoryExecutionContext, StoryState, compensates, inject_hooks
from dddkit.stories.dbos import Durable, Run, _threads
from dddkit.stories.dbos._executions import executions_of
from dddkit.stories.durable import Delay, Retry, RunStatus
from tests.durable.launched import DATABASES, configured, url_of

SEEN: ContextVar[str] = ContextVar("seen", default="nothing")
THREADS: list[str] = []


class State(StoryState):
    seen: list[str] = []
    fails: bool = False


@dataclass(frozen=True)
class Telling(Story):
    I.one
    I.two
    I.three

    def one(self, state: State) -> None:
        tell(state)

    @compensates(one)
    def undo_one(self, state: State) -> None:
        tell(state)

    def two(self, state: State) -> None:
        tell(state)

    def three(self, state: State) -> None:
        tell(state)
        if state.fails:
            raise LookupError


def tell(state: State) -> None:
    THREADS.append(threading.current_thread().name)
    state.seen.append(SEEN.get())


@dataclass(frozen=True)
class Pausing(Telling):
    I.one
    I.pause
    I.two

    pause: Any


class Awaited:
    async def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        SEEN.set(f"an async hook of {step.step_name}")


@dataclass(frozen=True)
class AwaitedTelling(Telling):
    pass


class Marking:
    """A hook that sets a context variable around the story and around steps, as tracing does."""

    def __init__(self) -> None:
        self.threads: list[str] = []

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        token = SEEN.set("the story")
        yield
        SEEN.reset(token)  # in the very context in which it was set

    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Generator[None]:
        token = SEEN.set(f"{SEEN.get()}: {step.step_name}")
        self.threads.append(threading.current_thread().name)
        yield
        self.threads.append(threading.current_thread().name)
        SEEN.reset(token)


Stories = dict[str, Durable[Any]]


@pytest.fixture(scope="module", params=DATABASES)
def stories(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stories]:
    with configured(url_of(request.param, tmp_path_factory)):
        made: Stories = {
            "telling": Durable(Telling(), name="telling"),
            "retried": Durable(Telling(), name="retried", retries={"two": Retry(on=OSError)}),
            "refused": Durable(Telling(), name="refused", retries={"three": Retry(on=LookupError, wait=60.0)}),
            "awaited": Durable(AwaitedTelling(), name="awaited"),
            "pausing": Durable(Pausing(Delay(minutes=5)), name="pausing"),
            "short": Durable(Pausing(Delay(seconds=0.001)), name="short"),
        }
        DBOS.launch()
        yield made


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    THREADS.clear()


def carried_out(durable: Durable[State], run_id: str) -> State:
    durable.start(State(), id=run_id)
    return durable.result(run_id)


def test_a_run_stays_in_one_thread_with_what_hooks_have_set(stories: Stories) -> None:
    hook = Marking()
    with inject_hooks(Telling, [hook]):
        end = carried_out(stories["telling"], "marked")
    assert end.seen == ["the story: one", "the story: two", "the story: three"]
    assert len({*THREADS, *hook.threads}) == 1
    assert THREADS[0].startswith("dddkit-step")


@pytest.mark.parametrize("name", ["retried", "short"])
def test_what_hooks_have_set_is_there_too_where_a_run_leaves_its_thread(stories: Stories, name: str) -> None:
    hook = Marking()
    with inject_hooks(Telling, [hook]), inject_hooks(Pausing, [hook]):
        end = carried_out(stories[name], f"marked {name}")
    assert [text.partition(":")[0] for text in end.seen] == ["the story"] * len(THREADS)
    assert all(thread.startswith("dddkit-step") for thread in THREADS)


def test_async_hooks_of_a_sync_story_are_awaited(stories: Stories) -> None:
    with inject_hooks(AwaitedTelling, [Awaited()]):
        end = carried_out(stories["awaited"], "awaited")
    assert end.seen == ["an async hook of one", "an async hook of two", "an async hook of three"]
    assert all(thread.startswith("dddkit-step") for thread in THREADS)


def test_a_hook_that_hides_that_it_waits_fails_the_run_as_where_a_sync_story_runs_plainly(stories: Stories) -> None:
    class Hiding:
        def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Awaitable[None]:
            return Awaited().before(context, step) if step.step_name == "one" else _waiting()

    class Pending:
        def __await__(self) -> Generator[None]:
            yield

    async def _waiting() -> None:
        await Pending()

    with inject_hooks(Telling, [Hiding()]):
        stories["telling"].start(State(), id="hidden")
        with pytest.raises(TypeError, match="the story is sync"):
            stories["telling"].result("hidden")
    assert len(THREADS) == 2  # the first step, and its compensation


def test_fs17_a_run_that_is_interrupted_while_a_step_is_recorded_begins_no_further_step(
    stories: Stories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_threads, "_MOST", 1)
    was_interrupted = threading.Event()

    def interrupt(*call: Any) -> None:
        if "INSERT INTO" in call[2] and "operation_outputs" in call[2] and not was_interrupted.is_set():
            (execution,) = executions_of("interrupted")
            execution.interrupt()
            until(lambda: execution.has_ended)
            was_interrupted.set()

    event.listen(Engine, "before_cursor_execute", interrupt)
    try:
        stories["telling"].start(State(), id="interrupted")
        assert was_interrupted.wait(30)
    finally:
        event.remove(Engine, "before_cursor_execute", interrupt)
    carried_out(stories["telling"], "after it")  # in the only thread
    assert len(THREADS) == 1 + 3
    stories["telling"].cancel("interrupted", undo=False)


HOLDS: dict[str, Callable[[Run], bool]] = {
    "pausing": lambda run: run.status is RunStatus.WAITING,
    "refused": lambda _: len(THREADS) == 3,  # its last step has failed, and is tried again in a minute
}


@pytest.mark.parametrize("name", HOLDS)
def test_a_run_that_waits_holds_no_thread(stories: Stories, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(_threads, "_MOST", 1)
    stories[name].start(State(fails=True), id=f"waiting {name}")
    until(lambda: any(map(HOLDS[name], stories[name].runs())))
    carried_out(stories["telling"], f"beside {name}")
    stories[name].cancel(f"waiting {name}", undo=False)


def until(comes: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not comes():
        assert time.monotonic() < deadline
        time.sleep(0.002)
