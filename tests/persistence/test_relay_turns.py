"""One relay works at a time: which one, what it locks, and who takes over."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import subprocess
import sys
from collections import defaultdict
from contextlib import AsyncExitStack, nullcontext
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from dddkit.exceptions import UnitError
from dddkit.messages import Message
from dddkit.sqlalchemy import Relay, embedded
from tests.persistence.relays import Broker, Post, fast, until, with_post
from tests.servers.databases import Database, PostgreSQL, SQLite
from tests.servers.running import ROOT


@with_post()
async def test_of_two_relays_one_works_and_the_other_takes_over_when_it_ends(post: Post) -> None:
    first, second = Broker(), Broker()
    async with AsyncExitStack() as stack:
        async with post.relay(first):
            await post.write("a")
            await until(lambda: first.got)
            if post.database.name == "sqlite":
                await stack.enter_async_context(post.relay(second))
                assert await post.relay(second).run_once() == 0
                await post.write("a")
                await until(lambda: len(first.got) == 2)
                assert second.got == []
            else:  # a relay on PostgreSQL has the right for one batch
                entered = asyncio.Event()

                async def publish(message: Message) -> None:
                    entered.set()
                    await asyncio.sleep(0.5)

                await post.write("b")
                await until(lambda: len(first.got) == 2)
                batch = asyncio.ensure_future(post.relay(publish).run_once())
                await asyncio.sleep(0)
                await batch
                await stack.enter_async_context(post.relay(second))
        await post.write("a")
        await until(lambda: second.got)


@with_post("asyncpg")
async def test_while_one_publishes_another_one_of_the_same_table_does_not(post: Post) -> None:
    await post.write("a", "b")
    others: list[int] = []

    async def publish(message: Message) -> None:
        others.append(await post.relay(Broker()).run_once())

    assert await post.relay(publish).run_once() == 2
    assert others == [0, 0]


@with_post("file")
async def test_the_lock_file_stands_beside_the_database_and_stays(post: Post) -> None:
    await post.relay(Broker()).run_once()
    database = Path(post.engine.url.database or "")
    (link := database.with_name("link.sqlite")).symlink_to(database)
    engine = embedded(link, post.metadata)
    await Relay(engine, post.outbox, Broker()).run_once()
    await engine.dispose()
    assert {path.name for path in database.parent.glob("*.lock")} == {"post.sqlite.dddkit_outbox.lock"}


@with_post("memory", "file")
async def test_no_connection_is_held_while_it_publishes(post: Post) -> None:
    await post.write("a")
    broker = Broker()

    async def publish(message: Message) -> None:
        if not broker.got:
            await post.write("b")  # in memory there is one connection, and a writer would wait for another
        await broker(message)

    assert await post.relay(publish).run_once() == 2


@with_post("asyncpg", "psycopg", slow=("psycopg",))
async def test_a_pool_of_one_connection_is_free_for_the_handlers(post: Post) -> None:
    assert isinstance(post.database, PostgreSQL)
    engine = create_async_engine(
        post.database.url(post.database.driver), pool_size=1, max_overflow=0, pool_timeout=20 * 50
    )
    broker = Broker()

    async def publish(message: Message) -> None:
        if not broker.got:
            await post.write("b", engine=engine)
        await broker(message)

    await post.write("a", engine=engine)
    assert await Relay(engine, post.outbox, publish).run_once() == 2
    await engine.dispose()


def _tenants(database: PostgreSQL, kind: str) -> list[Any]:
    """Return an engine for each tenant, whose tables are in a schema of their own."""
    engines: list[Any] = []
    for schema in ("one", 'The "other"'):
        engine = create_async_engine(database.url(database.driver))
        if kind == "schema_translate_map":
            engines.append(engine.execution_options(schema_translate_map={None: schema}))
            continue

        def set_path(connection: Any, record: Any, schema: str = schema) -> None:
            quoted = schema.replace('"', '""')
            cursor = connection.cursor()
            cursor.execute(f'SET search_path TO "{quoted}"')
            cursor.close()
            connection.commit()

        event.listen(engine.sync_engine, "connect", set_path)
        engines.append(engine)
    return engines


@pytest.mark.parametrize("kind", ["schema_translate_map", pytest.param("search_path", marks=pytest.mark.slow)])
def test_the_relays_of_two_tenants_work_at_the_same_time(kind: str, postgresql: PostgreSQL) -> None:
    async def main() -> None:
        post = Post(postgresql)
        async with post.engine.begin() as connection:
            for schema in ("one", 'The "other"'):
                quoted = schema.replace('"', '""')
                await connection.execute(text(f'CREATE SCHEMA "{quoted}"'))
        engines = _tenants(postgresql, kind)
        for engine in engines:
            async with engine.begin() as connection:
                await connection.run_sync(post.metadata.create_all)
            await post.write("a", engine=engine)
        others: list[int] = []

        async def publish(message: Message) -> None:
            others.append(await Relay(engines[1], post.outbox, Broker()).run_once())
            others.append(await Relay(engines[0], post.outbox, Broker()).run_once())

        assert await Relay(engines[0], post.outbox, publish).run_once() == 1
        assert others == [1, 0]
        for engine in engines:
            await engine.dispose()
        await post.engine.dispose()

    fast(main())


def test_the_relays_of_two_schemas_of_the_metadata_work_at_the_same_time(postgresql: PostgreSQL) -> None:
    async def main() -> None:
        posts = [Post(postgresql)]
        for schema in ("one", 'The "other"'):
            quoted = schema.replace('"', '""')
            async with posts[0].engine.begin() as connection:
                await connection.execute(text(f'CREATE SCHEMA "{quoted}"'))
            posts.append(Post(postgresql, MetaData(schema=schema)))
            await posts[-1].write("a")
        _, one, other = posts
        others: list[int] = []

        async def publish(message: Message) -> None:
            others.append(await other.relay(Broker()).run_once())
            others.append(await one.relay(Broker()).run_once())

        assert await one.relay(publish).run_once() == 1
        assert others == [1, 0]
        for post in posts:
            await post.engine.dispose()

    fast(main())


@with_post("asyncpg", "psycopg", slow=("psycopg",))
async def test_after_a_lost_connection_what_was_published_is_recorded_and_not_published_again(post: Post) -> None:
    await post.write("a", "b", times=3)
    broker = Broker()
    assert isinstance(post.database, PostgreSQL)
    others = post.database.engine(post.metadata)

    async def publish(message: Message) -> None:
        await broker(message)
        if len(broker.got) == 4:
            async with others.connect() as connection:
                await connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                        "AND datname = current_database()"
                    )
                )

    async with post.relay(publish):
        await until(lambda: len(broker.got) == 6)
        await post.write("c", engine=others)
        await until(lambda: len(broker.got) == 7)
    assert (await post.relay(broker).backlog()).waiting == 0
    await others.dispose()
    assert broker.numbers == {"a": [1, 2, 3], "b": [1, 2, 3], "c": [1]}


@with_post("asyncpg")
async def test_a_relay_sees_nothing_that_another_has_published_since(post: Post) -> None:
    assert isinstance(post.database, PostgreSQL)
    engine = create_async_engine(post.database.url("asyncpg"), isolation_level="REPEATABLE READ")
    brokers = [Broker(), Broker()]
    relays = [Relay(engine, post.outbox, broker, poll=0.01) for broker in brokers]
    async with relays[0], relays[1]:
        for _ in range(20):
            await post.write("a")
        await until(lambda: sum(len(broker.got) for broker in brokers) >= 20)
    await engine.dispose()
    assert sum(len(broker.got) for broker in brokers) == 20


@pytest.mark.slow
@pytest.mark.parametrize("where", ["sqlite", "asyncpg", "psycopg"])
def test_4000_messages_of_8_aggregates_are_in_order_under_two_relays(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    database: Database = SQLite(str(tmp_path / "post.sqlite"))
    if where != "sqlite":
        found: PostgreSQL = request.getfixturevalue("postgresql")
        database = found.over("asyncpg" if where == "asyncpg" else "psycopg")

    async def main() -> None:
        posts = [Post(database), Post(database)]
        got: list[tuple[str | None, int]] = []
        by = [0, 0]

        def publisher(which: int) -> Any:
            async def publish(message: Message) -> None:
                await asyncio.sleep(random.uniform(0, 0.002))
                by[which] += 1
                got.append((message.subject, message.data["number"]))

            return publish

        async def write() -> None:
            for _ in range(10):
                await posts[0].write(*map(str, range(8)), times=50)

        relays = [post.relay(publisher(which), batch=50, poll=0.01) for which, post in enumerate(posts)]
        async with relays[0], relays[1]:
            await write()
            await until(lambda: len(got) >= 4000)
        assert len(got) == 4000
        if where != "sqlite":
            assert all(by)  # they have really taken turns
        order = defaultdict[Any, list[int]](list)
        for subject, number in got:
            order[subject].append(number)
        assert list(order.values()) == [list(range(1, 51)) * 10] * 8
        for post in posts:
            await post.engine.dispose()

    asyncio.run(main())


_PUBLISHER = """
import asyncio, sys
from pathlib import Path
from tests.persistence.relays import Post
from tests.servers.databases import PostgreSQL, SQLite

async def main():
    post = Post({database!r})

    async def publish(message):
        await asyncio.sleep(0.001)
        with Path({out!r}).open("a") as file:
            file.write(f"{{message.subject}} {{message.data['number']}}\\n")
        if message.data["number"] % 7 == 0:
            print("published", flush=True)

    await post.relay(publish, batch=20, poll=0.05).run()

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_after_a_kill_another_process_takes_over_and_each_message_comes_in_order(
    database: Database, tmp_path: Path
) -> None:
    subjects, out = [str(number) for number in range(8)], tmp_path / "published"

    async def prepare() -> None:
        post = Post(database)
        await post.write(*subjects, times=60)
        await post.engine.dispose()

    asyncio.run(prepare())
    program = _PUBLISHER.format(database=database, out=str(out))

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)

    running = [start(), start()]
    try:
        for _ in range(3):
            published = [process.stdout.fileno() for process in running if process.stdout is not None]
            ready, _, _ = select.select(published, [], [], 60)
            victim = next(p for p in running if p.stdout is not None and p.stdout.fileno() in ready)
            os.kill(victim.pid, signal.SIGKILL)
            victim.communicate()
            running.remove(victim)
            running.append(start())

        async def rest() -> int:
            post, waiting = Post(database), -1
            for _ in range(1200):
                if not (waiting := (await post.relay(Broker()).backlog()).waiting):
                    break
                await asyncio.sleep(0.05)
            await post.engine.dispose()
            return waiting

        assert asyncio.run(rest()) == 0
    finally:
        for process in running:
            process.kill()
            process.communicate()
    first: dict[str, list[int]] = defaultdict(list)
    for line in out.read_text().splitlines():
        subject, number = line.split()
        if int(number) not in first[subject]:
            first[subject].append(int(number))
    assert first == {subject: list(range(1, 61)) for subject in subjects}


def test_a_relay_inside_of_a_unit_that_holds_its_database_is_refused_by_name(tmp_path: Path) -> None:
    async def main() -> None:
        post = Post(SQLite(str(tmp_path / "post.sqlite")))
        async with post.Unit(post.engine) as unit:
            await unit.connection()
            with pytest.raises(UnitError, match=r"Relay: it is used inside of .*Unit, whose"):
                await post.relay(Broker()).run_once()
            with pytest.raises(UnitError, match=r"Relay: it is used inside of .*Unit, whose"):
                await post.relay(Broker()).dead()
        await post.engine.dispose()

    fast(main())


def test_the_backlog_is_refused_by_name_where_a_unit_has_the_only_connection(tmp_path: Path) -> None:
    async def main() -> None:
        for path in (":memory:", str(tmp_path / "post.sqlite")):
            post = Post(SQLite(path))
            async with post.Unit(post.engine) as unit:
                await unit.connection()
                refused = pytest.raises(UnitError, match=r"Relay: it is used inside of .*Unit, whose")
                with refused if path == ":memory:" else nullcontext():
                    assert (await post.relay(Broker()).backlog()).waiting == 0
            await post.engine.dispose()

    fast(main())


@with_post("memory")
async def test_a_relay_does_not_start_inside_of_a_unit_that_holds_the_only_connection(post: Post) -> None:
    relay = post.relay(Broker())
    async with post.Unit(post.engine) as unit:
        await unit.connection()
        for call in (relay.__aenter__, relay.run):
            with pytest.raises(UnitError, match=r"Relay: it is used inside of .*Unit, whose"):
                await call()
    async with relay:  # it does not run already
        pass
