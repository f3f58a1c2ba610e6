"""One run of a relay: batch after batch, until it is stopped or nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from dddkit.exceptions import UnitError
from dddkit.sqlalchemy._errors import missing_named
from dddkit.sqlalchemy._relay.backoff import Backoff, pause_after
from dddkit.sqlalchemy._relay.claims import claim_of
from dddkit.sqlalchemy._relay.outage_log import RelayLog
from dddkit.sqlalchemy._relay.publishing import GRACE, Publishing
from dddkit.sqlalchemy._relay.rows import Record
from dddkit.sqlalchemy._relay.waiting import Waiting

if TYPE_CHECKING:
    from dddkit.sqlalchemy._relay.backoff import Failure
    from dddkit.sqlalchemy._relay.gauges import Gauges
    from dddkit.sqlalchemy._relay.rows import Key, Row
    from dddkit.sqlalchemy._relay.settings import Settings
    from dddkit.sqlalchemy._relay.statements import Statements, Wanted

__all__ = ["Run"]

T = TypeVar("T")


class Run:
    """One run. Its own task must not be cancelled by who made it: `stop` ends it.

    Args:
        once: end when nothing can go now, and raise the errors of the database.
    """

    def __init__(
        self, settings: Settings, statements: Statements, backoff: Backoff, gauges: Gauges, *, once: bool
    ) -> None:
        self._settings: Final = settings
        self._backoff: Final = backoff
        self._gauges: Final = gauges
        self._once: Final = once
        self._waiting: Final = Waiting()
        self._clock: Final = asyncio.get_running_loop().time
        self._claim: Final = claim_of(settings.engine, settings.outbox.table, statements)
        self._log: Final = RelayLog(settings.outbox.table.fullname, self._clock)
        self._publishing: Publishing | None = None
        self._unrecorded: tuple[Record, list[Failure]] | None = None
        """What has become of a batch, where it could not be stored yet; it is logged when it is."""
        self._tried: Final[set[Key]] = set()
        self._database_failures = 0
        self._stop_at: float | None = None
        self._stopped: Final[asyncio.Future[None]] = asyncio.get_running_loop().create_future()
        """Done when it is stopped: a call to the database that waits for a lock is not waited for without end."""
        self._cancelled: asyncio.CancelledError | None = None
        self._interrupt: BaseException | None = None
        self.published = 0

    def wake(self) -> None:
        """Look for messages: something was committed. From any thread; never raises."""
        self._waiting.wake()

    def stop(self) -> None:
        """Begin nothing any more; finish and record what is under way. In the thread of the loop."""
        if self._stop_at is None:
            self._stop_at = self._clock()
            self._stopped.set_result(None)
        self._waiting.stop()
        if self._publishing is not None:
            self._publishing.stop()

    @property
    def _is_stopped(self) -> bool:
        return self._waiting.is_stopped

    async def main(self) -> BaseException | None:
        """Work until the end; return what has interrupted it, and is to be raised.

        Raises:
            UnitError: the database has no such table.
            CancelledError: this very task was cancelled.
        """
        outbox = self._settings.outbox
        outbox._listen(self)  # pyright: ignore[reportPrivateUsage]  # for relays
        try:
            while not self._is_stopped:
                self._waiting.begin()
                pause, light = await self._turn_or_pause()
                if self._once and pause:
                    break
                await self._sleep(pause, light=light)
        finally:
            outbox._forget(self)  # pyright: ignore[reportPrivateUsage]  # as above
            await self._end()
        if self._cancelled is not None:
            raise self._cancelled
        return self._interrupt

    async def _turn_or_pause(self) -> tuple[float, bool]:
        """Work on one batch; return how long to wait then, and whether a commit ends that wait."""
        try:
            pause, light = await self._turn()
        except UnitError:
            raise
        except Exception as error:
            if self._once:
                raise
            if self._is_stopped:  # perhaps the call was cancelled with everything else
                return 0.0, False
            self._database_failures += 1
            self._log.database_failed(error)
            return pause_after(self._database_failures), False
        if self._database_failures:
            self._database_failures = 0
            self._recover(True)
        return pause, light

    async def _turn(self) -> tuple[float, bool]:
        await self._record()
        if not self._once and self._gauges.is_due(self._clock()):
            await self._in_database(self._gauges.refresh(self._claim))
        now, settings = self._clock(), self._settings
        wanted = self._backoff.wanted(now, self._tried if self._once else None)
        taken = await self._in_database(self._claim.take(wanted))
        if taken is None:
            return settings.poll, False
        rows = self._backoff.taken(wanted, taken)
        publishing = await self._publish(rows) if rows and not self._is_stopped else None
        if publishing is not None:
            await self._settle(publishing)
        return self._pause(wanted, taken, publishing)

    async def _publish(self, rows: list[Row]) -> Publishing:
        settings = self._settings
        publishing = Publishing(
            rows,
            settings.publish,
            concurrency=settings.at_once,
            timeout=settings.timeout,
            batch_time=settings.batch_time,
        )
        self._publishing = publishing
        publishing.start()
        await self._until(publishing.ended)
        self._publishing = None
        return publishing

    async def _settle(self, publishing: Publishing) -> None:
        """Store what has become of a batch, and log it."""
        if publishing.interrupt is not None:
            self._interrupt = publishing.interrupt
            self.stop()
        self.published += len(publishing.published)
        record, failures = self._backoff.settle(publishing.published, publishing.failed, self._clock())
        self._unrecorded = record, failures
        self._tried.update(failure.row.key for failure in failures)
        await self._record()
        if self._backoff.is_empty:
            self._recover(bool(publishing.published))

    def _recover(self, has_published: bool) -> None:
        if not self._backoff.is_empty or self._database_failures:
            return
        if has_published:
            self._log.recovered()
        else:
            self._log.forget()

    def _pause(self, wanted: Wanted, taken: list[Row], publishing: Publishing | None) -> tuple[float, bool]:
        outage = self._backoff.pause_of_outage()
        if outage and publishing is not None and not publishing.published and not self._once:
            return outage, False
        is_left = publishing is not None and not publishing.is_complete
        if wanted.numbers is not None or len(taken) == wanted.limit or is_left:
            return 0.0, True
        if self._once:
            may_go = taken or self._backoff.due(self._clock(), self._tried)
            return (0.0 if may_go else self._settings.poll), True
        return max(0.0, min(self._settings.poll, self._backoff.next_due() - self._clock())), True

    async def _record(self) -> None:
        if self._unrecorded is not None:
            record, failures = self._unrecorded
            await self._in_database(self._claim.record(record))
            self._unrecorded = None
            for failure in failures:
                self._log.failed(failure, self._backoff.number)

    async def _end(self) -> None:
        """Record what is not recorded yet, if only the database can be reached; give up the right to publish."""
        if self._unrecorded is not None:
            try:
                await self._record()
            except Exception as error:
                self._log.unrecorded(error)
        with suppress(Exception):  # it took too long
            await self._in_database(self._claim.leave())

    async def _sleep(self, seconds: float, *, light: bool) -> None:
        try:
            await self._waiting.sleep(seconds, light=light)
        except asyncio.CancelledError as error:
            self._cancelled = error
            self.stop()

    async def _in_database(self, call: Coroutine[Any, Any, T]) -> T:
        """Await a call to the database to its end, also where this task is cancelled.

        Raises:
            UnitError: there is no such table.
        """
        task = asyncio.ensure_future(call)
        await self._until(task, bounded=True)
        if not task.done() or task.cancelled():
            raise ConnectionError("a call to the database was cancelled")
        with missing_named("Relay"):
            return task.result()

    async def _until(self, future: asyncio.Future[Any], *, bounded: bool = False) -> None:
        """Wait until the future is done; where it is bounded and this run is stopped, for the timeout at most."""
        began = self._clock()
        while not future.done():
            left = None
            ends = [future, self._stopped] if bounded and self._stop_at is None else [future]
            if bounded and self._stop_at is not None:
                left = max(began, self._stop_at) + self._settings.timeout - self._clock()
                if left <= 0:
                    break
            try:
                await asyncio.wait(ends, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError as error:
                self._cancelled = error
                self.stop()
        if not future.done():
            future.cancel()
            await asyncio.wait([future], timeout=GRACE)
