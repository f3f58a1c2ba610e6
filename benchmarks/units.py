"""A unit of work, compared with SQLAlchemy Core by hand: a document is read, changed and stored, with one event.

protean, which is synchronous, is the peer of the synchronous rows: benchmarks/protean_units.py. python-cqrs is none:
5.3.0 has an outbox, and no repository of aggregates with versions beside it.
"""

from __future__ import annotations

import atexit
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.servers.programs import PostgresServer

from benchmarks.contest import OURS, PROTEAN, Contest, Entry
from benchmarks.harness import Contender
from benchmarks.protean_units import protean_unit

__all__ = ["CONTESTS", "TITLE"]

TITLE: Final = "Units of work: a document is read, changed and stored, with one event (without the CPU time of servers)"


@dataclass(kw_only=True)
class Line:
    """What is in an order, both times."""

    product: str
    quantity: int
    price: float


LINES: Final = [Line(product=f"product-{number}", quantity=number, price=9.5) for number in range(1, 6)]


class Ours(NamedTuple):
    """An order declared with the kit, and the units that store it."""

    unit: Any
    sync_unit: Any
    metadata: Any
    order: Any


@cache
def _ours() -> Ours:
    from sqlalchemy import MetaData

    from dddkit.dataclasses import Aggregate, AggregateEvent
    from dddkit.messages import EventCatalog
    from dddkit.sqlalchemy import Documents, Outbox, SyncUnitOfWork, UnitOfWork

    @dataclass(kw_only=True)
    class Order(Aggregate):
        order_id: int
        customer: str
        placed_at: datetime
        lines: list[Line] = field(default_factory=list[Line])
        changes: int = 0

        @dataclass(frozen=True, kw_only=True)
        class Changed(AggregateEvent):
            order_id: int
            changes: int

        def change(self) -> None:
            self.changes += 1
            self.add_event(Order.Changed(order_id=self.order_id, changes=self.changes))

    metadata, catalog = MetaData(), EventCatalog("/shop")
    catalog.add(Order.Changed, "order.changed", version=1)
    documents, messages = Documents[Order, int](metadata, table="orders"), Outbox(metadata, catalog)

    class Unit(UnitOfWork):
        orders = documents
        outbox = messages

    class SyncUnit(SyncUnitOfWork):
        orders = documents
        outbox = messages

    return Ours(Unit, SyncUnit, metadata, Order)


@dataclass(kw_only=True)
class _PlainOrder:
    order_id: int
    customer: str
    placed_at: datetime
    lines: list[Line]
    changes: int = 0


@dataclass(frozen=True, kw_only=True)
class _PlainChanged:
    order_id: int
    changes: int


class Hand:
    """What somebody would write who has read how: prepared statements, and the same rows."""

    def __init__(self, database: str) -> None:
        from pydantic import TypeAdapter
        from sqlalchemy import JSON, Text, bindparam, cast, select

        from dddkit._core.events import new_event_id

        tables = _ours().metadata.tables
        orders, outbox = tables["orders"], tables["dddkit_outbox"]
        document: Any = bindparam("document", type_=Text)
        self.orders, self.events = TypeAdapter(_PlainOrder), TypeAdapter(_PlainChanged)
        self.new_id = new_event_id  # a UUIDv7, which the standard library has from 3.14 on
        self.select = select(cast(orders.c.data, Text), orders.c.version).where(orders.c.key == bindparam("id"))
        self.update = (
            orders.update()
            .where(orders.c.key == bindparam("id"), orders.c.version == bindparam("expected"))
            .values(data=document if database == "sqlite" else cast(document, JSON), version=bindparam("next"))
        )
        self.insert = outbox.insert()

    def changed(self, row: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the parameters of both statements that write."""
        order = self.orders.validate_json(row[0])
        order.changes += 1
        event = _PlainChanged(order_id=order.order_id, changes=order.changes)
        document = self.orders.dump_json(order, round_trip=True).decode()
        update = {"id": 1, "expected": row[1], "document": document, "next": row[1] + 1}
        now, id_ = datetime.now(timezone.utc), str(self.new_id())
        message = {
            "specversion": "1.0",
            "id": id_,
            "type": "order.changed.v1",
            "source": "/shop",
            "time": now.isoformat(),
            "subject": f"orders/{order.order_id}",
            "datacontenttype": "application/json",
            "data": self.events.dump_python(event, mode="json"),
        }
        insert = {
            "id": id_,
            "type": "order.changed.v1",
            "subject": f"orders/{order.order_id}",
            "recorded_at": now,
            "message": json.dumps(message),
        }
        return update, insert


Engines = Callable[[], Any]
"""Makes an engine for a database with one order. By hand, that of SQLite is made by hand too: `embedded` is ours."""


@cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="benchmarks-")
    atexit.register(shutil.rmtree, folder)
    return Path(folder)


def _with_order(engine: Any) -> Any:
    from sqlalchemy import func, select

    ours = _ours()
    with ours.sync_unit(engine) as unit:
        table = ours.sync_unit.orders.table
        if not unit.connection().execute(select(func.count()).select_from(table)).scalar_one():
            lines, now = list(LINES), datetime.now(timezone.utc)
            unit.orders.save(ours.order(order_id=1, customer="C. Ustomer", placed_at=now, lines=lines))
            unit.commit()
    return engine


@cache
def _sync_sqlite() -> Any:
    from dddkit.sqlalchemy import sync_embedded

    return _with_order(sync_embedded(_folder() / "shop.sqlite", _ours().metadata))


@cache
def _sqlite() -> Any:
    from dddkit.sqlalchemy import embedded

    _sync_sqlite()
    return embedded(_folder() / "shop.sqlite", _ours().metadata)


def _sync_sqlite_by_hand() -> Any:
    from sqlalchemy import create_engine

    _sync_sqlite()
    return _as_documented(create_engine(_url("pysqlite"), connect_args={"isolation_level": None}))


def _sqlite_by_hand() -> Any:
    from sqlalchemy.ext.asyncio import create_async_engine

    _sync_sqlite()
    engine = create_async_engine(_url("aiosqlite"), connect_args={"isolation_level": None})
    _as_documented(engine.sync_engine)
    return engine


def _url(driver: str) -> str:
    return f"sqlite+{driver}:///{_folder() / 'shop.sqlite'}"


def _as_documented(engine: Any) -> Any:
    """Begin transactions as SQLAlchemy's documentation of SQLite says, with the write lock."""
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: object) -> None:
        for pragma in ("foreign_keys=ON", "journal_mode=WAL"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@cache
def _database() -> Any:
    from tests.servers.databases import shared_postgresql

    return shared_postgresql(_folder())


@cache
def _sync_postgresql() -> Any:
    return _with_order(_database().sync_engine(_ours().metadata))


@cache
def _postgresql() -> Any:
    _sync_postgresql()
    return _database().engine(_ours().metadata)


def _unit(engine: Engines) -> Contender:
    async def change() -> None:
        async with unit_class(used) as unit:
            order = await unit.orders.get(1)
            order.change()
            await unit.commit()

    unit_class, used = _ours().unit, engine()
    return Contender("await change()", {"change": change})


def _by_hand(engine: Engines) -> Contender:
    async def change() -> None:
        async with used.connect() as connection:
            update, insert = hand.changed((await connection.execute(hand.select, {"id": 1})).one())
            if (await connection.execute(hand.update, update)).rowcount != 1:
                raise RuntimeError("somebody else was faster")
            await connection.execute(hand.insert, insert)
            await connection.commit()

    used = engine()
    hand = Hand(used.dialect.name)
    return Contender("await change()", {"change": change})


def _sync_unit(engine: Engines) -> Contender:
    def change() -> None:
        with unit_class(used) as unit:
            unit.orders.get(1).change()
            unit.commit()

    unit_class, used = _ours().sync_unit, engine()
    return Contender("change()", {"change": change})


def _sync_by_hand(engine: Engines) -> Contender:
    def change() -> None:
        with used.connect() as connection:
            update, insert = hand.changed(connection.execute(hand.select, {"id": 1}).one())
            if connection.execute(hand.update, update).rowcount != 1:
                raise RuntimeError("somebody else was faster")
            connection.execute(hand.insert, insert)
            connection.commit()

    used = engine()
    hand = Hand(used.dialect.name)
    return Contender("change()", {"change": change})


def _protean_on_sqlite() -> Contender:
    with closing(sqlite3.connect(_folder() / "protean.sqlite")) as connection:
        connection.execute("PRAGMA journal_mode=WAL").close()  # as our file and that of the limit; the file keeps it
    return Contender("change()", {"change": protean_unit("sqlite", f"sqlite:///{_folder() / 'protean.sqlite'}")})


def _protean_on_postgresql() -> Contender:
    return Contender("change()", {"change": protean_unit("postgresql", str(_database().url("psycopg")))})


def _contest(
    database: str, key: str, engine: Engines, by_hand: Engines, *, sync: bool, protean: Entry | None = None
) -> Contest:
    unit, hand = (_sync_unit, _sync_by_hand) if sync else (_unit, _by_hand)
    ours: dict[str, Entry] = {OURS: lambda: unit(engine)}
    return Contest(
        key=f"unit-{key}",
        what=f"{'SyncUnitOfWork' if sync else 'UnitOfWork'} on {database}, vs SQLAlchemy Core",
        must=1.1,
        stretch=1.03,
        limit=lambda: hand(by_hand),
        entries=ours if protean is None else {**ours, PROTEAN: protean},
        slow=True,
    )


CONTESTS: Final[list[Contest]] = [
    _contest("SQLite (aiosqlite)", "sqlite", _sqlite, _sqlite_by_hand, sync=False),
    _contest("SQLite", "sqlite-sync", _sync_sqlite, _sync_sqlite_by_hand, sync=True, protean=_protean_on_sqlite),
]
if PostgresServer.missing() is None:
    psycopg = "PostgreSQL (psycopg)", "postgresql-sync", _sync_postgresql, _sync_postgresql
    CONTESTS.append(_contest("PostgreSQL (asyncpg)", "postgresql", _postgresql, _postgresql, sync=False))
    CONTESTS.append(_contest(*psycopg, sync=True, protean=_protean_on_postgresql))
