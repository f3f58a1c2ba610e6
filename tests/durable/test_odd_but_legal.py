"""Durable stories that are odd, and legal: their ids, their States, and what their steps raise."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import pytest
from dbos import DBOS

from dddkit.stories import I, Story, StoryExecutionContext, StoryState, compensates, inject_hooks, variable
from dddkit.stories.dbos import Durable, RunStatusError
from dddkit.stories.dbos._executions import executions_of
from dddkit.stories.durable import Retry, RunCancelledError, RunStatus, Signal
from tests.durable.launched import DATABASES, configured, logged_by_dbos, url_of

T = TypeVar("T")
LONGEST = "\N{MONEY BAG}" * 75


class Asked(StoryState):
    order: str
    answer: bool = variable()


@dataclass(frozen=True)
class Ask(Story):
    """Waits for a signal, which may have any name."""

    I.wait
    I.go_on

    State = Asked
    wait: Any

    async def go_on(self, state: Asked) -> None: ...


class Box(StoryState, Generic[T]):
    content: T
    taken: T = variable()


class Take(Story):
    I.take

    State = Box[list[int]]

    async def take(self, state: Box[list[int]]) -> None:
        state.taken = [*state.content, 1]


class TakeText(Story):
    """Says with its steps which State it takes."""

    I.take

    async def take(self, state: Box[str]) -> None:
        state.taken = state.content


@dataclass
class Exit(Story):
    I.leave

    class State(StoryState):
        number: int = 0

    raised: type[BaseException] = SystemExit
    times: list[int] = field(default_factory=list[int])

    async def leave(self, state: State) -> None:
        self.times.append(state.number)
        if len(self.times) == 1:
            raise self.raised("bye")


class GiveUp(BaseException):
    """As what pytest.fail() raises."""


@dataclass
class Wait(Story):
    I.wait

    class State(StoryState):
        passes: int = 0

    entered: threading.Event = field(default_factory=threading.Event)
    may_leave: threading.Event = field(default_factory=threading.Event)
    done: list[int] = field(default_factory=list[int])

    async def wait(self, state: State) -> None:
        self.entered.set()
        while not self.may_leave.is_set():
            await asyncio.sleep(0.001)
        self.done.append(state.passes)
        state.passes += 1


@dataclass
class Alone(Story):
    """Waits for the end of a run of its own class."""

    I.wait

    class State(StoryState):
        run: str

    durable: list[Durable[Any]] = field(default_factory=list[Durable[Any]])

    async def wait(self, state: State) -> None:
        await self.durable[0].aresult(state.run)


class Inner(Story):
    I.work

    class State(StoryState):
        number: int

    def work(self, state: State) -> None:
        state.number += 1


@dataclass
class Outer(Story):
    """Waits in its step for a run of another sync story, when all steps that may run at once do the same."""

    I.wait

    class State(StoryState):
        number: int

    inner: list[Durable[Any]] = field(default_factory=list[Durable[Any]])
    all_wait: threading.Barrier = field(default_factory=lambda: threading.Barrier(2))

    def wait(self, state: State) -> None:
        if state.number < 2:
            self.all_wait.wait(10)
        (inner,) = self.inner
        run_id = inner.start(Inner.State(number=state.number), id=f"inner {state.number}")
        state.number = inner.result(run_id, timeout=10).number


@dataclass
class Regret(Story):
    """One whose undoing ends when it may."""

    I.prepare
    I.wait
    I.go_on

    State = Asked
    wait: Any
    undoing: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)

    async def prepare(self, state: Asked) -> None: ...

    @compensates(prepare)
    async def take_back(self, state: Asked) -> None:
        self.undoing.set()
        while not self.may_end.is_set():
            await asyncio.sleep(0.001)

    async def go_on(self, state: Asked) -> None: ...


class AtTheEnd:
    """A hook that holds a run whose steps are all recorded."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.may_end = threading.Event()

    def around_story(self, context: StoryExecutionContext) -> Generator[None]:
        try:
            yield
        finally:
            self.reached.set()
            self.may_end.wait(10)


class Held(Story):
    I.work

    class State(StoryState):
        fails: bool

    def work(self, state: State) -> None:
        if state.fails:
            raise ArithmeticError("no")


class SyncExit(Exit):
    I.leave_in_thread

    def leave_in_thread(self, state: Exit.State) -> None:
        asyncio.run(self.leave(state))


class Stories:
    def __init__(self) -> None:
        self.ask: Durable[Any] = Durable(Ask(Signal("answer", into="answer")), name="ask")
        self.cancel: Durable[Any] = Durable(Ask(Signal("cancel", into="answer")), name="cancel")
        self.long: Durable[Any] = Durable(Ask(Signal(LONGEST, into="answer")), name="long")
        self.take: Durable[Any] = Durable(Take(), name="take")
        self.take_text: Durable[Any] = Durable(TakeText(), name="take text")
        self.waiting = Wait()
        self.slow: Durable[Any] = Durable(self.waiting, name="slow")
        self.regretting = Regret(Signal("answer", into="answer"))
        self.regret: Durable[Any] = Durable(self.regretting, name="regret")
        self.held: Durable[Any] = Durable(Held(), name="held")
        alone = Alone()
        self.alone: Durable[Any] = Durable(alone, name="alone")
        alone.durable.append(self.alone)
        outer = Outer()
        outer.inner.append(Durable(Inner(), name="inner"))
        self.outer: Durable[Any] = Durable(outer, name="outer")
        self.exits = (Exit(), Exit(), SyncExit())
        limited = {"leave": Retry(on=(ConnectionError,), timeout=30.0)}
        self.leave: dict[str, Durable[Any]] = {
            "async": Durable(self.exits[0], name="leave"),
            "in time": Durable(self.exits[1], name="leave in time", retries=limited),
            "sync": Durable(self.exits[2], name="leave in a thread"),
        }
        self.give_up: dict[str, Durable[Any]] = {
            "async": Durable(Exit(GiveUp), name="give up"),
            "sync": Durable(SyncExit(GiveUp), name="give up in a thread"),
        }
        self.cancelled: dict[str, Durable[Any]] = {
            "async": Durable(Exit(asyncio.CancelledError), name="is cancelled"),
            "sync": Durable(SyncExit(asyncio.CancelledError), name="is cancelled in a thread"),
        }


@pytest.fixture(scope="module", params=DATABASES)
def stories(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stories]:
    with configured(url_of(request.param, tmp_path_factory)):
        stories = Stories()
        DBOS.launch()
        yield stories


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def waiting(durable: Durable[Any], *run_ids: str) -> None:
    for run_id in run_ids:
        durable.start(Asked(order=run_id), id=run_id)
    until(lambda: all(durable.status(run_id) is RunStatus.WAITING for run_id in run_ids))


@pytest.mark.parametrize("order", [0, 1])
def test_a_run_whose_id_ends_like_something_sent_to_another_run_stands_in_nobody_s_way(
    stories: Stories, order: int
) -> None:
    one, others = f"one-{order}", [f"one-{order}/cancel", f"one-{order}/signal/answer"]
    waiting(stories.ask, *([one, *others] if order else [*others, one]))
    assert stories.ask.signal(one, "answer", True).accepted
    assert stories.ask.result(one, timeout=10).answer
    assert {stories.ask.status(other) for other in others} == {RunStatus.WAITING}
    for other in others:
        stories.ask.cancel(other, undo=True)


def test_a_run_that_is_resumed_takes_no_run_away_whose_id_begins_like_its_own(stories: Stories) -> None:
    waiting(stories.ask, "two", "two/cancel")
    stories.ask.cancel("two", undo=False)
    stories.ask.resume("two")
    until(lambda: stories.ask.status("two") is RunStatus.WAITING)
    assert stories.ask.status("two/cancel") is RunStatus.WAITING
    stories.ask.cancel("two/cancel", undo=False)
    stories.ask.signal("two", "answer", False)
    assert stories.ask.result("two", timeout=10).answer is False


def test_a_signal_may_be_called_like_what_cancels_a_run(stories: Stories) -> None:
    waiting(stories.cancel, "three", "three/signal")
    assert stories.cancel.signal("three", "cancel", True).accepted
    assert stories.cancel.result("three", timeout=10).answer
    stories.cancel.signal("three/signal", "cancel", False)
    assert stories.cancel.result("three/signal", timeout=10).answer is False


def test_the_longest_signal_comes_to_the_run_with_the_longest_id(stories: Stories) -> None:
    longest = "\N{MONEY BAG}" * 250
    waiting(stories.long, longest)
    assert stories.long.signal(longest, LONGEST, True).accepted
    assert stories.long.result(longest, timeout=10).answer


def test_an_id_of_dddkit_is_rejected(stories: Stories) -> None:
    with pytest.raises(ValueError, match=r"ids that begin with dddkit\.mailbox/ belong to dddkit"):
        stories.ask.start(Asked(order="1"), id="dddkit.mailbox/cancel/one")


def test_a_generic_state_is_recorded_with_its_arguments(stories: Stories) -> None:
    content: list[int] = [2]
    stories.take.start(Box(content=content), id="box")
    assert stories.take.result("box", timeout=10).taken == [2, 1]
    stories.take_text.start(Box(content="tea"), id="text")
    assert stories.take_text.result("text", timeout=10).taken == "tea"


def test_a_run_that_is_cancelled_in_the_middle_of_a_step_makes_no_noise_and_repeats_the_step(stories: Stories) -> None:
    slow, run_id = stories.slow, "cancelled in a step"
    with logged_by_dbos() as logged:
        stories.slow.start(Wait.State(), id=run_id)
        assert stories.waiting.entered.wait(10)
        slow.cancel(run_id, undo=False)
        stories.waiting.may_leave.set()
        until(lambda: not executions_of(run_id))
        assert slow.status(run_id) is RunStatus.CANCELLED
    assert logged == []
    slow.resume(run_id)
    assert slow.result(run_id, timeout=10).passes == 1
    assert stories.waiting.done == [0, 0]


def test_a_run_that_is_cancelled_while_a_worker_takes_it_over_stays_cancelled_until_it_is_resumed(
    stories: Stories,
) -> None:
    waiting(stories.ask, "taken")
    stories.ask.cancel("taken", undo=False)
    until(lambda: not executions_of("taken"))
    DBOS.resume_workflow("taken")  # as a worker does which has read before that nobody executes it
    until(lambda: stories.ask.status("taken") is RunStatus.CANCELLED)
    assert not stories.ask.signal("taken", "answer", True).accepted
    stories.ask.resume("taken")
    until(lambda: stories.ask.status("taken") is RunStatus.WAITING)
    stories.ask.signal("taken", "answer", True)
    assert stories.ask.result("taken", timeout=10).answer


def test_a_run_that_was_cancelled_and_undone_is_never_said_to_go_on(stories: Stories) -> None:
    waiting(stories.ask, "undone")
    stories.ask.cancel("undone", undo=True)
    with pytest.raises(RunCancelledError):
        stories.ask.result("undone", timeout=10)
    for call, advice in (
        (stories.ask.resume, "it cannot be resumed; start another run, under another id"),
        (stories.ask.retry, "it cannot be retried; all is undone; start another run, under another id"),
    ):
        with pytest.raises(RunStatusError, match=advice):
            call("undone")
    with pytest.raises(RunStatusError, match="undoes no run that has ended; there is nothing to stop"):
        stories.ask.cancel("undone", undo=True)


@pytest.mark.slow  # a queue of DBOS is looked at once a second
def test_a_run_that_is_stopped_in_its_first_undoing_does_not_go_on_when_it_is_resumed(stories: Stories) -> None:
    regret, regretting, run_id = stories.regret, stories.regretting, "regretted"
    waiting(regret, run_id)
    regret.cancel(run_id, undo=True)
    assert regretting.undoing.wait(10)
    regret.cancel(run_id, undo=False)
    regretting.may_end.set()
    until(lambda: not executions_of(run_id))
    with pytest.raises(RunStatusError, match="is cancelled: its undoing has begun; retry continues it"):
        regret.resume(run_id)
    regret.retry(run_id)
    with pytest.raises(RunCancelledError) as caught:
        regret.result(run_id, timeout=10)
    assert caught.value.undone == ("prepare",)


@pytest.mark.slow  # a queue of DBOS is looked at once a second
def test_runs_that_are_cancelled_and_resumed_at_once_make_no_noise(stories: Stories) -> None:
    run_ids = [f"to and fro {number}" for number in range(10)]

    def go_to_and_fro(run_id: str) -> None:
        for _ in range(10):
            stories.ask.cancel(run_id, undo=False)
            stories.ask.resume(run_id)

    with logged_by_dbos() as logged:
        waiting(stories.ask, *run_ids)
        with ThreadPoolExecutor(len(run_ids)) as threads:
            list(threads.map(go_to_and_fro, run_ids))
    assert logged == []


@pytest.mark.slow  # a queue of DBOS is looked at once a second
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_run_that_is_cancelled_at_its_very_end_logs_no_error_of_dbos(
    stories: Stories, fails: bool, is_resumed: bool
) -> None:
    run_id, hook = f"held {fails} {is_resumed}", AtTheEnd()
    with logged_by_dbos() as logged, inject_hooks(Held, [hook]):
        stories.held.start(Held.State(fails=fails), id=run_id)
        assert hook.reached.wait(10)
        stories.held.cancel(run_id, undo=False)
        if is_resumed:
            stories.held.resume(run_id)
            until(lambda: len(executions_of(run_id)) == 2)
        hook.may_end.set()
        until(lambda: not executions_of(run_id))
        with suppress(ArithmeticError, RunCancelledError):
            stories.held.result(run_id, timeout=10)
        ended = (RunStatus.FAILED if fails else RunStatus.COMPLETED) if is_resumed else RunStatus.CANCELLED
        assert stories.held.status(run_id) is ended
        time.sleep(1.5)  # DBOS looks once a second what has become of it
    assert [record.getMessage() for record in logged if record.levelno >= logging.ERROR] == []


@pytest.mark.slow  # the worker begins a run again after 5 s
@pytest.mark.parametrize("kind", ["async", "in time", "sync"])
def test_a_step_that_exits_ends_neither_the_process_nor_other_runs_and_runs_again(
    stories: Stories, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        stories.leave[kind].start(Exit.State(), id=f"exit {kind}")
        waiting(stories.ask, f"beside {kind}")
        stories.ask.signal(f"beside {kind}", "answer", True)
        assert stories.ask.result(f"beside {kind}", timeout=10).answer
        stories.leave[kind].result(f"exit {kind}", timeout=30)
    (logged,) = [record.getMessage() for record in caplog.records]
    assert logged.startswith(f"{stories.leave[kind].name}: a step of the run exit {kind} raised SystemExit")


@pytest.mark.slow  # the worker begins a run again after 5 s
@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_step_that_raises_what_is_no_exception_says_so_and_runs_again(
    stories: Stories, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    durable, run_id = stories.give_up[kind], f"give up {kind}"
    with caplog.at_level(logging.ERROR):
        durable.start(Exit.State(), id=run_id)
        durable.result(run_id, timeout=30)
    (logged,) = [record.getMessage() for record in caplog.records]
    assert logged.startswith(f"{durable.name}: a step of the run {run_id} raised GiveUp, which is no Exception")


@pytest.mark.slow  # the worker begins a run again after 5 s
@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_step_that_is_cancelled_by_nobody_says_so_and_runs_again(
    stories: Stories, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    durable, run_id = stories.cancelled[kind], f"is cancelled {kind}"
    with caplog.at_level(logging.WARNING):
        durable.start(Exit.State(), id=run_id)
        durable.result(run_id, timeout=30)
    logged = [record.getMessage() for record in caplog.records]
    if kind == "async" and sys.version_info < (3, 11):
        assert logged == []  # who has cancelled it, nobody can tell
    else:
        assert len(logged) == 1
        assert f"{run_id}: leave" in logged[0]
        assert "nobody has cancelled it" in logged[0]


def test_the_age_of_runs_to_purge_is_a_timedelta(stories: Stories) -> None:
    wrong: Any = 30
    with pytest.raises(TypeError, match=r"ask: purge takes a timedelta, as in timedelta\(days=30\), not 30$"):
        stories.ask.purge(wrong)


def test_a_time_to_wait_that_is_no_number_is_rejected(stories: Stories) -> None:
    waiting(stories.ask, "nan")
    with pytest.raises(TypeError, match="ask: timeout is a number of seconds, or None, not nan"):
        stories.ask.result("nan", timeout=float("nan"))


def test_steps_that_wait_for_other_runs_leave_their_threads_to_those(
    stories: Stories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dddkit.stories.dbos._threads._MOST", 2)  # which run at once
    for number in range(3):
        stories.outer.start(Outer.State(number=number), id=f"outer {number}")
    assert [stories.outer.result(f"outer {number}", timeout=20).number for number in range(3)] == [1, 2, 3]


def test_a_step_does_not_wait_for_the_end_of_its_own_run(stories: Stories) -> None:
    stories.alone.start(Alone.State(run="alone / 1"), id="alone / 1")
    with pytest.raises(RuntimeError, match="alone: a step of the run 'alone / 1' waits for the end of this run"):
        stories.alone.result("alone / 1", timeout=10)
    stories.alone.start(Alone.State(run="alone / 1"), id="alone")
    with pytest.raises(RuntimeError, match="a step of the run 'alone / 1' waits"):  # what the other one has raised
        stories.alone.result("alone", timeout=10)
