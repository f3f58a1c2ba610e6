"""A process that executes durable stories: beside a web application, or by itself."""

from __future__ import annotations

import asyncio
import math
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Final

from dbos import DBOS

from dddkit._callables import kind_of
from dddkit._sigterm import stopped_by_sigterm
from dddkit._typing import Self
from dddkit.stories.dbos._executions import executions_here, stop_executions
from dddkit.stories.dbos._executors import check_not_forked
from dddkit.stories.dbos._log import LOGGER
from dddkit.stories.dbos._private import active_workflows, instance, is_launched

__all__ = ["Worker"]

_LOOKS: Final = 0.02
_AFTER_INTERRUPT: Final = 5.0
"""So many seconds steps that are interrupted may take to end."""


class Worker:
    """Launches DBOS, and ends it so that no step is cut off: what is under way is finished and recorded.

        DBOS(config=settings("shop", url))
        checkout = Durable(...)

        async with Worker():        # beside a web application, in its lifespan
            ...

        await Worker().run()        # as a process of its own; SIGTERM ends it

    Any number of processes may work on one database, on PostgreSQL on any number of machines. What one leaves, because
    it ends or dies, the others go on with within seconds.

    At its end no step begins any more. A run waits for no signal and no delay then: it is left as it is, and goes on
    elsewhere. Nothing is undone. Where there is no event loop, `DBOS.launch()` and
    `DBOS.destroy(workflow_completion_timeout_sec=30)` do the same.

    Args:
        grace: how many seconds the steps that are under way have at the end; then they are interrupted, and run again
            elsewhere. The time that a supervisor gives (docker stop: 10 seconds, Kubernetes: 30) has to be longer.

    Raises:
        ValueError: `grace` is no number of seconds.
    """

    def __init__(self, *, grace: float = 25.0) -> None:
        if not _is_a_time(grace):
            raise ValueError(f"Worker(grace=...) is a number of seconds, 0 or more, not {kind_of(grace)}")
        self._grace: Final = grace

    async def run(self) -> None:
        """Work until SIGTERM comes, in the main thread, or until this call is cancelled.

        Raises:
            RuntimeError: there is no DBOS, or it was launched already.
        """
        stopped = asyncio.Event()
        with stopped_by_sigterm(partial(asyncio.get_running_loop().call_soon_threadsafe, stopped.set)):
            async with self:
                await stopped.wait()

    async def __aenter__(self) -> Self:
        """Launch DBOS; async steps run in this event loop. Signals are left to the host.

        Raises:
            RuntimeError: there is no DBOS, or it was launched already, perhaps before this process was forked.
            ExecutorInUseError: another process has the executor id that was chosen for this one.
        """
        if instance() is None:
            raise RuntimeError("Worker: there is no DBOS; write DBOS(config=settings(name, url)) before it")
        check_not_forked("Worker")
        if is_launched():
            raise RuntimeError("Worker: DBOS was launched already; leave that to the worker, which ends it too")
        try:
            DBOS.launch()
        except BaseException:
            await _ended()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish the steps that are under way, then end DBOS."""
        if not is_launched():
            return  # somebody has ended it in the block
        stop_executions()
        try:
            await self._drained()
        finally:
            await _ended()

    async def _drained(self) -> None:
        if await _idle_within(self._grace):
            return
        left = executions_here()
        if left:
            LOGGER.warning(
                "steps of %d runs are not done after %g s, and are interrupted: %s",
                len(left),
                self._grace,
                ", ".join(execution.run_id for execution in left),
            )
        for execution in left:
            execution.interrupt()
        await _idle_within(_AFTER_INTERRUPT)


def _is_a_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


async def _idle_within(seconds: float) -> bool:
    """Wait until this process executes no workflow; return whether that was in time."""
    deadline = time.monotonic() + seconds
    while active_workflows():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_LOOKS)
    return True


async def _ended() -> None:
    """End DBOS, in a thread: runs of this loop may be waiting for it until then."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, "dddkit-end") as thread:
        future = loop.run_in_executor(thread, DBOS.destroy)
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            await future  # half an end is none
            raise
    # DBOS has made its own threads those of this loop, and they have ended.
    loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
