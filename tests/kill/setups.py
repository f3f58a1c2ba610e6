"""Where accounts and ledgers are kept, and how messages get from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

from sqlalchemy import Engine, MetaData, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from dddkit.sqlalchemy import Outbox, embedded, sync_embedded
from tests.kill.bank import catalog
from tests.kill.faults import Fault, with_outbox_outside
from tests.kill.journals import Journal
from tests.kill.repositories import REPOSITORIES, BankUnit, SyncBankUnit
from tests.servers.databases import PostgreSQL
from tests.servers.running import Program

__all__ = ["PLACES", "SETUPS", "Bank", "Broker", "Place", "Setup", "SetupName"]

SetupName = Literal["sqlite", "postgresql", "postgresql+nats", "postgresql+rabbitmq"]
SETUPS: Final[Mapping[SetupName, Sequence[Program]]] = {
    "sqlite": (),
    "postgresql": ("postgresql",),
    "postgresql+nats": ("postgresql", "nats"),
    "postgresql+rabbitmq": ("postgresql", "rabbitmq"),
}
"""The servers of each."""

Broker = Literal["nats", "rabbitmq"]
Place = Literal["bank", "ledgers"]
PLACES: Final[tuple[Place, ...]] = ("bank", "ledgers")
"""The databases."""


class Bank(NamedTuple):
    """Both units over the same tables, and what they write their events into."""

    metadata: MetaData
    outbox: Outbox
    unit: Callable[[AsyncEngine], BankUnit]
    sync_unit: Callable[[Engine], SyncBankUnit]


@dataclass(frozen=True)
class Setup:
    """What every process of a run is told. Each makes its own engines and connections of it."""

    folder: Path
    repository: str
    fault: Fault | None
    postgresql: str | None = None
    """The folder with the socket of the server; without it, SQLite."""
    broker: Broker | None = None
    """Without it, the relay gives the messages to the consumer in its own process."""
    broker_url: str = ""

    @property
    def units(self) -> Journal:
        return Journal(self.units_path)

    @property
    def deliveries(self) -> Journal:
        return Journal(self.deliveries_path)

    @property
    def units_path(self) -> Path:
        return self.folder / "units"

    @property
    def deliveries_path(self) -> Path:
        return self.folder / "deliveries"

    def bank(self) -> Bank:
        metadata = MetaData()
        outbox = Outbox(metadata, catalog)
        if self.fault == "outbox-outside":
            return Bank(metadata, outbox, *with_outbox_outside(REPOSITORIES[self.repository](metadata, None), outbox))
        return Bank(metadata, outbox, *REPOSITORIES[self.repository](metadata, outbox))

    def engine(self, place: Place, metadata: MetaData) -> AsyncEngine:
        if self.postgresql is None:
            return embedded(self.folder / place, metadata)
        return create_async_engine(PostgreSQL(self.postgresql, place).url("asyncpg"))

    def sync_engine(self, place: Place, metadata: MetaData) -> Engine:
        if self.postgresql is None:
            return sync_embedded(self.folder / place, metadata)
        return create_engine(PostgreSQL(self.postgresql, place).url("psycopg"))
