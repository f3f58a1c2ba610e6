"""How a relay ends: what is under way is finished and recorded, whatever stops it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
from sqlalchemy import MetaData, select, text

from dddkit.exceptions import UnitError
from dddkit.messages import Message
from dddkit.sqlalchemy import Outbox
from tests.persistence.relays import Broker, Post, catalog, fast, until, with_post
from tests.servers.databases import SQLite
from tests.servers.running import ROOT


async def _left(post: Post) -> list[str]:
    """Return the ids of what the outbox holds."""
    async with post.Unit(post.engine, read_only=True) as unit:
        return list((await (await unit.connection()).execute(select(post.outbox.table.c.id))).scalars())


class Gate:
    """A broker that lets a message through when it is told to."""

    def __init__(self) -> None:
        self.begun: list[Message] = []
        self.got: list[Message] = []
        self.open = asyncio.Event()

    async def __call__(self, message: Message) -> None:
        self.begun.append(message)
        await self.open.wait()
        self.got.append(message)


@with_post()
async def test_a_cancelled_relay_begins_nothing_finishes_and_records_what_is_under_way(post: Post) -> None:
    await post.write(*map(str, range(8)), times=2)
    gate = Gate()
    running = asyncio.ensure_future(post.relay(gate, concurrency=5).run())
    await until(lambda: len(gate.begun) == 5)
    for _ in range(3):  # further cancellations do not shorten it
        running.cancel()
        await asyncio.sleep(0.1)
    assert not running.done()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(gate.got) == len(gate.begun) == 5
    assert {message.id for message in gate.got}.isdisjoint(left := await _left(post))
    assert len(left) == 11


@with_post()
async def test_a_block_that_ends_finishes_and_records_what_is_under_way(post: Post) -> None:
    await post.write(*map(str, range(8)))
    gate = Gate()
    async with post.relay(gate, concurrency=3):
        await until(lambda: len(gate.begun) == 3)
        asyncio.get_running_loop().call_later(0.2, gate.open.set)
    assert len(gate.got) == 3
    assert len(await _left(post)) == 5


@with_post("memory")
async def test_who_cancels_everything_cancels_the_host_too_that_waits_for_its_relay_to_end(post: Post) -> None:
    await post.write("a")
    gate = Gate()
    done: list[str] = []

    async def host() -> None:
        async with post.relay(gate):
            await until(lambda: gate.begun)
        done.append("the host went on")

    hosting = asyncio.ensure_future(host())
    await until(lambda: gate.begun)
    await asyncio.sleep(0.5)  # it is at the end of its block now
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.wait([hosting])
    assert hosting.cancelled()
    assert done == []


@with_post("memory")
async def test_stopping_waits_for_the_timeout_at_most(post: Post) -> None:
    await post.write("a", "b")
    broker = Broker()

    async def publish(message: Message) -> None:
        if message.subject == "a":
            await asyncio.Event().wait()
        await broker(message)

    clock = asyncio.get_running_loop().time
    async with post.relay(publish, timeout=20.0):
        await until(lambda: broker.got)
        began = clock()
    assert clock() - began < 300
    assert len(await _left(post)) == 1


@with_post("asyncpg", "psycopg", slow=("psycopg",))
async def test_a_relay_stops_in_time_too_while_the_database_keeps_it_waiting(post: Post) -> None:
    relay = post.relay(Broker(), timeout=5.0)
    async with post.engine.begin() as connection:
        await connection.execute(text("LOCK TABLE dddkit_outbox"))
        running = asyncio.ensure_future(relay.run())
        await asyncio.sleep(5)
        running.cancel()
        assert (await asyncio.wait([running], timeout=500))[0] == {running}
    assert running.cancelled()
    assert await relay.run_once() == 0


@with_post("memory")
async def test_a_call_that_ignores_its_cancellation_holds_up_nobody_but_its_own_subject(post: Post) -> None:
    await post.write("stuck", times=2)
    end, broker = asyncio.Event(), Broker()
    calls = 0

    async def publish(message: Message) -> None:
        nonlocal calls
        if message.subject == "stuck":
            calls += 1
            while not end.is_set():
                with suppress(asyncio.CancelledError):
                    await end.wait()
        await broker(message)

    async with post.relay(publish, timeout=0.5):
        await until(lambda: calls)
        for number in range(1, 4):
            await post.write("free")
            await until(lambda: len(broker.got) == number)  # noqa: B023  # it is awaited here
        assert calls == 1
        end.set()
        await until(lambda: broker.numbers.get("stuck") == [1, 1, 2])  # at least once


@with_post("memory")
async def test_a_block_may_end_before_its_relay_has_begun(post: Post) -> None:
    await post.write("a")
    broker = Broker()
    relay = post.relay(broker)
    async with relay:
        pass
    async with relay:  # and it may be used again
        await until(lambda: broker.got)


@with_post("memory")
async def test_a_relay_that_runs_is_not_started_again(post: Post) -> None:
    relay = post.relay(Broker())
    async with relay:
        with pytest.raises(RuntimeError, match="this Relay runs already"):
            await relay.run()
        with pytest.raises(RuntimeError, match="this Relay runs already"):
            async with relay:
                raise AssertionError


@with_post()
async def test_wherever_it_is_cancelled_each_message_is_either_published_or_left(post: Post) -> None:
    broker = Broker()

    async def publish(message: Message) -> None:
        await asyncio.sleep(0)
        await broker(message)
        await asyncio.sleep(0)

    left: list[str] = []
    for steps in range(0, 60, 3):
        before = len(left)
        await post.write("a", "b", None)
        broker.got.clear()
        running = asyncio.ensure_future(post.relay(publish, concurrency=2).run())
        for _ in range(steps):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        left = await _left(post)
        assert len(left) + len(broker.got) == before + 3
        assert {message.id for message in broker.got}.isdisjoint(left)
    assert await post.relay(publish).run_once() == len(left)


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize("way", ["run", "block"])
def test_when_the_program_ends_without_stopping_it_what_was_published_is_recorded(way: str, database: Any) -> None:
    broker, again = Broker(), Broker()
    post = Post(database)

    async def publish(message: Message) -> None:
        if message.subject == "3":
            await asyncio.sleep(60)
        await broker(message)

    async def block() -> None:
        async with post.relay(publish):
            await asyncio.Event().wait()

    async def main() -> None:
        await post.write(*map(str, range(4)), times=3)
        running = asyncio.ensure_future(block() if way == "block" else post.relay(publish).run())
        await until(lambda: len(broker.got) == 9)
        assert not running.done()

    async def check() -> None:
        async with post.engine.connect() as connection:
            assert set((await connection.execute(select(post.outbox.table.c.error))).scalars()) == {None}  # no failure
        assert await post.relay(again).run_once() == 3
        await post.engine.dispose()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    tasks = asyncio.all_tasks(loop)
    for task in sorted(tasks, key=lambda task: -int(task.get_name().partition("-")[2])):  # the relay's own ones first
        task.cancel()  # as asyncio.run does
    loop.run_until_complete(asyncio.wait(tasks))
    loop.run_until_complete(check())
    loop.close()
    assert broker.numbers == {"0": [1, 2, 3], "1": [1, 2, 3], "2": [1, 2, 3]}
    assert again.numbers == {"3": [1, 2, 3]}


@with_post("memory")
async def test_sigterm_ends_run_normally_and_the_old_handlers_are_back(post: Post) -> None:
    def old(number: int, frame: object) -> None:
        raise AssertionError("this is not its turn")

    others = signal.signal(signal.SIGTERM, old)
    try:
        relays = [post.relay(Broker()), post.relay(Broker())]
        running = asyncio.gather(*(relay.run() for relay in relays))
        await asyncio.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == [None, None]
        assert signal.getsignal(signal.SIGTERM) is old
        async with relays[0]:
            assert signal.getsignal(signal.SIGTERM) is old
    finally:
        signal.signal(signal.SIGTERM, others)


@with_post("memory")
async def test_a_sigterm_that_comes_with_the_handler_is_not_lost(post: Post) -> None:
    real = signal.signal

    def at_once(number: int, handler: Any) -> Any:
        old = real(number, handler)
        os.kill(os.getpid(), signal.SIGTERM)
        return old

    relay = post.relay(Broker())
    others = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signal, "signal", at_once)
        running = asyncio.ensure_future(relay.run())
        await asyncio.sleep(0)
        patch.undo()
    try:
        await asyncio.wait_for(running, 200)
    finally:
        assert signal.getsignal(signal.SIGTERM) is others


def test_run_in_another_thread_leaves_signals_alone(tmp_path: Path) -> None:
    found: list[object] = []

    async def main() -> None:
        post = Post(SQLite(str(tmp_path / "post.sqlite")))
        running = asyncio.ensure_future(post.relay(Broker()).run())
        await asyncio.sleep(0.1)
        found.append(signal.getsignal(signal.SIGTERM))
        running.cancel()
        await asyncio.wait([running])
        await post.engine.dispose()

    expected = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=fast, args=(main(),))
    thread.start()
    thread.join()
    assert found == [expected]


@pytest.mark.slow
def test_a_process_of_its_own_ends_normally_by_sigterm(tmp_path: Path) -> None:
    program = f"""
import asyncio, sys
from tests.persistence.relays import Post
from tests.servers.databases import SQLite

async def publish(message):
    print("publishing", flush=True)
    await asyncio.sleep(0.3)

async def main():
    post = Post(SQLite({str(tmp_path / "post.sqlite")!r}))
    await post.write("a", times=20)
    await post.relay(publish).run()
    print((await post.relay(publish).backlog()).waiting)
    await post.engine.dispose()

asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "publishing\n"
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert said.split() == ["publishing"] * said.count("publishing") + [str(19 - said.count("publishing"))]


@pytest.mark.slow
def test_a_closed_event_loop_makes_no_commit_fail(tmp_path: Path) -> None:
    program = f"""
import asyncio, os
from tests.persistence.relays import Post
from tests.servers.databases import SQLite

post = Post(SQLite({str(tmp_path / "post.sqlite")!r}))

async def publish(message):
    await asyncio.Event().wait()

async def begin():
    await post.write("a")
    asyncio.ensure_future(post.relay(publish).run())
    await asyncio.sleep(0.5)

async def commit():
    await post.write("b")
    print("committed", flush=True)

loop = asyncio.new_event_loop()
loop.run_until_complete(begin())
loop.close()  # nobody has stopped the relay
asyncio.run(commit())
os._exit(0)
"""
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert run.stdout == "committed\n", run.stderr


@with_post("memory")
async def test_the_outbox_keeps_no_relay(post: Post) -> None:
    relay = post.relay(Broker())
    async with relay:
        await asyncio.sleep(0.1)
    kept = ref(relay)
    del relay
    gc.collect()
    assert kept() is None


def test_the_outbox_keeps_nothing_of_a_relay_that_was_never_stopped() -> None:
    class Ear:
        def __init__(self) -> None:
            self.heard = 0

        def wake(self) -> None:
            self.heard += 1

    outbox, ear, other = Outbox(MetaData(), catalog), Ear(), Ear()
    outbox._listen(other)  # pyright: ignore[reportPrivateUsage]  # as relays do
    outbox._listen(ear)  # pyright: ignore[reportPrivateUsage]  # as above
    kept = ref(other)
    del other
    gc.collect()
    assert kept() is None
    outbox._wake()  # pyright: ignore[reportPrivateUsage]  # as a commit does
    assert ear.heard == 1


@with_post("memory")
async def test_a_relay_that_loses_its_table_raises_at_the_end_of_its_block(post: Post) -> None:
    async def use() -> None:
        async with post.relay(Broker(), poll=0.5):
            async with post.engine.begin() as connection:
                await connection.execute(text("DROP TABLE dddkit_outbox"))
            await asyncio.sleep(20)

    with pytest.raises(UnitError, match="the database has no table dddkit_outbox"):
        await use()
