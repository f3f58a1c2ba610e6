"""The processes that are killed, and the one that takes over what they leave."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias
from uuid import uuid4

from dbos import DBOS

from dddkit.stories.dbos import Durable, settings
from dddkit.stories.durable import Delay, Signal
from tests.kill.children import begin_child
from tests.kill.stories.cases import Case
from tests.kill.stories.faults import plant, watch_records
from tests.kill.stories.setups import Setup
from tests.kill.stories.shop import RETRIES, Checkout, Order, Pay, RefusedError, Shopping, SyncCheckout, SyncPay
from tests.kill.stories.world import Kill, Ledger, World

__all__ = ["run_storm", "run_survivor", "run_victim"]

Stories: TypeAlias = Mapping[str, Durable[Order]]

AT_ONCE: Final = 25
"""How many runs of a storm are under way."""

KINDS: Final = ("shopping", "sync-checkout", "shopping", "slow-shopping", "shopping")
"""The kinds of the runs of a storm, in turn."""

FAILURES: Final = 2
"""How often the network fails in a process, before it answers; seldom enough for the retries of the step."""


def run_victim(setup: Setup, log: Path, case: Case, go: Path) -> None:
    """Start a run when `go` exists, and die in it."""
    begin_child(log)
    world = _world(setup, case.kill)
    durable = _stories(setup, world, Random(case.run))[case.kind]
    order = Order(run=case.run, refused=case.refused)

    def wait() -> None:
        world.ledger.write("ready", case.run)
        while not go.exists():
            time.sleep(0.01)
        world.ledger.write("starting", case.run, refused=case.refused)

    async def start_and_die() -> None:
        DBOS.launch()
        wait()
        await durable.astart(order, id=case.run)
        world.ledger.write("started", case.run)
        if case.kind == "shopping":
            await _signal(world, durable, case.run)
        await asyncio.sleep(30)

    if case.kind == "sync-checkout":
        DBOS.launch()
        wait()
        durable.start(order, id=case.run)
        world.ledger.write("started", case.run)
        time.sleep(30)
    else:
        asyncio.run(start_and_die())
    world.ledger.write("problem", case.run, text="its process was to die, and lives")
    os._exit(1)


def run_survivor(setup: Setup, log: Path) -> None:
    """Take over what others have left, and note how it ends, until this process is asked to stop."""
    begin_child(log)
    world = _world(setup)
    asyncio.run(_survive(setup, world, _stories(setup, world, Random())))


async def _survive(setup: Setup, world: World, stories: Stories) -> None:
    DBOS.launch()
    ends = dict[str, asyncio.Task[None]]()
    while not setup.stop.exists():
        for line in setup.lines():
            run = line["run"]
            if line["what"] in ("started", "began") and run not in ends:
                ends[run] = asyncio.create_task(_see_to_end(world, stories[_kind_of(run)], run))
        await asyncio.sleep(0.1)
    DBOS.destroy()


async def _see_to_end(world: World, durable: Durable[Order], run: str) -> None:
    """Send what the run waits for, in case that its process died before it had."""
    if _kind_of(run) == "shopping":
        await asyncio.sleep(2)
        await _signal(world, durable, run)
    await _note_end(world, durable, run)


def run_storm(setup: Setup, log: Path, seed: str) -> None:
    """Start the runs that all processes of the storm start, one after the other; note how they end."""
    begin_child(log)
    world = _world(setup)
    random = Random(seed)
    asyncio.run(_storm(setup, world, _stories(setup, world, random), random))


async def _storm(setup: Setup, world: World, stories: Stories, random: Random) -> None:
    DBOS.launch()
    lines = setup.lines()
    ended = {line["run"] for line in lines if line["what"] == "ended"}
    begun: set[str] | None = None  # by anybody, read once: the ledger is long, and the loop stands still meanwhile
    under_way = set[asyncio.Task[None]]()
    for number in count():
        run = f"{KINDS[number % len(KINDS)]}-{number}"
        if run in ended:
            continue
        while len(under_way) >= AT_ONCE:
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        if begun is None and setup.stop.exists():
            begun = {line["run"] for line in setup.lines()}
        if begun is not None and run not in begun:
            break
        order = Order(run=run, refused=number % 4 == 0)
        under_way.add(asyncio.create_task(_carry_out(world, stories[_kind_of(run)], order, random)))
    await asyncio.gather(*under_way)
    DBOS.destroy()


async def _carry_out(world: World, durable: Durable[Order], order: Order, random: Random) -> None:
    run = order.run
    world.ledger.write("starting", run, refused=order.refused)
    await durable.astart(order, id=run)
    world.ledger.write("started", run)
    if "shopping" in _kind_of(run):
        await asyncio.sleep(random.uniform(0, 0.2))
        await _signal(world, durable, run)
    await _note_end(world, durable, run)


async def _signal(world: World, durable: Durable[Order], run: str) -> None:
    value = uuid4().hex[:12]
    world.ledger.write("signalling", run, value=value)
    answer = await durable.asignal(run, "approval", value)
    if answer.accepted:
        world.ledger.write("accepted", run, value=value)


async def _note_end(world: World, durable: Durable[Order], run: str) -> None:
    facts: dict[str, Any] = {}
    try:
        state = await durable.aresult(run)
    except RefusedError:
        outcome = "refused"
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"
    else:
        outcome, facts = "completed", {"made": state.made()}
        if hasattr(state, "approved"):
            facts["approved"] = state.approved
    world.ledger.write("ended", run, outcome=outcome, **facts)


def _world(setup: Setup, kill: Kill | None = None) -> World:
    world = World(Ledger(setup.ledger), kill, FAILURES, forgets_keys=setup.fault == "new-keys")
    watch_records(world, setup.fault)
    plant(setup.fault)
    return world


def _stories(setup: Setup, world: World, random: Random) -> Stories:
    """Return the durable stories of this process, by their kind."""
    DBOS(config=settings("shop", setup.url))
    pay = Pay(world, random)
    approval = Signal("approval", into="approved", within=3600)
    stories = {
        "checkout": Checkout(world, random, pay),
        "sync-checkout": SyncCheckout(world, SyncPay(world)),
        "shopping": Shopping(world, random, pay, approval, Delay(milliseconds=100)),
        "slow-shopping": Shopping(world, random, pay, approval, Delay(3)),  # longer than it takes to take it over
    }
    return {kind: Durable(story, name=kind, retries=RETRIES) for kind, story in stories.items()}


def _kind_of(run: str) -> str:
    return run.rpartition("-")[0]
