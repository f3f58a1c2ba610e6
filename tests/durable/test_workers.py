"""Many workers: what one leaves, because it dies, others go on with."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dbos import DBOS

from tests.durable.processes import TripWorkers, all_are, has_begun, trip_workers, until

if TYPE_CHECKING:
    from tests.servers.databases import PostgreSQL

pytestmark = pytest.mark.slow

FIVE = ["a", "b", "c", "d", "e"]


def url_of(database: PostgreSQL) -> str:
    return database.url("psycopg").render_as_string(hide_password=False)


@pytest.fixture
def on_postgresql(postgresql: PostgreSQL, tmp_path: Path) -> Generator[TripWorkers]:
    with trip_workers(tmp_path, url_of(postgresql)) as workers:
        yield workers


@pytest.fixture(params=["sqlite", "postgresql"])
def workers(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[TripWorkers]:
    url = f"sqlite:///{tmp_path}/runs.sqlite"
    if request.param == "postgresql":
        url = url_of(request.getfixturevalue("postgresql"))
    with trip_workers(tmp_path, url) as made:
        yield made


def test_the_runs_of_a_killed_worker_end_on_another(workers: TripWorkers) -> None:
    one, other = workers.launched({}, {})
    one.start("trip", *FIVE)
    until(has_begun(workers, "hotel"), "five hotels")
    one.kill()
    killed = time.time()
    until(all_are(other, "trip", "completed"), "all trips end on the other worker")
    begun = workers.times("begins")
    assert len(begun) == 15
    assert all(begun[f"trip/{trip}/flight"] == 1 for trip in FIVE)  # it was recorded
    assert all(begun[f"trip/{trip}/hotel"] == 2 for trip in FIVE)  # it was interrupted
    taken = [note.at for note in workers.notes(what="begins") if note.pid == other.process.pid]
    assert min(taken) - killed < 15  # it is 2 to 3 seconds on a machine that is idle
    assert f"took over 5 runs of {one.executor_id}" in other.log()


def test_a_run_that_waits_for_a_signal_is_taken_over_and_gets_it(workers: TripWorkers) -> None:
    one, other = workers.launched({"pause": 0.0}, {"pause": 0.0})
    one.start("confirmed", "a")
    until(all_are(one, "confirmed", "waiting"), "it waits")
    one.kill()
    assert other.ask("signal confirmed a") == ["True"]
    until(all_are(other, "confirmed", "completed"), "the trip ends")
    assert set(workers.times("begins").values()) == {1}


def test_a_paused_worker_finds_its_runs_taken_over_and_records_nothing_more_of_them(
    on_postgresql: TripWorkers,
) -> None:
    workers = on_postgresql
    one, other = workers.launched({}, {})
    one.start("trip", *FIVE)
    until(has_begun(workers, "hotel"), "five hotels")
    one.pause()  # its connections stand, but it is silent
    until(all_are(other, "trip", "completed"), "all trips end on the other worker")
    one.go_on()
    until(lambda: "is held again" in one.log(), "it has its lease again")
    begun, ended = workers.times("begins"), workers.times("ends")
    assert all(begun[f"trip/{trip}/flight"] == 1 for trip in FIVE)
    assert all(begun[f"trip/{trip}/hotel"] == 2 for trip in FIVE)
    assert all(ended[f"trip/{trip}/car"] == 1 for trip in FIVE)  # it did not go on with them
    one.start("trip", "f")
    until(all_are(one, "trip", "completed"), "it works again")


def test_a_lost_lease_costs_no_run_and_repeats_no_step(on_postgresql: TripWorkers, postgresql: PostgreSQL) -> None:
    from tests.durable.test_leases import end_sessions

    workers = on_postgresql
    one, other = workers.launched({}, {})
    one.start("trip", *FIVE)
    until(has_begun(workers, "hotel"), "five hotels")
    end_sessions(postgresql)
    until(all_are(other, "trip", "completed"), "all trips end")
    assert set(workers.times("begins").values()) == {1}
    until(lambda: "is held again" in one.log() and "is held again" in other.log(), "both have their leases again")


def test_a_worker_without_its_lease_begins_no_run_until_it_has_it_again(
    on_postgresql: TripWorkers, postgresql: PostgreSQL
) -> None:
    from dddkit.stories.dbos._postgresql_locks import PostgreSQLLocks
    from tests.durable.test_leases import end_sessions

    (one,) = on_postgresql.launched({})
    locks, lease = PostgreSQLLocks(postgresql.url("psycopg")), f"trips {one.executor_id}"
    end_sessions(postgresql)
    assert locks.take(lease)  # as who takes over its runs does
    for _ in range(24):  # it trusts what it knew for 10 seconds
        time.sleep(0.5)
        assert locks.has(lease)
    one.start("trip", "a")
    time.sleep(1)
    assert on_postgresql.notes() == []
    locks.close()
    until(all_are(one, "trip", "completed"), "it begins when it has its lease again")
    assert set(on_postgresql.times("begins").values()) == {1}


def test_a_server_that_goes_away_and_returns_costs_no_run(tmp_path: Path) -> None:
    from tests.servers.running import own_server

    with (
        own_server("postgresql") as server,
        trip_workers(tmp_path, f"postgresql://postgres@/trips?host={server.home}") as workers,
    ):
        one, other = workers.launched({}, {})
        one.start("trip", *FIVE)
        until(has_begun(workers, "hotel"), "five hotels")
        server.stop()
        time.sleep(2)
        server.start()
        until(lambda: "is held again" in one.log() and "is held again" in other.log(), "both have their leases again")
        until(all_are(other, "trip", "completed"), "all trips end")
        begun = workers.times("begins")
        assert all(begun[f"trip/{trip}/flight"] == 1 for trip in FIVE)


def test_an_executor_id_in_use_stops_the_second_worker_and_not_the_first(workers: TripWorkers) -> None:
    one = workers.worker(executor_id="me").launched()
    one.start("trip", "a")
    second = workers.worker(executor_id="me")
    assert second.ended() == 1
    assert "ExecutorInUseError: the executor id 'me' belongs to a process that is running" in second.log()
    until(all_are(one, "trip", "completed"), "the trip ends")
    assert set(workers.times("begins").values()) == {1}


def test_a_worker_with_a_chosen_id_goes_on_with_what_it_had_before(workers: TripWorkers) -> None:
    one = workers.worker(executor_id="me").launched()
    one.start("trip", "a")
    until(has_begun(workers, "hotel", 1), "a hotel")
    one.kill()
    again = workers.worker(executor_id="me").launched()
    until(all_are(again, "trip", "completed"), "the trip ends")
    assert workers.times("begins") == {"trip/a/flight": 1, "trip/a/hotel": 2, "trip/a/car": 1}


def test_two_versions_work_side_by_side_and_each_run_ends_under_one_that_can_continue_it(
    on_postgresql: TripWorkers,
) -> None:
    workers = on_postgresql
    old, new = workers.launched({}, {"version": 2})
    old.start("trip", "a", "b")
    new.start("trip", "c", "d")
    until(has_begun(workers, "car", 2), "two cars of old trips")
    old.kill()
    until(lambda: new.statuses("trip")["a"] == "changed", "the new version cannot continue an old trip")
    time.sleep(3)  # it does not try again and again
    assert set(new.statuses("trip").values()) == {"changed", "completed"}
    assert new.log().count("another worker may continue it") == 2
    old_again = workers.worker().launched()
    until(all_are(old_again, "trip", "completed"), "all trips end")
    begun = workers.times("begins")
    assert (begun["trip/a/hotel"], begun["trip/a/car"], begun["trip/c/insurance"]) == (1, 2, 1)
    assert "trip/a/insurance" not in begun


def test_workers_do_not_hand_a_run_to_and_fro_whose_recorded_state_fits_none_of_them(workers: TripWorkers) -> None:
    old, one, other = workers.launched({}, {"version": 4}, {"version": 4})
    old.start("trip", "a")
    until(has_begun(workers, "hotel", 1), "a hotel")
    old.kill()
    until(lambda: one.statuses("trip") == {"a": "changed"}, "no worker can continue the trip")
    time.sleep(4)
    assert (one.log() + other.log()).count("another worker may continue it") == 1
    old_again = workers.worker().launched()
    until(all_are(old_again, "trip", "completed"), "the trip ends")


def test_a_worker_that_does_not_have_a_story_leaves_its_runs_to_those_that_have_it(workers: TripWorkers) -> None:
    one, other = workers.launched({}, {"version": 3})
    one.start("trip", *FIVE)
    until(has_begun(workers, "hotel"), "five hotels")
    one.kill()
    until(lambda: "which it does not have" in other.log(), "it says that it cannot")
    another = workers.worker().launched()
    until(all_are(another, "trip", "completed"), "all trips end")
    assert all(workers.times("begins")[f"trip/{trip}/flight"] == 1 for trip in FIVE)


def test_a_deployment_makes_the_tables_and_workers_only_look_for_them(workers: TripWorkers) -> None:
    early = workers.worker(run_migrations=False)
    assert early.ended() == 1
    assert "run_migrations" in early.log()
    DBOS.migrate(workers.url)
    one = workers.worker(run_migrations=False, pause=0.0).launched()
    one.start("trip", "a")
    until(all_are(one, "trip", "completed"), "the trip ends")


def test_the_lease_is_held_where_its_url_leads(on_postgresql: TripWorkers) -> None:
    workers = on_postgresql
    lost = workers.worker(lease_url="postgresql://nobody@127.0.0.1:9/trips")
    assert lost.ended() == 1
    assert 'connection to server at "127.0.0.1", port 9 failed' in lost.log()
    one, other = workers.launched({"lease_url": workers.url}, {"lease_url": workers.url})
    one.start("trip", "a")
    until(has_begun(workers, "hotel", 1), "a hotel")
    one.kill()
    until(all_are(other, "trip", "completed"), "the trip ends on the other worker")


def test_two_applications_share_a_database_and_leave_each_others_runs_alone(workers: TripWorkers) -> None:
    one, other = workers.launched({}, {"application": "holidays"})
    one.start("trip", "a")
    other.start("trip", "b")
    until(has_begun(workers, "hotel", 2), "two hotels")
    one.kill()
    until(all_are(other, "trip", "completed"), "the trip of the other one ends")
    time.sleep(4)  # longer than it takes to take over
    assert workers.times("begins")["trip/a/hotel"] == 1
    again = workers.worker().launched()
    until(all_are(again, "trip", "completed"), "the trip ends")
    assert workers.times("begins")["trip/a/hotel"] == 2


def test_workflows_that_are_no_stories_are_taken_over_too(workers: TripWorkers) -> None:
    one, stranger = workers.launched({"pause": 3.0}, {"version": 3})
    assert one.ask("plain trip a") == "started"
    until(lambda: workers.notes("plain/a", "begins"), "it begins")
    one.kill()
    until(lambda: "which it does not have" in stranger.log(), "who does not have it hands it back")
    workers.worker(pause=0.1).launched()
    until(lambda: workers.notes("plain/a", "ends"), "it ends on the third")
