"""Publishing one batch: its subjects at once, the messages of each in order."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from dddkit._awaitables import is_awaitable
from dddkit._callables import display_name, kind_of
from dddkit.exceptions import MessageRejectedError
from dddkit.messages import Message
from dddkit.sqlalchemy._relay.backoff import UnreadableError
from dddkit.sqlalchemy._relay.rows import Attempt, Row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dddkit.sqlalchemy._publishing import Publish
    from dddkit.sqlalchemy._relay.rows import Key

__all__ = ["GRACE", "Publishing"]

GRACE: Final = 1.0
"""How many seconds a call that was cancelled has to end."""


class _Publisher:
    """One task that publishes, a message after the other."""

    __slots__ = ("due", "is_abandoned", "is_late", "row", "task", "timer")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.row: Row | None = None
        self.due = 0.0
        """When its attempt has taken too long."""
        self.timer: asyncio.TimerHandle | None = None
        """Looks whether that time has come; one for all its attempts, as a timer for each would cost more."""
        self.is_late = False
        """Whether its attempt took too long, and was cancelled; then another task takes over."""
        self.is_abandoned = False
        """Whether it did not end even then; what becomes of it is not waited for."""


class Publishing:
    """One batch. `ended` is done when nothing of it is under way any more.

    Args:
        timeout: for how many seconds one attempt may take.
        batch_time: after how many seconds no attempt begins.
    """

    def __init__(
        self, rows: Iterable[Row], publish: Publish, *, concurrency: int, timeout: float, batch_time: float
    ) -> None:
        groups: dict[Key, list[Row]] = {}
        for row in rows:
            groups.setdefault(row.key, []).append(row)
        self._groups: Final = deque(groups.values())
        self._publish: Final = publish
        self._concurrency: Final = concurrency
        self._timeout: Final = timeout
        self._loop: Final = asyncio.get_running_loop()
        self._until: Final = self._loop.time() + batch_time
        self._active: Final[set[_Publisher]] = set()
        self._is_stopped = False
        self.ended: Final[asyncio.Future[None]] = self._loop.create_future()
        self.published: Final[list[Row]] = []
        self.failed: Final[list[Attempt]] = []
        self.interrupt: BaseException | None = None
        """What ends the relay: KeyboardInterrupt, SystemExit, a `publish` that cannot be awaited."""
        self.is_complete = True
        """Whether every message was tried, but those behind one that has failed."""

    def start(self) -> None:
        for _ in range(min(self._concurrency, len(self._groups))):
            self._add_publisher()
        if not self._active:
            self.ended.set_result(None)

    def stop(self) -> None:
        """Begin no further attempt."""
        self._is_stopped = True

    def _may_begin(self, now: float) -> bool:
        if self._is_stopped or self.interrupt is not None or now >= self._until:
            self.is_complete = False
            return False
        return True

    def _add_publisher(self) -> None:
        publisher = _Publisher()
        self._active.add(publisher)
        publisher.task = task = self._loop.create_task(self._work(publisher))
        task.add_done_callback(lambda task: self._has_ended(publisher, task))

    async def _work(self, publisher: _Publisher) -> None:
        clock = self._loop.time
        publisher.timer = self._loop.call_later(self._timeout, self._look_at, publisher)
        try:
            while self._groups and not publisher.is_late and self._may_begin(clock()):
                for row in self._groups.popleft():
                    now = clock()
                    publisher.due = now + self._timeout
                    if not self._may_begin(now) or not await self._publish_one(publisher, row):
                        break
                    if publisher.is_late:  # it got through all the same, and this task has been cancelled
                        self.is_complete = False
                        break
        finally:
            publisher.timer.cancel()

    async def _publish_one(self, publisher: _Publisher, row: Row) -> bool:
        """Publish the message; return whether it got through."""
        try:
            message = Message.from_json(row.message)
        except MessageRejectedError as error:
            self._fail(row, UnreadableError(f"what is stored cannot be read: {error}"))
            return False
        publisher.row = row
        try:
            result: object = self._publish(message)
            if not is_awaitable(result):
                raise _NotAwaitableError(self._publish, result)
            await result
        except asyncio.CancelledError as error:
            return await self._cancelled(publisher, row, error)
        except Exception as error:
            if isinstance(error, _NotAwaitableError):
                self.interrupt = TypeError(str(error))
            elif not publisher.is_abandoned:
                self._fail(row, self._late_error() if publisher.is_late else error)
            return False
        except BaseException as error:  # the task must not end by it: the event loop would stop in the middle
            self.interrupt = error
            return False
        if publisher.is_abandoned:
            return False
        self.published.append(row)
        return True

    async def _cancelled(self, publisher: _Publisher, row: Row, error: asyncio.CancelledError) -> bool:
        if not publisher.is_late:
            await asyncio.sleep(0)  # when all tasks of the loop are cancelled, the relay's comes to know of it now
            if self._is_stopped:
                self.is_complete = False
                return False  # nobody knows whether it got through: it stays
        if not publisher.is_abandoned:
            self._fail(row, self._late_error() if publisher.is_late else error)
        return False

    def _late_error(self) -> TimeoutError:
        return TimeoutError(f"it took longer than {self._timeout:g} s")

    def _fail(self, row: Row, error: BaseException, task: asyncio.Task[Any] | None = None) -> None:
        self.failed.append(Attempt(row, error, len(self.published), task))

    def _look_at(self, publisher: _Publisher) -> None:
        """Cancel the attempt of the publisher if it has taken too long."""
        if self._loop.time() < publisher.due:
            publisher.timer = self._loop.call_at(publisher.due, self._look_at, publisher)
            return
        publisher.is_late = True
        if publisher.task is not None:
            publisher.task.cancel()
        publisher.timer = self._loop.call_later(GRACE, self._abandon, publisher)

    def _abandon(self, publisher: _Publisher) -> None:
        if publisher in self._active and publisher.row is not None:
            publisher.is_abandoned = True
            self._fail(publisher.row, self._late_error(), publisher.task)
            self._leave(publisher)

    def _has_ended(self, publisher: _Publisher, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self.interrupt is None:
            self.interrupt = error
        if publisher in self._active:
            self._leave(publisher)

    def _leave(self, publisher: _Publisher) -> None:
        self._active.discard(publisher)
        if publisher.is_late and self._groups and self._may_begin(self._loop.time()):
            self._add_publisher()
        if not self._active and not self.ended.done():
            if self._groups:
                self.is_complete = False
            self.ended.set_result(None)


class _NotAwaitableError(Exception):
    def __init__(self, publish: object, result: object) -> None:
        super().__init__(
            f"publish returned {kind_of(result)}, which cannot be awaited; write `async def` before "
            f"{display_name(publish)}"
        )
