"""What people see of a relay: the backlog, its metrics, dead messages, and the log."""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from freezegun import freeze_time
from prometheus_client import CollectorRegistry
from sqlalchemy import event, text, update
from sqlalchemy.exc import OperationalError

from dddkit.exceptions import MessageRejectedError
from dddkit.sqlalchemy import Backlog, Relay
from dddkit.sqlalchemy._publishing import TryAgainError
from dddkit.sqlalchemy.prometheus import OutboxMetrics
from tests.persistence.relays import SPEED, Broker, Post, engine_of, until, with_post
from tests.servers.databases import PostgreSQL

SECRET = "what the customer said"


@with_post()
async def test_the_backlog_counts_those_held_and_knows_the_oldest_that_waits(post: Post) -> None:
    broker = Broker()
    broker.refuse_all_of("bad", MessageRejectedError("too large"))
    relay = post.relay(broker, attempts=1)
    assert await relay.backlog() == Backlog(waiting=0, dead=0, oldest=None)
    began = datetime.now(timezone.utc)
    await post.write("bad", times=3)
    assert await relay.run_once() == 0
    backlog = await relay.backlog()
    assert (backlog.waiting, backlog.dead) == (2, 1)
    assert backlog.oldest is not None
    assert began - timedelta(seconds=1) <= backlog.oldest <= datetime.now(timezone.utc)
    assert backlog.oldest.tzinfo is timezone.utc
    (dead,) = await relay.dead()
    table, ago = post.outbox.table, began - timedelta(hours=1)
    async with post.engine.begin() as connection:
        await connection.execute(update(table).where(table.c.id == dead.id).values(recorded_at=ago))
    assert (await relay.backlog()).oldest == backlog.oldest  # the dead do not count
    await relay.discard(dead.id)
    assert (await relay.backlog()).dead == 0
    assert [await relay.run_once(), await relay.run_once()] == [0, 0]
    assert (await relay.backlog()).dead == 1  # the next one


@with_post()
async def test_an_id_that_is_not_dead_is_a_lookup_error(post: Post) -> None:
    await post.write("a")
    relay = post.relay(Broker())
    for change in (relay.retry, relay.discard):
        with pytest.raises(LookupError, match=r"no dead message has the id 'x'; look at `await relay.dead\(\)`"):
            await change("x")
        wrong: Any = 5
        with pytest.raises(TypeError, match="takes the id of a dead message, a str, and got 5"):
            await change(wrong)
    assert await relay.run_once() == 1


@with_post("memory")
async def test_to_retry_or_discard_wakes_the_relay(post: Post) -> None:
    broker = Broker()
    broker.refuse_all_of("bad", MessageRejectedError("too large"))
    await post.write("bad", times=3)
    async with post.relay(broker, attempts=1, poll=10_000.0) as relay:
        await until(lambda: broker.tried)
        while not (dead := await relay.dead()):
            await asyncio.sleep(0.01)
        await relay.discard(dead[0].id)
        await until(lambda: len(broker.tried) == 2)
        while not (dead := await relay.dead()):
            await asyncio.sleep(0.01)
        broker.refuse = lambda message: None
        await relay.retry(dead[0].id)
        await until(lambda: broker.numbers == {"bad": [2, 3]})


@with_post("memory")
async def test_the_metrics_are_those_of_the_backlog_while_it_runs(post: Post) -> None:
    registry = CollectorRegistry()

    def shown(what: str) -> float:
        value = registry.get_sample_value(f"dddkit_outbox_{what}")
        assert value is not None
        return value

    broker = Broker()
    broker.refuse_all_of("bad", MessageRejectedError("too large"))
    await post.write("bad", times=3)
    ago = datetime.now(timezone.utc) - timedelta(hours=1)
    async with post.engine.begin() as connection:
        await connection.execute(update(post.outbox.table).values(recorded_at=ago))
    metrics = OutboxMetrics(registry)
    async with post.relay(broker, attempts=1, metrics=metrics, poll=0.1):
        await until(lambda: shown("dead") == 1)
        assert shown("waiting") == 2
        assert 3600 <= shown("oldest_seconds") < 3700
        broker.refuse = lambda message: None
        relay = post.relay(broker)
        await relay.discard((await relay.dead())[0].id)
        await until(lambda: shown("waiting") == shown("dead") == shown("oldest_seconds") == 0)
    OutboxMetrics(registry)  # start-up code that runs twice
    metrics.set(Backlog(1, 0, datetime.now(timezone.utc) + timedelta(hours=1)))
    assert shown("oldest_seconds") == 0  # a clock that was set back
    wrong: Any = object()
    with pytest.raises(TypeError, match="OutboxMetrics takes a registry of prometheus_client, and not"):
        OutboxMetrics(wrong)
    with pytest.raises(TypeError, match="Relay: metrics is an OutboxMetrics, or nothing, and not"):
        post.relay(broker, metrics=wrong)
    wrong = OutboxMetrics
    with pytest.raises(TypeError, match=r"Relay: metrics is an OutboxMetrics, .* not the class OutboxMetrics"):
        post.relay(broker, metrics=wrong)


@with_post("memory")
async def test_a_relay_that_waits_for_its_turn_sets_its_metrics_too(post: Post) -> None:
    broker, registry = Broker(), CollectorRegistry()
    async with post.relay(broker):
        await post.write("a")
        await until(lambda: broker.got)
        broker.is_away = True
        async with post.relay(Broker(), metrics=OutboxMetrics(registry), poll=0.1):
            await post.write("a")
            await until(lambda: registry.get_sample_value("dddkit_outbox_waiting") == 1)


@with_post("memory")
async def test_a_time_written_by_hand_stops_no_message(post: Post) -> None:
    broker = Broker()
    broker.refuse_all_of("held", MessageRejectedError("too large"))
    metrics = OutboxMetrics(registry := CollectorRegistry())
    await post.write("held", "a")
    async with post.engine.begin() as connection:
        await connection.execute(text("UPDATE dddkit_outbox SET recorded_at = '2020-13-45' WHERE subject = 'held'"))
    relay = post.relay(broker, attempts=1, metrics=metrics, poll=0.1)
    with Lines() as log:
        async with relay:
            await until(lambda: broker.got)
            await until(lambda: registry.get_sample_value("dddkit_outbox_dead") == 1)
    said = "the metrics of a relay could not be set: a time in the column recorded_at is none"
    assert log.lines[0] == ("WARNING", said)


@with_post("memory")
async def test_metrics_that_raise_stop_no_message(post: Post) -> None:
    class Broken:
        def set(self, backlog: Backlog, /) -> None:
            raise RuntimeError("no disk")

    broker = Broker()
    logging.getLogger("dddkit.sqlalchemy.relay").disabled = True
    try:
        async with post.relay(broker, metrics=Broken()):
            await post.write("a")
            await until(lambda: broker.got)
    finally:
        logging.getLogger("dddkit.sqlalchemy.relay").disabled = False


@with_post("asyncpg", "psycopg", slow=("psycopg",))
async def test_metrics_need_no_connection_of_the_pool(post: Post) -> None:
    assert isinstance(post.database, PostgreSQL)
    engine = engine_of(post.database, pool_size=1, max_overflow=0, pool_timeout=60 * SPEED)
    broker, registry = Broker(), CollectorRegistry()
    relay = Relay(engine, post.outbox, broker, metrics=OutboxMetrics(registry), timeout=200.0)
    async with relay:
        await post.write("a")
        await until(lambda: broker.got)
        async with engine.connect():  # a handler of the host has the only one, and keeps it
            broker.refuse_all_of("b", RuntimeError("no"))
            await post.write("a", "b")
            await until(lambda: len(broker.got) == 2)
            await until(lambda: registry.get_sample_value("dddkit_outbox_waiting") == 1)
    await engine.dispose()


@with_post("memory")
async def test_a_backlog_that_cannot_be_counted_stops_no_message(post: Post) -> None:
    is_slow = True

    def refuse(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if is_slow and "count(" in statement:
            raise OperationalError(SECRET, {}, sqlite3.OperationalError("statement timeout"))

    event.listen(post.engine.sync_engine, "before_cursor_execute", refuse)
    broker, registry = Broker(), CollectorRegistry()
    with Lines() as log:
        async with post.relay(broker, metrics=OutboxMetrics(registry), poll=0.1):
            for number in range(1, 4):
                await post.write("a")
                await until(lambda: len(broker.got) == number)  # noqa: B023  # it is awaited here
                await asyncio.sleep(0.3)
            is_slow = False
            broker.is_away = True
            await post.write("a")
            await until(lambda: registry.get_sample_value("dddkit_outbox_waiting") == 1)
    said = "dddkit_outbox: the metrics could not be set (OperationalError: statement timeout)"
    assert log.lines[0] == ("WARNING", said)
    assert [line for _, line in log.lines].count(said) == 1


class Lines(logging.Handler):
    """What the relay has logged: level and text."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert record.exc_info is None
        self.lines.append((record.levelname, record.getMessage()))

    def __enter__(self) -> Lines:
        self.logger = logging.getLogger("dddkit.sqlalchemy.relay")
        self.level, self.propagates = self.logger.level, self.logger.propagate
        self.logger.setLevel(logging.INFO)
        self.logger.propagate = False
        self.logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.logger.removeHandler(self)
        self.logger.setLevel(self.level)
        self.logger.propagate = self.propagates

    @property
    def levels(self) -> list[str]:
        return [level for level, _ in self.lines]


@with_post("memory")
async def test_an_outage_is_logged_when_it_begins_and_when_it_ends(post: Post) -> None:
    broker = Broker()
    await post.write("a", "b", "c")
    with Lines() as log:
        async with post.relay(broker):
            await until(lambda: len(broker.got) == 3)
            assert log.lines == []
            broker.is_away = True
            await post.write("a", "b", "c")
            await until(lambda: len(broker.tried) > 10)
            broker.is_away = False
            await until(lambda: len(log.lines) == 2)
            assert len(broker.got) == 6
    assert log.levels == ["WARNING", "INFO"]
    (_, first), (_, last) = log.lines
    assert first.startswith("dddkit_outbox: post.told.v1 ")
    assert first.endswith(" of a was not published (ConnectionRefusedError: nobody listens), and is tried again")
    assert last.startswith("dddkit_outbox: messages go through again, after ")
    assert last.endswith(" failed attempts")


@with_post("memory", slow=("memory",))
async def test_during_an_outage_the_log_counts_once_a_minute(post: Post) -> None:
    broker = Broker()
    broker.is_away = True
    await post.write("a", "b", "c")
    with Lines() as log:
        async with post.relay(broker):
            await until(lambda: len(log.lines) == 3)
    assert log.levels == ["WARNING"] * 3
    last = 0
    for _, line in log.lines[1:]:
        said = re.search(r"^dddkit_outbox: \d+ failed attempts in (\d+) s; ", line)
        assert said is not None
        assert int(said[1]) >= last + 60
        last = int(said[1])
        assert line.endswith("ConnectionRefusedError: nobody listens, and 3 subjects wait for another attempt")


@with_post("memory")
async def test_each_death_is_an_error_that_names_the_message_and_no_payload_is_logged(post: Post) -> None:
    broker = Broker()
    broker.refuse = lambda message: None if message.subject == "good" else RuntimeError(SECRET)
    await post.write("bad", None)
    relay = post.relay(broker, attempts=1)
    with Lines() as log:
        for _ in range(3):
            await relay.run_once()
            await post.write("good")
    errors = [text for level, text in log.lines if level == "ERROR"]
    assert len(errors) == 2
    dead = await relay.dead()
    for message, line in zip(dead, errors, strict=True):
        assert f"post.told.v1 {message.id}" in line
        assert "is dead after 1 counted attempt (RuntimeError)" in line
        assert SECRET in message.error
    assert "of bad is dead" in errors[0]
    assert "holds the later ones of its subject" in errors[0]
    assert "holds" not in errors[1]
    assert not [text for _, text in log.lines if SECRET in text]


@with_post("memory")
async def test_a_death_is_logged_too_where_it_could_be_stored_only_later(post: Post) -> None:
    refused = 0

    def refuse(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        nonlocal refused
        if refused < 2 and statement.startswith("UPDATE"):
            refused += 1
            raise OperationalError(statement, {}, sqlite3.OperationalError("database is locked"))

    event.listen(post.engine.sync_engine, "before_cursor_execute", refuse)
    broker = Broker()
    broker.refuse_all_of("bad", MessageRejectedError("too large"))
    await post.write("bad")
    with Lines() as log:
        async with post.relay(broker, attempts=1) as relay:
            while not await relay.dead():
                await asyncio.sleep(0.1)
    assert len(broker.tried) == 1
    assert log.levels.count("ERROR") == 1


@with_post("memory")
async def test_a_conflict_that_is_soon_over_is_not_worth_a_line(post: Post) -> None:
    broker = Broker()
    left = [1, 1]
    broker.refuse = lambda message: TryAgainError() if left and left.pop() else None
    await post.write("a")
    with Lines() as log:
        async with post.relay(broker):
            await until(lambda: broker.got)
    assert log.lines == []


@with_post("asyncpg", slow=("asyncpg",))
async def test_an_outage_of_the_database_is_logged_and_survived(post: Post) -> None:
    broker = Broker()
    async with post.relay(broker, poll=0.1):
        await post.write("a")
        await until(lambda: broker.got)
        with Lines() as log:
            async with post.engine.begin() as connection:
                await connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            await until(lambda: len(log.lines) == 2)
        await post.write("a")
        await until(lambda: len(broker.got) == 2)
    assert log.levels == ["WARNING", "INFO"]
    assert "the outbox cannot be read or written (" in log.lines[0][1]


@with_post("asyncpg", "psycopg", slow=("psycopg",))
async def test_the_log_says_why_the_database_is_away_and_shows_no_row(post: Post) -> None:
    assert isinstance(post.database, PostgreSQL)
    engine = engine_of(replace(post.database, database="nowhere"))
    with Lines() as log:
        running = asyncio.ensure_future(Relay(engine, post.outbox, Broker()).run())
        await until(lambda: log.lines)
        running.cancel()
        await asyncio.wait([running])
    await engine.dispose()
    ((level, line),) = log.lines
    assert level == "WARNING"
    assert 'database "nowhere" does not exist), which is tried again' in line
    async with post.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE dddkit_outbox ADD CHECK (error IS NULL)"))
    await post.write("a")
    broker = Broker()
    broker.refuse_all_of("a", MessageRejectedError(SECRET))
    with Lines() as log:
        async with post.relay(broker, timeout=20.0):
            await until(lambda: log.lines)
    assert [level for level, _ in log.lines] == ["WARNING", "WARNING"]
    assert all("CheckViolation" in line and SECRET not in line for _, line in log.lines)


class BrokenError(OSError):
    def __str__(self) -> str:
        raise RuntimeError("it has no text")


@with_post("memory")
async def test_the_log_has_the_way_to_what_an_error_says_that_it_does_not_show_itself(post: Post) -> None:
    errors = {"a": KeyError(SECRET), "b": BrokenError(), "c": TimeoutError(), "d": KeyError()}
    for subject, error in errors.items():
        await post.write(subject)
        broker = Broker()
        broker.refuse_all_of(subject, error)
        with Lines() as log:
            assert await post.relay(broker).run_once() == 0
        ((_, line),) = log.lines
        name, way = type(error).__name__, " (the column `error` has what it says)" if subject == "a" else ""
        assert line.endswith(f" of {subject} was not published ({name}), and is tried again{way}")
        await post.relay(Broker()).run_once()


@with_post("memory")
async def test_a_clock_that_jumps_changes_no_back_off(post: Post) -> None:
    broker = Broker()
    broker.is_away = True
    await post.write("a")
    async with post.relay(broker):
        await until(lambda: len(broker.tried) == 2)
        for days in (-3, 3):
            tried = len(broker.tried)
            with freeze_time(datetime.now(timezone.utc) + timedelta(days=days), real_asyncio=True):
                await until(lambda: len(broker.tried) > tried)  # noqa: B023  # it is awaited here
        broker.is_away = False
        await until(lambda: broker.got)
