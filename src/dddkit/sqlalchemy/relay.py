"""The relay: publishes what waits in an outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from dddkit._callables import kind_of
from dddkit._sigterm import stopped_by_sigterm
from dddkit._typing import Self
from dddkit.exceptions import UnitError
from dddkit.sqlalchemy._errors import missing_named
from dddkit.sqlalchemy._finishing import finished
from dddkit.sqlalchemy._nesting import Holder
from dddkit.sqlalchemy._relay.backoff import Backoff
from dddkit.sqlalchemy._relay.dead import Backlog, BacklogMetrics, DeadMessage, People
from dddkit.sqlalchemy._relay.gauges import Gauges, backlog_of
from dddkit.sqlalchemy._relay.outage_log import LOGGER
from dddkit.sqlalchemy._relay.running import Run
from dddkit.sqlalchemy._relay.settings import Settings
from dddkit.sqlalchemy._relay.statements import Statements
from dddkit.sqlalchemy.engines import database_of, is_sqlite

if TYPE_CHECKING:
    from dddkit.sqlalchemy._publishing import Publish
    from dddkit.sqlalchemy.outbox import Outbox

__all__ = ["Backlog", "BacklogMetrics", "DeadMessage", "Relay"]

T = TypeVar("T")


class Relay:
    """Publishes the messages of an outbox, each at least once, those of one subject in order.

        relay = Relay(engine, ShopUnit.outbox, publish)

        async with relay:       # beside a web application, in its lifespan
            ...

        await relay.run()       # as a process of its own

    Any number of relays may run for one outbox, in any processes: one works, and when it ends or dies, another takes
    over. A commit in the same process wakes it at once; what other processes have committed it finds by polling.

    A message that fails is tried again, after 0.1 seconds and then ever later, up to 10 seconds; the later ones of its
    subject wait, and others go on. The attempt counts if another message got through since it failed the last time, or
    if `publish` raised MessageRejectedError. After so many counted attempts it is *dead*: it stays, and holds the later
    ones of its subject, until somebody retries or discards it. So no outage makes a message dead.

    On PostgreSQL a running relay has a connection of its own, beside those of the engine's pool.

    Args:
        engine: of `embedded`, or an AsyncEngine for PostgreSQL.
        outbox: that of the unit class.
        publish: sends one message; it returns when the message got through, and raises otherwise.
        batch: how many messages are read at once.
        concurrency: how many are published at once, of different subjects.
        poll: seconds after which it looks for messages of other processes.
        timeout: seconds for one attempt to publish.
        batch_time: seconds after which no attempt begins until what was published is recorded.
        attempts: how many counted attempts a message has.
        metrics: what shows the backlog, as in `OutboxMetrics(registry)`; set while it runs.

    Raises:
        TypeError: the engine, the outbox or `publish` is something else.
        ValueError: an engine without transactions, or for another database; a number that makes no sense.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        outbox: Outbox,
        publish: Publish,
        *,
        batch: int = 200,
        concurrency: int = 32,
        poll: float = 1.0,
        timeout: float = 10.0,
        batch_time: float = 10.0,
        attempts: int = 10,
        metrics: BacklogMetrics | None = None,
    ) -> None:
        self._settings: Final = Settings(
            type(self), engine, outbox, publish, batch, concurrency, poll, timeout, batch_time, attempts, metrics
        )
        self._statements: Final = Statements(outbox.table, engine.dialect)
        self._backoff: Final = Backoff(attempts, batch)
        self._people: Final = People(outbox.table)
        self._run: Run | None = None
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Publish until it is stopped: by cancelling this call, or in the main thread by SIGTERM, where it returns.

        When it is stopped it begins nothing, waits for what is under way, at most for the timeout, records what got
        through, and ends. A broker or a database that is away does not end it: it tries again, and says so in the log.

        Raises:
            UnitError: the database has no table for the outbox; or the call is inside of a unit that holds it.
            RuntimeError: it runs already.
            KeyboardInterrupt, SystemExit: of `publish`.
        """
        self._refuse_in_unit()
        run = self._begin()
        loop = asyncio.get_running_loop()
        with stopped_by_sigterm(partial(loop.call_soon_threadsafe, run.stop)):
            await self._supervise(run)

    async def run_once(self) -> int:
        """Publish what can go now; return how many messages got through. For tests, and for cron.

        Nothing is tried a second time after a failure. Where another relay works, it returns 0.

        Raises:
            UnitError: the database has no table for the outbox; or the call is inside of a unit that holds it.
        """
        self._refuse_in_unit()
        run = self._new_run(once=True)
        self._backoff.forget_pauses()
        await self._supervise(run)
        return run.published

    async def __aenter__(self) -> Self:
        """Start publishing, beside what the block does; signals are left to the host.

        Raises:
            UnitError: the database has no table for the outbox; or a unit around it holds a database in memory.
            RuntimeError: it runs already.
        """
        run = self._begin()
        try:
            await self.backlog()
        except BaseException as error:
            if isinstance(error, UnitError) or not isinstance(error, Exception):
                self._run = None
                raise
            # The database is away: the relay waits for it, and says so in the log.
        self._task = asyncio.ensure_future(_raising(run))
        self._task.add_done_callback(self._ended_by_itself)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it, and wait until what was under way is recorded."""
        run, task, self._task = self._run, self._task, None
        if run is None or task is None:
            return
        run.stop()
        try:
            cancelled = await _ended(task, run)
        finally:
            self._run = None
        if cancelled is not None and _interrupt_of(task) is None:
            raise cancelled
        if task.cancelled():  # by who cancels each task of the loop; the log says so
            return
        try:
            task.result()
        except (KeyboardInterrupt, SystemExit):  # it has ended the event loop already
            if kind is None:
                raise

    def _begin(self) -> Run:
        if self._run is not None:
            raise RuntimeError("this Relay runs already; make another one, of which one at a time works")
        self._run = run = self._new_run(once=False)
        return run

    def _new_run(self, *, once: bool) -> Run:
        settings = self._settings
        gauges = Gauges(settings.outbox.table, self._people, settings.metrics, settings.poll)
        return Run(settings, self._statements, self._backoff, gauges, once=once)

    async def _supervise(self, run: Run) -> None:
        try:
            interrupt = await _to_the_end(asyncio.ensure_future(run.main()), run)
        finally:
            if self._run is run:
                self._run = None
        if interrupt is not None:
            raise interrupt

    def _ended_by_itself(self, task: asyncio.Task[None]) -> None:
        """Say so where the block still goes on, and may never end."""
        if self._task is task:
            why = "its task was cancelled" if task.cancelled() else task.exception()
            LOGGER.error("%s: the relay has stopped: %s", self._settings.outbox.table.fullname, why)

    # For people

    async def backlog(self) -> Backlog:
        """Return how many messages wait, how many are dead, and since when the oldest waits.

        Raises:
            UnitError: the database has no table for the outbox; or a unit around it holds a database in memory.
        """
        settings = self._settings
        self._refuse_in_unit(is_read_only=True)
        with missing_named("Relay"):
            return await finished(backlog_of(settings.engine, self._people))

    async def dead(self) -> list[DeadMessage]:
        """Return the messages that are not tried any more, the oldest first."""
        return await self._in_transaction(self._people.dead)

    async def retry(self, id_: str, /) -> None:
        """Give a dead message all its attempts again.

        Raises:
            LookupError: no dead message has this id.
        """
        await self._change("retry", self._people.retry, id_)

    async def discard(self, id_: str, /) -> None:
        """Delete a dead message. The later ones of its subject go on without it.

        Raises:
            LookupError: no dead message has this id.
        """
        await self._change("discard", self._people.discard, id_)

    async def _change(self, what: str, change: Callable[[Connection, str], bool], id_: str) -> None:
        if not isinstance(id_, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(f"Relay.{what} takes the id of a dead message, a str, and got {kind_of(id_)}")
        if not await self._in_transaction(change, id_):
            raise LookupError(f"Relay.{what}: no dead message has the id {id_!r}; look at `await relay.dead()`")
        self._settings.outbox._wake()  # pyright: ignore[reportPrivateUsage]  # for relays

    async def _in_transaction(self, function: Callable[..., T], *args: Any) -> T:
        async def call() -> T:
            async with self._settings.engine.begin() as connection:
                return await connection.run_sync(function, *args)

        self._refuse_in_unit()
        with missing_named("Relay"):
            return await finished(call())

    def _refuse_in_unit(self, *, is_read_only: bool = False) -> None:
        """Refuse to wait for a unit of work around this call: on SQLite it has the lock, or the one connection."""
        engine = self._settings.engine
        if is_sqlite(engine):
            holder = Holder(type(self).__qualname__, database_of(engine), is_async=True, is_read_only=is_read_only)
            holder.hold()
            holder.leave()


async def _raising(run: Run) -> None:
    interrupt = await run.main()
    if interrupt is not None:
        raise interrupt


async def _to_the_end(task: asyncio.Task[T], run: Run) -> T:
    """Return what the task of a run returns. Where this call is cancelled, the run is stopped, and waited for."""
    cancelled = await _ended(task, run)
    if cancelled is None or _interrupt_of(task) is not None:
        return task.result()
    raise cancelled


async def _ended(task: asyncio.Task[Any], run: Run) -> asyncio.CancelledError | None:
    """Wait until the task of a run has ended; return what has cancelled this call meanwhile, and stopped the run."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
            run.stop()
    return cancelled


def _interrupt_of(task: asyncio.Task[Any]) -> BaseException | None:
    if task.cancelled():
        return None
    ended: object = task.exception() or task.result()
    return ended if isinstance(ended, BaseException) and not isinstance(ended, Exception) else None
