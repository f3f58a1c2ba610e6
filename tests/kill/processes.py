"""The processes that are killed."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import asynccontextmanager
from multiprocessing import parent_process
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, Literal

from dddkit.sqlalchemy import Relay, to_consumers
from tests.kill import ledgers
from tests.kill.faults import deleting_before
from tests.kill.setups import Setup
from tests.kill.writers import write, write_sync

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dddkit.sqlalchemy._publishing import Publish

__all__ = ["Kind", "run"]

Kind = Literal["writer", "sync writer", "relay", "consumer"]


def run(setup: Setup, kind: Kind, name: str, log: Path, seed: str) -> None:
    """Do what such a process does, until it is asked to end by SIGTERM."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with log.open("a") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    random = Random(seed)
    if kind == "writer":
        asyncio.run(write(setup, name, random))
    elif kind == "sync writer":
        write_sync(setup, name, random)
    elif kind == "relay":
        asyncio.run(_relay(setup, random))
    else:
        raise NotImplementedError


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


async def _relay(setup: Setup, random: Random) -> None:
    bank = setup.bank()
    engine = setup.engine("bank", bank.metadata)
    try:
        async with _publisher(setup, random) as publish:
            if setup.fault == "delete-before-publish":
                publish = deleting_before(publish, engine, bank.outbox)
            await Relay(engine, bank.outbox, publish, batch=50, poll=0.2, timeout=5.0).run()
    finally:
        await engine.dispose()


@asynccontextmanager
async def _publisher(setup: Setup, random: Random) -> AsyncIterator[Publish]:
    engine = setup.engine("ledgers", ledgers.metadata)
    try:
        consumer = ledgers.Ledgers(engine, setup.deliveries, random, setup.fault)
        yield consumer.noting(to_consumers(consumer.consumer))
    finally:
        await engine.dispose()
