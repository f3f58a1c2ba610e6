"""A relay, compared with the loop that selects, calls and deletes: 400 messages of 200 aggregates."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp
from time import process_time
from typing import Any, Final, NamedTuple

from tests.servers.guard import missing

from benchmarks.contest import OURS, Contest
from benchmarks.harness import Contender, driven

__all__ = ["CONTESTS", "TITLE"]

TITLE: Final = "Relays: messages from the outbox to a handler in this process (without the CPU time of servers)"

_AGGREGATES: Final = 200
_TIMES: Final = 2
_BATCH: Final = 200


class Ours(NamedTuple):
    """An outbox, and the unit that writes to it."""

    unit: Any
    outbox: Any
    metadata: Any
    event: Any


@cache
def _ours() -> Ours:
    from sqlalchemy import MetaData

    from dddkit.dataclasses import DomainEvent
    from dddkit.messages import EventCatalog
    from dddkit.sqlalchemy import Outbox, UnitOfWork

    @dataclass(frozen=True, kw_only=True)
    class Changed(DomainEvent):
        order_id: int
        changes: int

    metadata, catalog = MetaData(), EventCatalog("/shop")
    catalog.add(Changed, "order.changed")
    messages = Outbox(metadata, catalog)

    class Unit(UnitOfWork):
        outbox = messages

    return Ours(Unit, messages, metadata, Changed)


@cache
def _sqlite() -> Any:
    from dddkit.sqlalchemy import embedded

    return embedded(Path(mkdtemp(prefix="benchmarks-")) / "shop.sqlite", _ours().metadata)


@cache
def _postgresql() -> Any:
    from tests.servers.databases import shared_postgresql

    folder = Path(mkdtemp(prefix="benchmarks-"))
    return shared_postgresql(folder).engine(_ours().metadata)


async def _fill(engine: Any) -> None:
    ours = _ours()
    async with ours.unit(engine) as unit:
        for changes in range(_TIMES):
            for number in range(_AGGREGATES):
                unit.publish(ours.event(order_id=number, changes=changes), subject=f"orders/{number}")
        await unit.commit()


@dataclass(frozen=True)
class _Publishing(Contender):
    """Publishes what was written before, which is not measured."""

    publish_all: Callable[[], Awaitable[object]] = partial(asyncio.sleep, 0)
    fill: Callable[[], Awaitable[object]] = partial(asyncio.sleep, 0)

    def compiled(self) -> Callable[[int], float]:
        async def timed(times: int) -> float:
            taken = 0.0
            for _ in range(times):
                await self.fill()
                begun = process_time()
                await self.publish_all()
                taken += process_time() - begun
            return taken

        return lambda times: driven(timed(times))


class Handler:
    """Takes messages."""

    def __init__(self) -> None:
        self.taken = 0

    async def __call__(self, message: Any) -> None:
        self.taken += 1


def _relay(engine: Callable[[], Any]) -> Contender:
    from dddkit.sqlalchemy import Relay

    used = engine()
    relay = Relay(used, _ours().outbox, Handler(), batch=_BATCH)

    async def publish_all() -> None:
        if await relay.run_once() != _AGGREGATES * _TIMES:
            raise RuntimeError("messages are left")

    return _Publishing("await publish_all()", publish_all=publish_all, fill=partial(_fill, used))


def _by_hand(engine: Callable[[], Any]) -> Contender:
    from sqlalchemy import select

    from dddkit.messages import Message

    used, handler, table = engine(), Handler(), _ours().outbox.table
    batch = select(table.c.number, table.c.message).order_by(table.c.number).limit(_BATCH)

    async def publish_all() -> None:
        while True:
            async with used.connect() as connection:
                rows = (await connection.execute(batch)).all()
                if not rows:
                    return
                for row in rows:
                    await handler(Message.from_json(row.message))
                await connection.execute(table.delete().where(table.c.number.in_([row.number for row in rows])))
                await connection.commit()

    return _Publishing("await publish_all()", publish_all=publish_all, fill=partial(_fill, used))


def _contest(database: str, key: str, engine: Callable[[], Any]) -> Contest:
    return Contest(
        key=f"relay-{key}",
        what=f"Relay on {database}, vs the bare loop",
        must=1.5,
        stretch=1.1,
        limit=lambda: _by_hand(engine),
        entries={OURS: lambda: _relay(engine)},
        slow=True,
    )


CONTESTS: Final[list[Contest]] = [_contest("SQLite (aiosqlite)", "sqlite", _sqlite)]
if missing() is None:
    CONTESTS.append(_contest("PostgreSQL (asyncpg)", "postgresql", _postgresql))
