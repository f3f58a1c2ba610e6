"""A loop that stands still for seconds, as on a machine at its limit: what it has claimed cannot begin there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from dbos import DBOS
from dbos._core import execute_dequeued_workflow

from dddkit.stories import I, Story, StoryState, step_key, variable
from dddkit.stories.dbos import Durable, _ends, _take_over, _workflow
from dddkit.stories.dbos._executions import allow_executions, stop_executions
from dddkit.stories.dbos._leases import current_lease
from dddkit.stories.dbos._private import target_loop
from dddkit.stories.dbos._take_over import TakeOver
from tests.durable.launched import DATABASES, configured, url_of


@dataclass
class Trip(Story):
    I.book

    class State(StoryState):
        is_booked: bool = variable()

    booked: list[str] = field(default_factory=list[str])

    async def book(self, state: State) -> None:
        self.booked.append(step_key())
        state.is_booked = True


class Trips:
    def __init__(self) -> None:
        self.story = Trip()
        self.durable: Durable[Any] = Durable(self.story, name="trip")


@pytest.fixture(scope="module", params=DATABASES)
def trips(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trips]:
    with configured(url_of(request.param, tmp_path_factory)):
        trips = Trips()
        DBOS.launch()
        yield trips


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def status_in_database(run_id: str) -> str:
    (row,) = DBOS.list_workflows(workflow_ids=[run_id])
    return row.status


@contextmanager
def standing_loop() -> Generator[None]:
    """Let the loop of the runs stand still in the block."""
    loop, stands, may_go_on = target_loop(), threading.Event(), threading.Event()
    assert loop is not None

    def stand() -> None:
        stands.set()
        may_go_on.wait(60)

    loop.call_soon_threadsafe(stand)
    assert stands.wait(30)
    try:
        yield
    finally:
        may_go_on.set()


def left(trips: Trips, run_id: str) -> None:
    """Start a run that nobody executes then."""
    stop_executions()
    try:
        trips.durable.start(Trip.State(), id=run_id)
        until(lambda: run_id not in _ends._tasks)  # pyright: ignore[reportPrivateUsage]  # it is from the start on
    finally:
        allow_executions()
    assert status_in_database(run_id) == "PENDING"


def claimed(run_id: str) -> None:
    """Have this process claim a run, as each that begins after it was enqueued."""
    DBOS.resume_workflow(run_id)
    until(lambda: status_in_database(run_id) == "PENDING")


def test_what_was_claimed_for_a_loop_that_stands_still_is_not_taken_for_something_that_nobody_executes(
    trips: Trips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_take_over, "_SETTLED", 0.0)
    now, lease = 0.0, current_lease()
    assert lease is not None
    take_over = TakeOver(lease, clock=lambda: now)
    left(trips, "one")
    with standing_loop():
        take_over.look()
        claimed("one")
        for _ in range(60):
            now += 1
            take_over.look()
        assert status_in_database("one") == "PENDING"
    assert trips.durable.result("one", timeout=30).is_booked
    assert trips.story.booked.count("trip/one/book") == 1


def test_what_nobody_executes_is_begun_again(trips: Trips, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_take_over, "_SETTLED", 0.0)
    now, lease = 0.0, current_lease()
    assert lease is not None
    take_over = TakeOver(lease, clock=lambda: now)
    left(trips, "two")

    def is_enqueued() -> bool:
        nonlocal now
        now += 1
        take_over.look()
        return status_in_database("two") != "PENDING"

    until(is_enqueued)
    assert now > 5
    assert trips.durable.result("two", timeout=30).is_booked


def test_no_statement_has_more_ids_than_a_database_takes(trips: Trips, monkeypatch: pytest.MonkeyPatch) -> None:
    run_ids, lease, resume, sizes = ["many-1", "many-2", "many-3"], current_lease(), DBOS.resume_workflows, list[int]()

    def noted(ids: list[str], **options: Any) -> object:
        sizes.append(len(ids))
        return resume(ids, **options)

    assert lease is not None
    monkeypatch.setattr(_take_over, "_MOST", 2)
    monkeypatch.setattr(DBOS, "resume_workflows", noted)
    for run_id in run_ids:
        left(trips, run_id)
    _take_over.hand_over(lease)
    for run_id in run_ids:
        assert trips.durable.result(run_id, timeout=30).is_booked
    assert sizes == [2, 1]


def test_what_was_executed_meanwhile_and_only_begins_again_is_not_taken_for_something_that_nobody_executes(
    trips: Trips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_take_over, "_SETTLED", 0.0)
    now, lease = 0.0, current_lease()
    assert lease is not None
    take_over = TakeOver(lease, clock=lambda: now)
    left(trips, "four")
    take_over.look()
    DBOS.resume_workflow("four", queue_name="of another worker")
    for _ in range(7):
        now += 1
        take_over.look()
    stop_executions()
    try:
        claimed("four")
        now += 1
        take_over.look()
        assert status_in_database("four") == "PENDING"
    finally:
        allow_executions()
    DBOS.resume_workflow("four")
    assert trips.durable.result("four", timeout=30).is_booked


def test_a_run_that_was_given_to_somebody_else_before_it_could_begin_begins_no_step(
    trips: Trips, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_left, execute = threading.Event(), _workflow._execute  # pyright: ignore[reportPrivateUsage]  # to see its end
    is_read = threading.Event()

    async def execute_and_say(*arguments: Any) -> str:
        try:
            return await execute(*arguments)
        finally:
            has_left.set()

    def say_and_dispatch(*arguments: Any) -> Any:
        is_read.set()
        return execute_dequeued_workflow(*arguments)

    left(trips, "three")
    monkeypatch.setattr(_workflow, "_execute", execute_and_say)
    monkeypatch.setattr("dbos._queue.execute_dequeued_workflow", say_and_dispatch)
    with standing_loop():
        claimed("three")
        assert is_read.wait(30)  # else DBOS, which reads the row again after the claim, may see it itself
        DBOS.resume_workflow("three", queue_name="of another worker")
    assert has_left.wait(30)
    assert trips.story.booked.count("trip/three/book") == 0
    DBOS.resume_workflow("three")  # it is done there
    assert trips.durable.result("three", timeout=30).is_booked
    assert trips.story.booked.count("trip/three/book") == 1
