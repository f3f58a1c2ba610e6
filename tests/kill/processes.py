"""The processes that are killed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Literal

from dddkit.sqlalchemy import Relay, to_consumers
from tests.kill.children import begin_child
from tests.kill.faults import deleting_before
from tests.kill.ledgers import Ledgers, metadata
from tests.kill.setups import Setup
from tests.kill.stopping import Stopping
from tests.kill.ways import there_and_back
from tests.kill.writers import write, write_sync

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from dddkit.sqlalchemy._publishing import Publish

__all__ = ["Kind", "run"]

Kind = Literal["writer", "sync writer", "relay", "consumer"]


def run(setup: Setup, kind: Kind, name: str, log: Path, seed: str) -> None:
    """Do what such a process does, until it is asked to end by SIGTERM."""
    begin_child(log)
    random = Random(seed)
    if kind == "writer":
        asyncio.run(write(setup, name, random))
    elif kind == "sync writer":
        write_sync(setup, name, random)
    elif kind == "relay":
        asyncio.run(_relay(setup, random))
    else:
        asyncio.run(_consume(setup, random))


async def _relay(setup: Setup, random: Random) -> None:
    bank = setup.bank()
    engine = setup.engine("bank", bank.metadata)
    try:
        async with _publisher(setup, random) as publish:
            publish = there_and_back(publish, random)
            if setup.fault == "delete-before-publish":
                publish = deleting_before(publish, engine, bank.outbox)
            await Relay(engine, bank.outbox, publish, batch=50, poll=0.2, timeout=5.0).run()
    finally:
        await engine.dispose()


async def _consume(setup: Setup, random: Random) -> None:
    from tests.kill.brokers import consuming  # a run on SQLite needs no FastStream

    stopping = Stopping()
    async with _ledgers(setup, random) as consumer, consuming(setup, consumer):
        while not stopping.asked:
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _publisher(setup: Setup, random: Random) -> AsyncGenerator[Publish]:
    if setup.broker is not None:
        from tests.kill.brokers import publisher  # as above

        async with publisher(setup) as publish:
            yield publish
    else:
        async with _ledgers(setup, random) as consumer:
            yield consumer.noting(to_consumers(consumer.consumer))


@asynccontextmanager
async def _ledgers(setup: Setup, random: Random) -> AsyncGenerator[Ledgers]:
    engine = setup.engine("ledgers", metadata)
    try:
        yield Ledgers(engine, setup.deliveries, random, setup.fault)
    finally:
        await engine.dispose()
