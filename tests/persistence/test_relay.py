"""What a relay publishes, in which order, and what it does where a message fails."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import MetaData, select, update
from sqlalchemy.ext.asyncio import create_async_engine

from dddkit.dataclasses import EventBroker
from dddkit.exceptions import MessageRejectedError, UnitError
from dddkit.messages import EventCatalog, Message, caused_by
from dddkit.sqlalchemy import Outbox, Relay, SyncUnitOfWork, embedded, to_broker
from dddkit.sqlalchemy._publishing import TryAgainError
from tests.persistence.relays import Broker, Post, Told, fast, until, with_post
from tests.persistence.shops import Shop, in_shops
from tests.servers.databases import SQLite

BROKEN = RuntimeError("broken")
REJECTED = MessageRejectedError("too large")


@in_shops()
async def test_the_events_of_an_aggregate_are_published_in_order_and_then_gone(shop: Shop) -> None:
    basket = shop.Basket(basket_id=1)
    basket.add("tea")
    basket.add_event(shop.Basket.Created())
    await shop.save(basket)
    engine, broker = shop.engine if shop.is_async else shop.database.engine(shop.metadata), Broker()
    stored = await shop.messages()
    relay = Relay(engine, shop.outbox, broker)
    if not shop.is_async and shop.database.name == "sqlite" and engine.url.database == ":memory:":
        assert await relay.run_once() == 0  # a database of its own
    else:
        assert await relay.run_once() == len(stored)
        assert [(message.type, message.subject) for message in broker.got] == stored
        assert await shop.count(shop.outbox.table) == 0
    if not shop.is_async:
        await engine.dispose()


@with_post()
async def test_messages_of_one_subject_are_published_in_order_batch_after_batch(post: Post) -> None:
    await post.write("a", "b", None, times=20)
    broker = Broker()
    assert await post.relay(broker, batch=7, concurrency=4).run_once() == 60
    in_order = list(range(1, 21))
    assert broker.numbers["a"] == broker.numbers["b"] == in_order
    assert sorted(broker.numbers[None]) == in_order
    assert await post.relay(broker).run_once() == 0


@with_post("memory")
async def test_a_message_is_published_as_it_was_written(post: Post) -> None:
    cause = Message(id="cause-1", type="x.v1", source="/x", correlation_id="first-1")
    with caused_by(cause):
        await post.write("orders/17")
    async with post.Unit(post.engine, read_only=True) as unit:
        connection = await unit.connection()
        stored = Message.from_json((await connection.execute(select(post.outbox.table.c.message))).scalar_one())
    broker = Broker()
    await post.relay(broker).run_once()
    assert broker.got == [stored]
    assert (stored.causation_id, stored.correlation_id) == ("cause-1", "first-1")


@with_post("memory")
async def test_subjects_are_published_at_once_but_never_more_than_told(post: Post) -> None:
    await post.write(*map(str, range(10)), times=2)
    under_way: set[str | None] = set()
    most = 0

    async def publish(message: Message) -> None:
        nonlocal most
        assert message.subject not in under_way
        under_way.add(message.subject)
        most = max(most, len(under_way))
        await asyncio.sleep(0)
        under_way.discard(message.subject)

    assert await post.relay(publish, concurrency=3).run_once() == 20
    assert most == 3


@with_post("memory")
async def test_one_that_takes_too_long_fails_and_keeps_no_other_waiting(post: Post) -> None:
    await post.write("slow", "fast", times=3)
    broker = Broker()

    async def publish(message: Message) -> None:
        if message.subject == "slow":
            await asyncio.Event().wait()
        await broker(message)

    relay = post.relay(publish, timeout=0.2, concurrency=1)
    assert await relay.run_once() == 3
    assert broker.numbers == {"fast": [1, 2, 3]}
    async with post.Unit(post.engine, read_only=True) as unit:
        rows = await (await unit.connection()).execute(select(post.outbox.table.c.error))
        assert rows.scalars().all() == ["TimeoutError: it took longer than 0.2 s", None, None]


@with_post("memory")
async def test_a_batch_that_takes_long_is_recorded_before_it_goes_on(post: Post) -> None:
    await post.write("a", "b", "c")
    waiting: list[int] = []

    async def publish(message: Message) -> None:
        waiting.append((await relay.backlog()).waiting)
        await asyncio.sleep(0.3)

    relay = post.relay(publish, concurrency=1, batch_time=0.2)
    assert await relay.run_once() == 3
    assert waiting == [3, 2, 1]


@with_post("memory")
async def test_a_message_without_subject_holds_nobody(post: Post) -> None:
    await post.write(None, times=3)
    broker = Broker()
    broker.refuse = lambda message: BROKEN if message.data["number"] == 1 else None
    assert await post.relay(broker, batch=1).run_once() == 2
    assert sorted(broker.numbers[None]) == [2, 3]
    broker.refuse = lambda message: REJECTED
    relay = post.relay(broker, attempts=1)
    assert [await relay.run_once(), await relay.run_once()] == [0, 0]
    assert len(broker.tried) == 4  # a dead one is not tried again


@with_post()
async def test_failing_subjects_are_left_out_of_later_batches(post: Post) -> None:
    bad = [f"bad{number}" for number in range(7)]
    await post.write(*bad, times=2)
    await post.write("good", times=2)
    broker = Broker()
    broker.refuse = lambda message: None if message.subject == "good" else BROKEN
    assert await post.relay(broker, batch=2).run_once() == 2
    assert sorted(map(str, broker.tried)) == [*sorted(bad), "good", "good"]  # nothing a second time


@with_post("memory")
async def test_failing_subjects_do_not_stop_the_others_of_a_relay_that_runs(post: Post) -> None:
    await post.write(*(f"bad{number}" for number in range(5)), times=2)
    await post.write("good", times=2)
    broker = Broker()
    broker.refuse = lambda message: None if message.subject == "good" else BROKEN
    async with post.relay(broker, batch=2):
        await until(lambda: broker.numbers.get("good") == [1, 2])
        await post.write("later")
        broker.refuse = lambda message: BROKEN if message.subject == "bad3" else None
        await until(lambda: len(broker.got) == 11)
    assert "bad3" not in broker.numbers
    assert all(numbers == [1, 2] for subject, numbers in broker.numbers.items() if subject != "later")


async def _attempts(post: Post) -> dict[str | None, int]:
    async with post.Unit(post.engine, read_only=True) as unit:
        table = post.outbox.table
        rows = await (await unit.connection()).execute(select(table.c.subject, table.c.attempts))
        return {row.subject: row.attempts for row in rows}


@with_post("memory", "asyncpg", slow=("asyncpg",))
async def test_no_outage_makes_a_message_dead(post: Post) -> None:
    broker = Broker()
    relay = post.relay(broker, attempts=1)
    await post.write("a", "b", None)
    assert await relay.run_once() == 3
    await post.write("a", "b", None)
    broker.is_away = True
    for _ in range(5):
        assert await relay.run_once() == 0
    async with relay:
        await until(lambda: len(broker.tried) > 25)
    assert await _attempts(post) == {"a": 0, "b": 0, None: 0}
    assert await relay.dead() == []
    broker.is_away = False
    assert await relay.run_once() == 3


@with_post("memory")
async def test_fu7_an_outage_makes_no_message_dead_that_has_more_attempts_behind_it_than_it_would_get_now(
    post: Post,
) -> None:
    await post.write("bad")
    broker = Broker()
    broker.refuse_all_of("bad", REJECTED)
    before = post.relay(broker, attempts=9)
    for _ in range(3):
        await before.run_once()
    broker.is_away = True
    relay = post.relay(broker, attempts=2)
    await relay.run_once()
    assert await relay.dead() == []
    broker.is_away = False
    await relay.run_once()
    assert [dead.attempts for dead in await relay.dead()] == [4]


@with_post("memory")
async def test_a_failure_counts_once_another_message_got_through_since_the_last_one(post: Post) -> None:
    broker = Broker()
    broker.refuse_all_of("bad", BROKEN)
    relay = post.relay(broker, attempts=9)
    await post.write("bad", "good")
    counted: list[int] = []
    for others in (0, 1, 0, 0, 1):
        if others:
            await post.write("good")
        await relay.run_once()
        counted.append((await _attempts(post))["bad"])
    assert counted == [0, 1, 2, 2, 2]


@with_post("memory")
async def test_a_failure_that_another_relay_has_seen_counts_as_well(post: Post) -> None:
    broker = Broker()
    broker.refuse_all_of("bad", BROKEN)
    await post.write("bad")
    counted: list[int] = []
    for others in (0, 0, 1, 1):  # as cron does: a relay for each run
        if others:
            await post.write("good")
        await post.relay(broker).run_once()
        counted.append((await _attempts(post))["bad"])
    assert counted == [0, 0, 1, 2]


@with_post()
async def test_a_rejected_message_is_dead_after_its_attempts_and_holds_the_later_ones_of_its_subject(
    post: Post,
) -> None:
    await post.write("bad", "good", times=3)
    broker = Broker()
    broker.refuse_all_of("bad", REJECTED)
    relay = post.relay(broker, attempts=2)
    assert [await relay.run_once(), await relay.run_once(), await relay.run_once()] == [3, 0, 0]
    assert broker.tried.count("bad") == 2
    (dead,) = await relay.dead()
    assert dead.message is not None
    assert (dead.message.subject, dead.message.id, dead.attempts) == ("bad", dead.id, 2)
    assert dead.error == "MessageRejectedError: too large"
    broker.refuse = lambda message: None
    await post.write("bad", "good")
    assert await relay.run_once() == 1
    await relay.retry(dead.id)
    assert await relay.run_once() == 4
    assert broker.numbers == {"good": [1, 2, 3, 1], "bad": [1, 2, 3, 1]}


@with_post("memory")
async def test_a_retried_message_has_all_its_attempts_again(post: Post) -> None:
    await post.write("bad")
    broker = Broker()
    broker.refuse_all_of("bad", REJECTED)
    relay = post.relay(broker, attempts=2)
    for _ in range(2):
        for _ in range(2):
            assert await relay.dead() == []
            await relay.run_once()
        (dead,) = await relay.dead()
        await relay.retry(dead.id)
    await relay.run_once()
    assert await relay.dead() == []


@with_post("memory")
async def test_to_try_again_counts_no_attempt(post: Post) -> None:
    await post.write("bad", "good")
    broker = Broker()
    broker.refuse_all_of("bad", TryAgainError())
    relay = post.relay(broker, attempts=1)
    for _ in range(4):
        await relay.run_once()
        await post.write("good")
    assert (await _attempts(post))["bad"] == 0


@with_post("memory")
async def test_a_cancelled_error_of_publish_is_a_failure_like_others(post: Post) -> None:
    await post.write("bad", "good", times=2)
    broker = Broker()
    broker.refuse_all_of("bad", asyncio.CancelledError())
    relay = post.relay(broker, attempts=1)
    assert await relay.run_once() == 2
    await post.write("good")
    assert [await relay.run_once(), await relay.run_once()] == [1, 0]
    assert [dead.error for dead in await relay.dead()] == ["CancelledError"]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("way", ["run", "run_once", "block"])
def test_an_interrupt_propagates_once_what_was_published_is_recorded(
    way: str, interrupt: type[BaseException], tmp_path: Path
) -> None:
    broker = Broker()

    async def scenario(post: Post, relay: Relay) -> None:
        await post.write("a", "b", "c", times=2)
        if way == "block":
            async with relay:
                await asyncio.Event().wait()
        else:
            await (relay.run() if way == "run" else relay.run_once())

    async def left(post: Post) -> int:
        found = (await post.relay(broker).backlog()).waiting
        await post.engine.dispose()
        return found

    async def main() -> None:
        post = Post(SQLite(str(tmp_path / "post.sqlite")))
        broker.refuse_all_of("c", interrupt())
        try:
            await scenario(post, post.relay(broker, concurrency=1))
        finally:
            await post.engine.dispose()

    with pytest.raises(interrupt):
        asyncio.run(main())
    assert broker.numbers == {"a": [1, 2], "b": [1, 2]}
    assert asyncio.run(left(Post(SQLite(str(tmp_path / "post.sqlite"))))) == 2


@with_post()
async def test_what_cannot_be_read_is_dead_at_once(post: Post) -> None:
    await post.write("bad", "good", times=2)
    table = post.outbox.table
    async with post.engine.begin() as connection:
        first = select(table.c.number).where(table.c.subject == "bad").order_by(table.c.number).limit(1)
        number = (await connection.execute(first)).scalar_one()
        await connection.execute(update(table).where(table.c.number == number).values(message='{"id": 1}'))
    broker = Broker()
    relay = post.relay(broker)
    assert await relay.run_once() == 2
    (dead,) = await relay.dead()
    assert dead.message is None
    assert dead.error.startswith("what is stored cannot be read")
    await relay.discard(dead.id)
    assert await relay.run_once() == 1


@with_post("memory")
async def test_a_publish_that_is_not_async_is_an_error_by_name(post: Post) -> None:
    await post.write("a")

    def send(message: Message) -> int:
        return 1

    with pytest.raises(TypeError, match=r"publish returned .*; write `async def` before .*send"):
        await post.relay(send).run_once()


@with_post("memory", "file", "asyncpg", "psycopg", slow=("file", "psycopg"))
async def test_without_its_table_it_says_which_is_missing_and_how_to_create_it(post: Post) -> None:
    engine = post.engine
    other = Outbox(MetaData(), EventCatalog("/post"), table="other_outbox")
    relay = Relay(engine, other, Broker())

    async def block() -> None:
        async with relay:
            raise AssertionError("it has not started")

    for call in (relay.run_once, relay.run, relay.dead, relay.backlog, block):
        coroutine: Coroutine[Any, Any, Any] = call()
        with pytest.raises(UnitError, match=r"Relay: the database has no table .*other_outbox.*metadata.create_all"):
            await coroutine


@pytest.mark.parametrize("thread", [False, True])
def test_a_commit_wakes_it_at_once_from_whatever_thread(thread: bool, tmp_path: Path) -> None:
    database = SQLite(str(tmp_path / "post.sqlite"))
    post = Post(database)
    sync_engine = database.sync_engine(post.metadata)

    class SyncUnit(SyncUnitOfWork):
        outbox = post.outbox

    def write() -> None:
        with SyncUnit(sync_engine) as unit:
            unit.publish(Told(number=1))
            unit.commit()

    async def main() -> None:
        came = asyncio.Event()

        async def publish(message: Message) -> None:
            came.set()

        async with post.relay(publish, poll=100_000.0):
            for _ in range(3):
                await asyncio.sleep(2)  # now it waits
                if thread:
                    # Nothing else happens in this loop: it has to be woken.
                    await asyncio.get_running_loop().run_in_executor(None, Thread(target=write).start)
                else:
                    await post.write(None)
                await asyncio.wait_for(came.wait(), 2000)
                came.clear()
        await post.engine.dispose()

    fast(main())
    sync_engine.dispose()


@with_post("memory")
async def test_no_commit_shortens_the_pauses_of_an_outage(post: Post) -> None:
    clock = asyncio.get_running_loop().time
    tried: list[tuple[str | None, float]] = []

    async def publish(message: Message) -> None:
        tried.append((message.subject, clock()))
        raise BROKEN

    await post.write(*"abc")
    async with post.relay(publish, batch=1):
        number = 0
        while len(tried) < 9:
            await post.write(f"more{(number := number + 1)}")
            await asyncio.sleep(0.02)
    other = next(index for index, (subject, _) in enumerate(tried) if subject != "a")  # with a second one it begins
    times = [time for _, time in tried[other:]]
    for number, (before, after) in enumerate(itertools.pairwise(times)):
        assert after - before >= 0.1 * 2**number


@with_post("memory", slow=("memory",))
async def test_the_pauses_grow_up_to_10_seconds(post: Post) -> None:
    clock = asyncio.get_running_loop().time
    times: list[float] = []

    async def publish(message: Message) -> None:
        times.append(clock())
        raise BROKEN

    await post.write("a")
    async with post.relay(publish):
        await until(lambda: len(times) == 12)
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert all(pause >= 0.1 * 2**number for number, pause in enumerate(pauses[:7]))
    assert 10 <= min(pauses[-3:]) < 20  # a machine at work makes some of them longer, and none shorter


def test_what_is_wrong_with_its_arguments_is_said_when_it_is_made() -> None:
    metadata = MetaData()
    outbox, broker = Outbox(metadata, EventCatalog("/post")), Broker()
    engine = embedded(":memory:", metadata)
    made: Any = Relay
    for name in ("batch", "concurrency", "attempts"):
        for number in (0, -1, 1.5, True, "1", None):
            with pytest.raises(ValueError, match=rf"Relay: {name} is a number from 1 on"):
                made(engine, outbox, broker, **{name: number})
    for name in ("poll", "timeout", "batch_time"):
        for seconds in (0, -1, float("nan"), float("inf"), "1", None, True):
            with pytest.raises(ValueError, match=rf"Relay: {name} is a number of seconds"):
                made(engine, outbox, broker, **{name: seconds})
    wrong: Any = None
    with pytest.raises(TypeError, match="Relay works on an AsyncEngine, and got"):
        Relay(wrong, outbox, broker)
    with pytest.raises(TypeError, match="Relay takes the Outbox that a unit class declares, and got"):
        Relay(engine, wrong, broker)
    with pytest.raises(
        TypeError, match=r"Relay takes an async function .*, and got None; to_consumers\(...\) and to_bro"
    ):
        Relay(engine, outbox, wrong)
    with pytest.raises(ValueError, match=r"make it with embedded"):
        Relay(create_async_engine("sqlite+aiosqlite:///x.sqlite"), outbox, broker)


@pytest.mark.parametrize("method", ["__call__", "publish", "apublish"])
def test_a_broker_that_would_drop_all_messages_is_refused(method: str) -> None:
    made: Any = Relay
    metadata, event_broker = MetaData(), EventBroker(unhandled="ignore")
    engine, outbox = embedded(":memory:", metadata), Outbox(metadata, EventCatalog("/post"))
    for wrong in (event_broker, getattr(event_broker, method)):
        with pytest.raises(TypeError, match=r"an EventBroker takes events; write to_broker\(event_broker, catalog\)"):
            made(engine, outbox, wrong)


def test_a_function_of_something_else_than_a_message_is_refused_by_name() -> None:
    async def send(topic: str, message: Message) -> None: ...

    made: Any = Relay
    metadata = MetaData()
    engine, outbox = embedded(":memory:", metadata), Outbox(metadata, EventCatalog("/post"))
    for wrong, name in ((send, "send"), (to_broker, "to_broker")):
        with pytest.raises(TypeError, match=rf"Relay calls .*{name} with a message, and it takes other arguments"):
            made(engine, outbox, wrong)


def test_it_may_be_used_in_one_event_loop_after_the_other(tmp_path: Path) -> None:
    broker, posts = Broker(), [Post(SQLite(str(tmp_path / "post.sqlite")))]
    relay = posts[0].relay(broker)

    async def once() -> int:
        await posts[0].write("a")
        published = await relay.run_once()
        await posts[0].engine.dispose()
        return published

    assert [fast(once()), fast(once())] == [1, 1]
