"""Leases: one process for each executor id, on SQLite and PostgreSQL."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.pool import NullPool

from dddkit._database_errors import shown_of_database
from dddkit._file_lock import FileLock
from dddkit._outage_log import OutageLog
from dddkit.exceptions import ExecutorInUseError
from dddkit.stories.dbos._leases import Lease, Locks
from dddkit.stories.dbos._log import LOGGER
from dddkit.stories.dbos._postgresql_locks import PostgreSQLLocks
from dddkit.stories.dbos._sqlite_locks import SQLiteLocks

if TYPE_CHECKING:
    from tests.servers.databases import PostgreSQL

Make = Callable[[str], Lease]

# A process begins its lease when DBOS is launched, and DBOS is one per process: what takes two, or a lost connection,
# is tested below that door. What takes processes is in test_workers.py.


@pytest.fixture(params=["sqlite", "postgresql"])
def locks(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Locks]:
    if request.param == "sqlite":
        return lambda: SQLiteLocks(str(tmp_path / "shop.sqlite"))
    database: PostgreSQL = request.getfixturevalue("postgresql")
    return lambda: PostgreSQLLocks(database.url("psycopg"))


@pytest.fixture
def begin(locks: Callable[[], Locks]) -> Generator[Make]:
    """Begin a lease as the launch of a process does; all end with the test."""
    with ExitStack() as ends:

        def make(executor_id: str) -> Lease:
            lease = Lease("shop", executor_id, locks())
            lease.begin()
            ends.callback(lease.end)
            return lease

        yield make


def test_an_executor_id_in_use_is_refused_by_name(begin: Make) -> None:
    begin("one")
    with pytest.raises(
        ExecutorInUseError, match="the executor id 'one' belongs to a process that is running"
    ) as raised:
        begin("one")
    assert raised.value.executor_id == "one"
    assert pickle.loads(pickle.dumps(raised.value)).executor_id == "one"


def test_two_executors_hold_a_lease_each(begin: Make) -> None:
    assert [begin("one").held, begin("two").held] == [True, True]


def test_an_executor_id_is_free_after_its_process_has_ended(begin: Make) -> None:
    begin("one").end()
    assert begin("one").held


def test_a_lease_that_has_ended_is_not_held(begin: Make) -> None:
    lease = begin("one")
    lease.end()
    assert (lease.held, lease.held_for()) == (False, 0.0)


def test_only_the_lease_of_an_executor_that_does_not_run_can_be_borrowed(begin: Make) -> None:
    one, _ = begin("one"), begin("two")
    with one.borrowed("two") as running, one.borrowed("gone") as gone, one.borrowed("one") as own:
        assert (running, gone, own) == (False, True, False)


def test_one_process_at_a_time_takes_over_the_runs_of_another(begin: Make) -> None:
    one, two = begin("one"), begin("two")
    with one.borrowed("gone"), two.borrowed("gone") as second:
        assert not second
    with two.borrowed("gone") as later:
        assert later


def test_an_executor_cannot_begin_while_its_runs_are_taken_over(begin: Make) -> None:
    with begin("one").borrowed("gone"), pytest.raises(ExecutorInUseError):
        begin("gone")


def test_an_executor_begins_as_soon_as_its_runs_have_been_taken_over(begin: Make) -> None:
    other, taken = begin("one"), threading.Event()

    def take_over() -> None:
        with other.borrowed("gone"):
            taken.set()
            time.sleep(0.2)

    thread = threading.Thread(target=take_over)
    thread.start()
    assert taken.wait(10)
    assert begin("gone").held
    thread.join()


def test_an_executor_begins_though_another_one_sweeps_its_new_file(tmp_path: Path) -> None:
    # Who starts removes the files that nobody has locked: those of processes that were killed, and, for a moment, one
    # that another process has made and not locked yet. Of seven that started at once, one failed under load.
    def new() -> Lease:
        return Lease("shop", "one", SQLiteLocks(str(tmp_path / "shop.sqlite")))

    lease = new()
    lease.begin()
    (file,) = (tmp_path / "shop.sqlite.executors").iterdir()
    lease.end()
    sweeper = FileLock(file)
    assert sweeper.acquire()
    timer = threading.Timer(0.2, lambda: sweeper.release(remove=True))
    timer.start()
    lease = new()
    lease.begin()
    assert lease.held
    lease.end()
    timer.join()


def test_applications_of_one_database_have_leases_of_their_own(begin: Make, locks: Callable[[], Locks]) -> None:
    begin("one")
    other = Lease("billing", "one", locks())
    other.begin()
    other.end()


def test_threads_that_borrow_at_once_do_not_disturb_each_other(begin: Make) -> None:
    lease, other = begin("one"), begin("two")
    found: list[bool] = []

    def borrow(name: str) -> None:
        for _ in range(10):
            with lease.borrowed(name) as taken:
                found.append(taken)

    threads = [threading.Thread(target=borrow, args=(f"gone {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 40
    assert (lease.held, other.held) == (True, True)


@pytest.mark.parametrize("linked", ["file", "folder"])
def test_a_lease_is_seen_by_whoever_reaches_the_database_over_a_link(tmp_path: Path, linked: str) -> None:
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "shop.sqlite"
    file.touch()
    if linked == "folder":
        (tmp_path / "link").symlink_to(tmp_path / "data")
        link = tmp_path / "link" / "shop.sqlite"
    else:
        link = tmp_path / "link.sqlite"
        link.symlink_to(file)
    lease = Lease("shop", "one", SQLiteLocks(str(file)))
    other = Lease("shop", "two", SQLiteLocks(str(link)))
    lease.begin()
    other.begin()
    try:
        with other.borrowed("one") as is_dead:
            assert not is_dead
    finally:
        other.end()
        lease.end()


def test_lock_files_go_with_their_owner_and_those_of_the_killed_with_who_comes_next(tmp_path: Path) -> None:
    folder = tmp_path / "shop.sqlite.executors"
    folder.mkdir()
    (folder / "killed.lock").touch()
    lease = Lease("shop", "wörker/1 ", SQLiteLocks(str(tmp_path / "shop.sqlite")))
    lease.begin()
    assert len(list(folder.iterdir())) == 1
    lease.end()
    assert list(folder.iterdir()) == []


def test_a_link_to_the_database_leads_to_the_same_leases(tmp_path: Path) -> None:
    database, link = tmp_path / "shop.sqlite", tmp_path / "link.sqlite"
    database.touch()
    try:
        link.symlink_to(database)
    except OSError:
        pytest.skip("there are no links here")
    one, other = SQLiteLocks(str(database)), SQLiteLocks(str(link))
    assert one.take("a")
    assert not other.take("a")
    one.close()


def test_a_lock_whose_folder_was_removed_is_not_held_any_more(tmp_path: Path) -> None:
    locks = SQLiteLocks(str(tmp_path / "shop.sqlite"))
    assert locks.take("a")
    shutil.rmtree(tmp_path / "shop.sqlite.executors")
    assert not locks.has("a")
    assert locks.take("a")
    locks.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "this has taken too long"
        time.sleep(0.02)


def end_sessions(database: PostgreSQL) -> None:
    """End the sessions that hold leases; return when they have ended."""
    engine = create_engine(database.url("psycopg"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        held = (
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'dddkit lease' AND datname = current_database()"
        )
        ended = connection.exec_driver_sql(held).scalars().all()
        for pid in ended:
            connection.exec_driver_sql("SELECT pg_terminate_backend(%s)", (pid,))
        until(lambda: not {*ended} & {*connection.exec_driver_sql(held).scalars()})


def test_a_lost_lease_is_taken_again_and_said_to_have_been_lost(
    postgresql: PostgreSQL, caplog: pytest.LogCaptureFixture
) -> None:
    lease = Lease("shop", "one", PostgreSQLLocks(postgresql.url("psycopg")), every=0.01)
    lease.begin()
    try:
        before = lease.held_for()
        end_sessions(postgresql)
        until(lambda: "is held again" in caplog.text)
        assert lease.held
        assert lease.held_for() < before + 60
        # Which of the two depends on whether the server's farewell is read before its end is seen.
        assert re.search(r"it cannot be confirmed \((AdminShutdown|OperationalError): ", caplog.text)
    finally:
        lease.end()


def test_a_lease_that_others_took_meanwhile_is_not_held_until_they_give_it_back(postgresql: PostgreSQL) -> None:
    url = postgresql.url("psycopg")
    now = 1000.0
    lease = Lease("shop", "one", PostgreSQLLocks(url), every=3600, clock=lambda: now)  # the test confirms it
    other = PostgreSQLLocks(url)
    lease.begin()
    try:
        end_sessions(postgresql)
        assert other.take("shop one")
        lease.confirm()  # finds that the connection is lost
        assert lease.held  # as long as the server would have kept it
        now += 10.0
        lease.confirm()
        assert not lease.held
        other.give_back("shop one")
        lease.confirm()
        assert (lease.held, lease.held_for()) == (True, 0.0)
    finally:
        lease.end()
        other.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_leaves_its_parents_lease_alone(begin: Make) -> None:
    lease, other = begin("one"), begin("two")
    if (child := os.fork()) == 0:
        lease.forget()
        os._exit(0 if not lease.held else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert lease.held
    with other.borrowed("one") as taken:
        assert not taken


def test_an_outage_is_logged_when_it_begins_once_a_minute_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    log = OutageLog(LOGGER, "the lease", lambda: now)
    with caplog.at_level("INFO", "dddkit.stories.dbos"):
        log.recovered("works again")
        for _ in range(150):
            log.failed("it is away; tried again", "it is away")
            now += 1
        log.recovered("works again")
        log.recovered("works again")
    assert caplog.messages == [
        "the lease: it is away; tried again",
        "the lease: 61 failed attempts in 60 s; it is away",
        "the lease: 121 failed attempts in 120 s; it is away",
        "the lease: works again, after 150 s and 150 failed attempts",
    ]


def test_what_an_error_says_of_rows_is_not_logged() -> None:
    secret = "Key (card)=(4111) already exists."
    rows = IntegrityError("INSERT", {}, Exception(secret))
    server = OperationalError("SELECT 1", {}, psycopg.OperationalError("connection refused\nIs the server running?"))
    assert secret not in shown_of_database(rows)
    assert shown_of_database(server) == "OperationalError: connection refused"
    assert shown_of_database(KeyError("secret")) == "KeyError"
