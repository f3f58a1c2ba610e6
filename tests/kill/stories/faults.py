"""Faults that are planted, to see that the checks find them; and the places in between, where processes die."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

from dbos import DBOS

from dddkit.stories.dbos._leases import Lease
from dddkit.stories.dbos._moving import without_waiting
from dddkit.stories.dbos._take_over import TakeOver

if TYPE_CHECKING:
    from tests.kill.stories.world import World

__all__ = ["FAULTS", "Fault", "watch_records"]

Fault = Literal["record-before-step", "no-record", "new-keys", "no-take-over", "no-leases"]
FAULTS: Final[tuple[Fault, ...]] = ("record-before-step", "no-record", "new-keys", "no-take-over", "no-leases")

EMPTY: Final = '{"at": 0, "took": 0, "set": {}, "unset": []}'


Body = Callable[[], Coroutine[Any, Any, str]]


def watch_records(world: World, fault: Fault | None) -> None:
    """Note what this process records, in whatever way; die around records where it is asked to."""
    dbos: Any = DBOS  # so that checkers let it be changed
    record_async, record = dbos.run_step_async, dbos.run_step

    async def watched(record: Callable[[Any, Body], Coroutine[Any, Any, str]], options: Any, body: Body) -> str:
        run, label = str(DBOS.workflow_id), options["name"]
        waits = ":" in label and not label.startswith("undo:")

        async def body_and_perhaps_the_end() -> str:
            text = await body()
            world.die_at(run, label, "after")
            return text

        world.die_at(run, label, "before")
        if fault == "no-record" and not waits:
            text = await body_and_perhaps_the_end()
        elif fault == "record-before-step" and not waits:
            text = await _recorded_before(record, options, body_and_perhaps_the_end)
        else:
            text = await record(options, body_and_perhaps_the_end)
        world.ledger.write("recorded", run, label=label)
        world.die_at(run, label, "recorded")
        return text

    async def run_step_async(options: Any, body: Body) -> str:
        return await watched(record_async, options, body)

    def run_step(options: Any, body: Callable[[], str]) -> str:
        async def record_in_this_thread(options: Any, body: Body) -> str:
            text: str = record(options, lambda: without_waiting(body()))
            return text

        async def body_in_this_thread() -> str:
            return body()

        return without_waiting(watched(record_in_this_thread, options, body_in_this_thread))

    dbos.run_step_async, dbos.run_step = run_step_async, run_step


async def _recorded_before(record: Any, options: Any, body: Body) -> str:
    first = False

    async def nothing() -> str:
        nonlocal first
        first = True
        return EMPTY

    text: str = await record(options, nothing)
    return await body() if first else text


def plant(fault: Fault | None) -> None:
    """Plant what is wrong with the workers of this process."""
    if fault == "no-take-over":
        take_over: Any = TakeOver  # as above
        take_over.look = _nothing
    elif fault == "no-leases":
        lease: Any = Lease  # as above
        lease.borrowed = _given


def _nothing(take_over: TakeOver) -> None:
    """Leave the runs of dead workers alone."""


@contextmanager
def _given(lease: Lease, executor_id: str) -> Generator[bool]:
    """Take every other process for dead."""
    yield executor_id != lease.executor_id
