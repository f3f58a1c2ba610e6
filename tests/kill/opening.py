"""Everything that is there before the first process starts: servers, databases, tables, streams and queues."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import MetaData

from tests.kill import ledgers
from tests.kill.databases import create_database
from tests.kill.faults import Fault
from tests.kill.setups import PLACES, SETUPS, Place, Setup, SetupName
from tests.servers.programs import PROGRAMS
from tests.servers.running import OwnServer, own_server

__all__ = ["missing", "opened"]


def missing(name: SetupName) -> list[str]:
    """Return why there can be no such run here."""
    return [reason for program in SETUPS[name] if (reason := PROGRAMS[program].missing())]


@contextmanager
def opened(name: SetupName, repository: str, fault: Fault | None) -> Generator[tuple[Setup, dict[str, OwnServer]]]:
    """Yield what processes are told, and the servers that can be killed. All of it ends with the block."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dddkit-kill-")))
        servers: dict[str, OwnServer] = {program: stack.enter_context(own_server(program)) for program in SETUPS[name]}
        setup = Setup(folder, repository, fault)
        if "postgresql" in servers:
            setup = replace(setup, postgresql=str(servers["postgresql"].home))
        for place in PLACES:
            _create(setup, place, setup.bank().metadata if place == "bank" else ledgers.metadata)
        if "nats" in servers:
            url = f"nats://127.0.0.1:{servers['nats'].port('nats')}"
            setup = replace(setup, broker="nats", broker_url=url)
        if "rabbitmq" in servers:
            url = f"amqp://guest:guest@127.0.0.1:{servers['rabbitmq'].port('rabbitmq')}/"
            setup = replace(setup, broker="rabbitmq", broker_url=url)
        if setup.broker is not None:
            from tests.kill.brokers import declare  # a run on SQLite needs no FastStream

            asyncio.run(declare(setup))
        yield setup, servers


def _create(setup: Setup, place: Place, metadata: MetaData) -> None:
    if setup.postgresql is not None:
        create_database(setup.postgresql, place)
    engine = setup.sync_engine(place, metadata)
    with engine.begin() as connection:
        metadata.create_all(connection)
    engine.dispose()
