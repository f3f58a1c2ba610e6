"""An outbox, who writes to it, a broker that keeps what it gets, and a clock that runs fast."""

from __future__ import annotations

import asyncio
import selectors
from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from dddkit.dataclasses import DomainEvent
from dddkit.messages import EventCatalog, Message
from dddkit.sqlalchemy import Outbox, Relay, UnitOfWork
from tests.servers.databases import Database, PostgreSQL, SQLite

__all__ = ["SPEED", "Broker", "Post", "Told", "catalog", "engine_of", "fast", "until", "with_post"]

T = TypeVar("T")

SPEED: Final = 50
"""How many seconds of the relay's clock are one second."""


@dataclass(frozen=True, kw_only=True)
class Told(DomainEvent):
    number: int


catalog: Final = EventCatalog("/post")
catalog.add(Told, "post.told")


def engine_of(database: PostgreSQL, **options: Any) -> AsyncEngine:
    """Return an engine that waits for the server as usual, also where the clock of the event loop runs fast."""
    patient = {"timeout": 60 * SPEED} if database.driver == "asyncpg" else {}
    return create_async_engine(database.url(database.driver), connect_args=patient, **options)


class Post:
    """An outbox in a database of its own."""

    def __init__(self, database: Database, metadata: MetaData | None = None) -> None:
        self.database: Final = database
        self.metadata: Final = MetaData() if metadata is None else metadata
        self.outbox: Final = Outbox(self.metadata, catalog)
        engine = database.engine(self.metadata)  # the tables exist now
        self.engine: Final[AsyncEngine] = engine_of(database) if isinstance(database, PostgreSQL) else engine

        class Unit(UnitOfWork):
            outbox = self.outbox

        self.Unit: Final = Unit

    async def write(self, *subjects: str | None, times: int = 1, engine: AsyncEngine | None = None) -> None:
        """Write messages with the numbers 1, 2, ... for each subject, in one transaction."""
        async with self.Unit(engine or self.engine) as unit:
            for number in range(1, times + 1):
                for subject in subjects:
                    unit.publish(Told(number=number), subject=subject)
            await unit.commit()

    def relay(self, publish: Any, **settings: Any) -> Relay:
        # On a machine at work, what is stored when a relay stops takes some of its fast seconds.
        settings.setdefault("timeout", 200.0)
        return Relay(self.engine, self.outbox, publish, **settings)


class Broker:
    """Keeps what it gets. `refuse` says what it raises instead."""

    def __init__(self) -> None:
        self.got: Final[list[Message]] = []
        self.tried: Final[list[str | None]] = []
        self.refuse: Callable[[Message], BaseException | None] = lambda message: None
        self.is_away = False

    async def __call__(self, message: Message) -> None:
        self.tried.append(message.subject)
        error = ConnectionRefusedError("nobody listens") if self.is_away else self.refuse(message)
        if error is not None:
            raise error
        self.got.append(message)

    @property
    def numbers(self) -> dict[str | None, list[int]]:
        """What it has got, by subject."""
        found = defaultdict[str | None, list[int]](list)
        for message in self.got:
            found[message.subject].append(message.data["number"])
        return dict(found)

    def refuse_all_of(self, subject: str | None, error: BaseException) -> None:
        self.refuse = lambda message: error if message.subject == subject else None


async def until(condition: Callable[[], object]) -> None:
    """Wait until it is true. The time-out is far from what it takes anywhere."""
    for _ in range(60_000):
        if condition():
            return
        await asyncio.sleep(0.001 * SPEED if isinstance(asyncio.get_running_loop(), FastLoop) else 0.001)
    raise AssertionError("it did not come true")


class _FastSelector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / SPEED)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock runs fast, so that no test waits for a back-off."""

    def __init__(self) -> None:
        super().__init__(_FastSelector())

    def time(self) -> float:
        return super().time() * SPEED


def fast(scenario: Coroutine[Any, Any, T]) -> T:
    """Run it with a clock that runs fast."""
    loop = FastLoop()
    try:
        return loop.run_until_complete(scenario)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


Scenario = Callable[[Post], Coroutine[Any, Any, None]]

_DATABASES: Final = ("memory", "file", "asyncpg", "psycopg")


def with_post(*databases: str, slow: tuple[str, ...] = ()) -> Callable[[Scenario], Callable[..., None]]:
    """Run the test on these databases, with a clock that runs fast; without any in memory, and slowly on the others."""
    if not databases:
        databases, slow = _DATABASES, _DATABASES[1:]
    cases = [pytest.param(name, marks=[pytest.mark.slow] if name in slow else []) for name in databases]

    def decorate(scenario: Scenario) -> Callable[..., None]:
        @pytest.mark.parametrize("where", cases)
        def test(where: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
            database: Database
            if where in ("asyncpg", "psycopg"):
                postgresql: PostgreSQL = request.getfixturevalue("postgresql")
                database = postgresql.over("asyncpg" if where == "asyncpg" else "psycopg")
            else:
                database = SQLite(":memory:" if where == "memory" else str(tmp_path / "post.sqlite"))

            async def run() -> None:
                post = Post(database)
                try:
                    await scenario(post)
                finally:
                    await post.engine.dispose()

            fast(run())

        test.__name__, test.__doc__, test.__module__ = scenario.__name__, scenario.__doc__, scenario.__module__
        return test

    return decorate
