"""The end of a worker: what is under way is finished and recorded, the rest stays pending and goes on elsewhere."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from dddkit.stories.dbos import Worker
from tests.durable.processes import TripWorkers, all_are, has_begun, trip_workers, until

needs_sigterm = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no signals")


@pytest.fixture
def workers(tmp_path: Path) -> Generator[TripWorkers]:
    with trip_workers(tmp_path, f"sqlite:///{tmp_path}/runs.sqlite") as made:
        yield made


@pytest.mark.parametrize("grace", [-1, float("nan"), float("inf"), True, None, "5"], ids=str)
def test_the_grace_of_a_worker_is_a_number_of_seconds(grace: Any) -> None:
    with pytest.raises(ValueError, match="number of seconds"):
        Worker(grace=grace)


def test_a_worker_without_dbos_says_what_to_write() -> None:
    async def work() -> None:
        async with Worker():
            raise AssertionError("there is nothing to launch")

    with pytest.raises(RuntimeError, match=r"write DBOS\(config=settings"):
        asyncio.run(work())


@pytest.mark.slow
@needs_sigterm
@pytest.mark.parametrize("story", ["trip", "sync"])
def test_sigterm_finishes_the_step_under_way_and_nothing_runs_twice(workers: TripWorkers, story: str) -> None:
    one, other = workers.launched({"pause": 1.0}, {})
    one.start(story, "a", "b", "c")
    until(has_begun(workers, "flight", 3), "three flights")
    one.terminate()
    assert one.ended() == 0
    assert one.said() == "ended"
    ended_here = [note for note in workers.notes(what="ends") if note.pid == one.process.pid]
    assert {note.key for note in ended_here} == {f"{story}/{run}/flight" for run in "abc"}
    until(all_are(other, story, "completed"), "all runs end on the other worker")
    assert set(workers.times("begins").values()) == {1}  # what was finished was recorded
    assert "took over" not in other.log()  # nobody has died


@pytest.mark.slow
@needs_sigterm
def test_sigterm_ends_a_worker_at_once_whose_runs_wait(workers: TripWorkers) -> None:
    one, other = workers.launched({"pause": 0.0, "grace": 3600.0}, {"pause": 0.0})
    one.start("confirmed", "a", "b")
    until(all_are(one, "confirmed", "waiting"), "they wait")
    one.terminate()
    assert one.ended() == 0  # within a minute
    assert other.ask("signal confirmed a b") == ["True", "True"]
    until(all_are(other, "confirmed", "completed"), "both end on the other worker")
    assert set(workers.times("begins").values()) == {1}
    assert "took over" not in other.log()


@pytest.mark.slow
@needs_sigterm
def test_sigterm_ends_a_worker_at_once_whose_steps_wait_for_their_next_attempt(workers: TripWorkers) -> None:
    one, other = workers.launched({"is_busy": True, "grace": 3600.0}, {})
    one.start("busy", "a", "b")
    until(has_begun(workers, "flight", 2), "they have tried once")
    one.terminate()
    assert one.ended() == 0  # within a minute
    until(all_are(other, "busy", "completed"), "both end on the other worker")
    assert set(workers.times("begins").values()) == {2}


@pytest.mark.slow
@needs_sigterm
def test_a_step_that_is_longer_than_the_grace_is_interrupted_and_runs_again_elsewhere(workers: TripWorkers) -> None:
    one, other = workers.launched({"pause": 60.0, "grace": 0.2}, {})
    one.start("trip", "a")
    until(has_begun(workers, "flight", 1), "a flight")
    one.terminate()
    assert one.ended() == 0
    assert "steps of 1 runs are not done after 0.2 s, and are interrupted: a" in one.log()
    until(all_are(other, "trip", "completed"), "it ends on the other worker")
    assert workers.times("begins") == {"trip/a/flight": 2, "trip/a/hotel": 1, "trip/a/car": 1}
    assert workers.times("ends")["trip/a/flight"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("story", ["trip", "sync"])
def test_without_an_event_loop_destroy_drains(workers: TripWorkers, story: str) -> None:
    one, other = workers.launched({"pause": 1.0, "way": "sync"}, {})
    one.start(story, "a", "b", "c")
    until(has_begun(workers, "flight", 3), "three flights")
    assert one.process.stdin is not None
    one.process.stdin.close()  # then it calls DBOS.destroy
    assert one.ended() == 0
    until(all_are(other, story, "completed"), "all runs end on the other worker")
    assert set(workers.times("begins").values()) == {1}


@pytest.mark.slow
@pytest.mark.parametrize("story", ["trip", "sync"])
def test_destroy_without_patience_interrupts_and_the_runs_stay_pending(workers: TripWorkers, story: str) -> None:
    one, other = workers.launched({"pause": 1.5, "way": "sync", "grace": 0}, {"pause": 0.1})
    one.start(story, "a", "b")
    until(has_begun(workers, "flight", 2), "two flights")
    assert one.process.stdin is not None
    one.process.stdin.close()
    one.ended()
    until(all_are(other, story, "completed"), "all runs end on the other worker")
    assert workers.times("begins")[f"{story}/a/hotel"] == 1


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_the_children_of_a_prefork_server_are_workers_of_their_own(workers: TripWorkers) -> None:
    one, other = workers.launched({"way": "fork", "pause": 0.1}, {"way": "fork", "pause": 0.1})
    one.start("trip", "a")
    other.start("trip", "b")
    until(all_are(other, "trip", "completed"), "both trips end")
    assert one.executor_id != other.executor_id
    assert set(workers.times("begins").values()) == {1}
    assert f"-{one.process.pid}-" not in one.executor_id  # that would be the parent's


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_is_forked_after_the_launch_is_told_to_launch_after_the_fork(workers: TripWorkers) -> None:
    orphan = workers.worker(way="orphan").launched()
    assert "launch it after the fork" in orphan.ask("start trip a")
    assert "launch it after the fork" in orphan.ask("runs trip")


@pytest.mark.slow
def test_the_next_dbos_of_a_process_goes_on_with_the_runs_of_the_last(workers: TripWorkers) -> None:
    one = workers.worker(way="sync", pause=0.5).launched()
    one.start("confirmed", "a")
    until(all_are(one, "confirmed", "waiting"), "it waits")
    one.start("trip", "b")
    until(has_begun(workers, "hotel", 1), "a hotel")
    assert one.ask("again trip") != f"launched {one.executor_id}"
    until(all_are(one, "trip", "completed"), "the trip ends")
    assert one.ask("signal confirmed a") == ["True"]
    until(all_are(one, "confirmed", "completed"), "what has waited ends too")
    assert workers.times("begins")["trip/b/flight"] == 1
