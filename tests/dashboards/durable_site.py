"""A worker of a shop with durable stories: `durable_site URL PORT VERSION BEGAN SECONDS SEED`, as a module.

It says "open" and exports its RunMetrics at the port. Its customers come until the seconds since BEGAN are over. It
answers each line of standard input with the runs as the stories list them, and ends with the input. In version 2 the
steps of the statement come in another order.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

from dbos import DBOS
from prometheus_client import CollectorRegistry, start_http_server

from dddkit.stories import I, Story, StoryState, compensates, variable
from dddkit.stories.dbos import Durable, Worker, settings, watch
from dddkit.stories.durable import Delay, Retry, RunStatus, Signal
from dddkit.stories.durable.prometheus import RunMetrics

STANDING: Final = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.UNDOING, RunStatus.CHANGED)
"""Those that have not ended and do not wait: the oldest of them counts."""
SHOWN: Final = (*STANDING, RunStatus.WAITING, RunStatus.UNDO_FAILED)
CHECKOUTS: Final = 3.0
"""How many come to the till in a second, on average."""


class BankClosedError(Exception):
    """The bank does not answer."""


@dataclass(frozen=True)
class Bank:
    """Is slow and unreliable for a while in the first half, and falls silent before the end."""

    chance: random.Random
    progress: Callable[[], float]

    @property
    def is_in_trouble(self) -> bool:
        return 0.2 < self.progress() < 0.35

    async def call(self) -> None:
        """Move money.

        Raises:
            BankClosedError: for now it cannot.
        """
        if self.progress() > 0.92:
            await asyncio.sleep(86_400)
        await asyncio.sleep(self.chance.uniform(3, 9) if self.is_in_trouble else self.chance.uniform(0.3, 1.2))
        if self.is_in_trouble and self.chance.random() < 0.6:
            raise BankClosedError

    async def dispatch(self) -> None:
        """Hand a parcel over; sometimes there is none.

        Raises:
            LookupError: it is lost.
        """
        await asyncio.sleep(self.chance.uniform(0.2, 0.8))
        if self.chance.random() < (0.6 if self.is_in_trouble else 0.08):
            raise LookupError("the parcel is lost")


@dataclass(frozen=True)
class Checkout(Story):
    """Sell something that the customer has to approve."""

    I.reserve
    I.charge
    I.approval
    I.ship

    class State(StoryState):
        order: str
        approved: bool = variable()

    bank: Bank
    approval: Signal

    async def reserve(self, state: State) -> None:
        await asyncio.sleep(0.1)

    async def charge(self, state: State) -> None:
        await self.bank.call()

    async def ship(self, state: State) -> None:
        await self.bank.dispatch()

    @compensates(reserve)
    async def release(self, state: State) -> None:
        await asyncio.sleep(0.1)

    @compensates(charge)
    async def refund(self, state: State) -> None:
        await self.bank.call()


@dataclass(frozen=True)
class Delivery(Story):
    """Put things together, and hand them over when the van goes."""

    I.pack
    I.pause
    I.hand_over

    class State(StoryState):
        order: str

    pause: Delay

    async def pack(self, state: State) -> None:
        await asyncio.sleep(0.5)

    async def hand_over(self, state: State) -> None:
        await asyncio.sleep(0.5)


@dataclass(frozen=True)
class Statement(Story):
    """Tell a customer what was bought, when the office has agreed."""

    I.collect
    I.agreement
    I.send

    class State(StoryState):
        order: str
        agreed: bool = variable()

    agreement: Signal

    async def collect(self, state: State) -> None:
        await asyncio.sleep(0.1)

    async def send(self, state: State) -> None:
        await asyncio.sleep(0.1)


class AgreedFirst(Statement):
    """A later version: nothing is collected before the office has agreed."""

    I.agreement
    I.collect
    I.send


@dataclass(frozen=True)
class Shop:
    """The durable stories, and the people who use them."""

    version: int
    chance: random.Random
    progress: Callable[[], float]
    stories: Mapping[str, Durable[Any]]

    async def trade(self) -> None:
        """Let customers come, at a rate that varies."""
        number = 0
        while (progress := self.progress()) < 1:
            crowd = CHECKOUTS / 2 * (1 + 0.5 * math.sin(6 * math.pi * progress))
            await asyncio.sleep(self.chance.expovariate(crowd))
            number += 1
            order = f"{self.version}-{self.chance.random()}-{number}"
            await self.stories["checkout"].astart(Checkout.State(order=order), id=f"checkout-{order}")
            if self.chance.random() < 0.2:
                await self.stories["delivery"].astart(Delivery.State(order=order), id=f"delivery-{order}")
            if self.chance.random() < 0.05:
                await self.stories["statement"].astart(Statement.State(order=order), id=f"statement-{order}")

    async def answer(self) -> None:
        """Let customers approve, the office agree, and an operator repair what could not be undone."""
        while self.progress() < 1:
            await asyncio.sleep(1)
            for name, signal, share in (("checkout", "approval", 0.05), ("statement", "agreement", 0.02)):
                for run in await self.stories[name].aruns(RunStatus.WAITING):
                    if self.chance.random() < share:
                        await self.stories[name].asignal(run.id, signal, True)
            if 0.5 < self.progress() < 0.8:
                for run in await self.stories["checkout"].aruns(RunStatus.UNDO_FAILED):
                    if self.chance.random() < 0.01:
                        await self.stories["checkout"].aretry(run.id)

    async def listed(self) -> dict[str, tuple[dict[str, int], float]]:
        """Return how many runs stand how, and since when the oldest does (0: none), by story."""
        said: dict[str, tuple[dict[str, int], float]] = {}
        for name, story in self.stories.items():
            runs = {status: await story.aruns(status, limit=10_000) for status in SHOWN}
            now = datetime.now(timezone.utc)
            ages = [(now - run.updated).total_seconds() for status in STANDING for run in runs[status]]
            said[name] = {status.value: len(found) for status, found in runs.items()}, max(ages, default=0.0)
        return said


def _shop(url: str, version: int, began: float, seconds: float, chance: random.Random) -> Shop:
    DBOS(config=settings("shop", url, log_level="CRITICAL"))

    def progress() -> float:
        return (time.time() - began) / seconds

    bank = Bank(chance, progress)
    patient = Retry(on=BankClosedError, attempts=3, wait=1.0)
    statement = AgreedFirst if version == 2 else Statement
    stories: dict[str, Durable[Any]] = {
        "checkout": Durable(
            Checkout(bank, Signal("approval", into="approved")),
            name="checkout",
            retries={"charge": patient},
            queue="checkouts",
        ),
        "delivery": Durable(Delivery(Delay(15)), name="delivery"),
        "statement": Durable(statement(Signal("agreement", into="agreed")), name="statement"),
    }
    return Shop(version, chance, progress, stories)


async def main(url: str, port: int, version: int, began: float, seconds: float, seed: int) -> None:
    logging.disable()  # what fails here is meant to
    registry = CollectorRegistry()
    shop = _shop(url, version, began, seconds, random.Random(seed))
    watch(RunMetrics(registry))
    async with Worker(grace=2):
        await DBOS.register_queue_async("checkouts", worker_concurrency=6)
        start_http_server(port, "127.0.0.1", registry)
        print(json.dumps("open"), flush=True)
        people = [asyncio.create_task(shop.trade()), asyncio.create_task(shop.answer())]
        while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
            print(json.dumps(await shop.listed()), flush=True)
        for one in people:
            one.cancel()
        await asyncio.wait(people)


if __name__ == "__main__":
    _url, _port, _version, _began, _seconds, _seed = sys.argv[1:]
    asyncio.run(main(_url, int(_port), int(_version), float(_began), float(_seconds), int(_seed)))
