"""A process of the tests: a worker that runs trips, notes what their steps do, and does what its stdin says.

Run as `python -m tests.durable.trip_worker OPTIONS`, where OPTIONS is JSON of `Options`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from dbos import DBOS, SetWorkflowID
from prometheus_client import CollectorRegistry

from dddkit.stories import I, Story, StoryState, compensates, step_key
from dddkit.stories.dbos import Durable, Worker, settings, watch
from dddkit.stories.durable import Retry, Signal
from dddkit.stories.durable.prometheus import RunMetrics


@dataclass(frozen=True)
class Options:
    """What the tests choose."""

    url: str
    notes: str
    """The file that steps write to."""
    version: int = 1
    """1, 2: has a step that 1 does not have, 3: has no trips at all, 4: numbers what is booked."""
    pause: float = 0.4
    """Seconds that a step takes."""
    grace: float = 20.0
    is_busy: bool = False
    """Whether a busy trip finds the airline busy."""
    executor_id: str | None = None
    run_migrations: bool = True
    lease_url: str | None = None
    application: str = "trips"
    way: str = "worker"
    """How it runs: "worker" until SIGTERM, "sync" by DBOS.launch and DBOS.destroy, "fork" in a forked child, "orphan"
    in a child that is forked when DBOS is launched."""


REGISTRY = CollectorRegistry()
OPTIONS = Options(**json.loads(sys.argv[1])) if __name__ == "__main__" else Options("", "")


def note(what: str, key: str | None = None) -> None:
    line = json.dumps({"pid": os.getpid(), "key": key or step_key(), "what": what, "at": time.time()})
    with open(OPTIONS.notes, "a") as notes:  # one write, which is not torn apart by those of others
        notes.write(f"{line}\n")


class TripState(StoryState):
    number: int
    booked: tuple[str, ...] = ()
    confirmed: bool = False


@dataclass(frozen=True)
class Steps:
    """What all versions of a trip consist of."""

    async def flight(self, state: TripState) -> None:
        await self.book("flight", state)

    async def insurance(self, state: TripState) -> None:
        await self.book("insurance", state)

    async def hotel(self, state: TripState) -> None:
        await self.book("hotel", state)

    async def car(self, state: TripState) -> None:
        await self.book("car", state)

    async def book(self, what: str, state: TripState) -> None:
        note("begins")
        await asyncio.sleep(OPTIONS.pause)
        state.booked = (*state.booked, what)
        note("ends")


@dataclass(frozen=True)
class Trip(Steps, Story):
    I.flight
    I.hotel
    I.car

    State = TripState


@dataclass(frozen=True)
class InsuredTrip(Steps, Story):
    I.flight
    I.insurance
    I.hotel
    I.car

    State = TripState


class NumberedTrip(Story):
    I.flight
    I.hotel
    I.car

    class State(StoryState):
        number: int
        booked: tuple[int, ...] = ()
        confirmed: bool = False

    async def flight(self, state: State) -> None: ...
    async def hotel(self, state: State) -> None: ...
    async def car(self, state: State) -> None: ...


@dataclass(frozen=True)
class ConfirmedTrip(Steps, Story):
    I.flight
    I.confirmation
    I.car

    State = TripState
    confirmation: Signal


@dataclass(frozen=True)
class SyncTrip(Story):
    I.flight
    I.hotel

    State = TripState

    def flight(self, state: TripState) -> None:
        self.book("flight", state)

    def hotel(self, state: TripState) -> None:
        self.book("hotel", state)

    def book(self, what: str, state: TripState) -> None:
        note("begins")
        time.sleep(OPTIONS.pause)
        state.booked = (*state.booked, what)
        note("ends")


@dataclass(frozen=True)
class BrokenTrip(Steps, Story):
    """One that fails, and cannot be undone."""

    I.flight
    I.fail

    State = TripState

    async def fail(self, state: TripState) -> None:
        raise ValueError("no car")

    @compensates("flight")
    async def refund(self, state: TripState) -> None:
        raise ConnectionError("no airline")


@dataclass(frozen=True)
class BusyTrip(Steps, Story):
    """One whose airline is busy for hours, as far as the first process can tell that it asks."""

    I.flight

    State = TripState

    async def book(self, what: str, state: TripState) -> None:
        note("begins")
        if OPTIONS.is_busy:
            raise ConnectionError("try again later")
        note("ends")


async def _plain() -> None:
    """A workflow of DBOS that is no story."""
    note("begins", f"plain/{DBOS.workflow_id}")
    await DBOS.sleep_async(OPTIONS.pause)
    note("ends", f"plain/{DBOS.workflow_id}")


plain = _plain


def stories() -> dict[str, Durable[TripState]]:
    made: dict[str, Durable[TripState]] = {"sync": Durable(SyncTrip(), name="sync")}
    if OPTIONS.version != 3:
        global plain
        plain = DBOS.workflow(name="plain")(_plain)
        trip: Any = {1: Trip, 2: InsuredTrip, 4: NumberedTrip}[OPTIONS.version]
        made["trip"] = Durable(trip(), name="trip")
        made["confirmed"] = Durable(
            ConfirmedTrip(confirmation=Signal("confirmation", into="confirmed")), name="confirmed"
        )
        made["broken"] = Durable(BrokenTrip(), name="broken")
        made["busy"] = Durable(BusyTrip(), name="busy", retries={"flight": Retry(on=ConnectionError, wait=3600.0)})
    return made


def say(what: object) -> None:
    print(json.dumps(what), flush=True)


def do(durables: dict[str, Durable[TripState]], line: str) -> None:
    """Do one thing: `start trip a b`, `runs trip`, `signal confirmed a`, `metrics trip`, `again trip`."""
    what, name, *ids = line.split()
    durable = durables[name]
    if what == "start":
        for number, run_id in enumerate(ids):
            durable.start(TripState(number=number), id=run_id)
        say("started")
    elif what == "plain":
        for run_id in ids:
            with SetWorkflowID(run_id):
                DBOS.start_workflow(plain)
        say("started")
    elif what == "again":
        DBOS.destroy()
        DBOS(config=settings(OPTIONS.application, OPTIONS.url))
        DBOS.launch()
        say(f"launched {DBOS.executor_id}")
    elif what == "metrics":
        say(shown(name))
    elif what == "signal":
        say([str(durable.signal(run_id, "confirmation", True).accepted) for run_id in ids])
    else:
        say({run.id: str(run.status) for run in durable.runs(limit=1000)})


def shown(story: str) -> dict[str, float]:
    """Return what the metrics show of a story."""
    samples = [sample for metric in REGISTRY.collect() for sample in metric.samples]
    return {
        sample.labels.get("status", sample.name): sample.value for sample in samples if sample.labels["story"] == story
    }


def obey(durables: dict[str, Durable[TripState]]) -> None:
    for line in sys.stdin:
        try:
            do(durables, line)
        except Exception as error:
            say(f"{type(error).__name__}: {error}")


async def work(durables: dict[str, Durable[TripState]]) -> None:
    async def when_launched() -> None:
        say(f"launched {DBOS.executor_id}")
        threading.Thread(target=obey, args=(durables,), daemon=True).start()

    launched = asyncio.ensure_future(when_launched())  # `run` launches before it waits for the first time
    await Worker(grace=OPTIONS.grace).run()
    await launched
    await asyncio.to_thread(say, "ended")  # the loop has threads still


def work_without_a_loop(durables: dict[str, Durable[TripState]]) -> None:
    DBOS.launch()
    if OPTIONS.way == "orphan" and (child := os.fork()):
        os.waitpid(child, 0)
        os._exit(0)
    say(f"launched {DBOS.executor_id}")
    obey(durables)
    DBOS.destroy(workflow_completion_timeout_sec=int(OPTIONS.grace))
    say("ended")


def main() -> None:
    logging.basicConfig(format="%(name)s %(levelname)s %(message)s")
    DBOS(
        config=settings(
            OPTIONS.application,
            OPTIONS.url,
            executor_id=OPTIONS.executor_id,
            lease_url=OPTIONS.lease_url,
            run_migrations=OPTIONS.run_migrations,
        )
    )
    durables = stories()
    watch(RunMetrics(REGISTRY))
    if OPTIONS.way == "fork" and (child := os.fork()):
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    if OPTIONS.way in ("sync", "orphan"):
        work_without_a_loop(durables)
    else:
        asyncio.run(work(durables))


if __name__ == "__main__":
    main()
