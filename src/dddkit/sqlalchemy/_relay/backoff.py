"""What has failed to be published: when it is tried again, and whether an attempt counts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final

from dddkit._core.events import current_time
from dddkit._database_errors import text_in
from dddkit.exceptions import MessageRejectedError
from dddkit.sqlalchemy._publishing import TryAgainError
from dddkit.sqlalchemy._relay.rows import Change, Record
from dddkit.sqlalchemy._relay.statements import Wanted

if TYPE_CHECKING:
    from dddkit.sqlalchemy._relay.rows import Attempt, Key, Row

__all__ = ["Backoff", "Failure", "UnreadableError", "pause_after", "text_of"]

_FIRST_PAUSE: Final = 0.1  # seconds
_LONGEST_PAUSE: Final = 10.0
_LONGEST_TEXT: Final = 2000


class UnreadableError(Exception):
    """What is stored is no message. It is dead at once: nobody will ever read it."""


@dataclass
class _Failing:
    """What is known of a subject whose first message has failed."""

    row: Row
    failures: int
    published: int
    """How many messages the relay had published when this one failed the last time."""
    due: float
    """When it is tried again, by the monotonic clock."""
    task: asyncio.Task[Any] | None = None
    """The attempt, where it does not end though it was cancelled: until it does, nothing else of this subject goes."""

    @property
    def is_stuck(self) -> bool:
        return self.task is not None and not self.task.done()


@dataclass(frozen=True)
class Failure:
    """What one failed attempt means."""

    row: Row
    error: BaseException
    failures: int
    """How often it has failed in a row."""
    attempts: int
    is_dead: bool


class Backoff:
    """Remembers what has failed. A relay has one for its whole life."""

    def __init__(self, attempts: int, batch: int) -> None:
        self._attempts: Final = attempts
        self._batch: Final = batch
        self._failing: Final[dict[Key, _Failing]] = {}
        self._published = 0
        self._was_again = False
        self._outages = 0
        self._suspects: Final[set[Key]] = set()
        """What has failed since a message got through the last time."""

    @property
    def is_empty(self) -> bool:
        return not self._failing

    @property
    def number(self) -> int:
        """How many subjects wait for another attempt."""
        return len(self._failing)

    def forget_pauses(self) -> None:
        """Let everything be tried."""
        self._was_again = False
        for failing in self._failing.values():
            failing.due = -inf

    def wanted(self, now: float, tried: set[Key] | None = None) -> Wanted:
        """Return what the next batch may hold: what has not failed, or in turn what is due.

        What is due does not go with the others: a batch of messages that fail would leave no room for the others.

        Args:
            now: by the monotonic clock.
            tried: what is not tried again, however long ago it was; None where everything is tried again in time.
        """
        due = () if self._was_again else self.due(now, tried)
        self._was_again = bool(due)
        return Wanted(self._batch, numbers=due) if due else Wanted(self._batch, tuple(self._failing))

    def due(self, now: float, tried: set[Key] | None) -> tuple[int, ...]:
        """Return the numbers of what is due, the longest first, as many as a batch holds."""
        if not self._failing:
            return ()
        due = [
            failing
            for key, failing in self._failing.items()
            if failing.due <= now and not failing.is_stuck and (tried is None or key not in tried)
        ]
        due.sort(key=lambda failing: failing.due)
        return tuple(failing.row.number for failing in due[: self._batch])

    def taken(self, wanted: Wanted, rows: list[Row]) -> list[Row]:
        """Return what to publish of a batch; forget what has failed, and was published by another relay since."""
        if wanted.numbers is None:
            return rows
        asked, found = set(wanted.numbers), {row.number: row for row in rows}
        kept: list[Row] = []
        for key, failing in list(self._failing.items()):
            if failing.row.number in asked:
                row = found.get(failing.row.number)
                if row is None or row.id != failing.row.id:
                    del self._failing[key]
                else:
                    kept.append(row)
        return kept

    def next_due(self) -> float:
        """Return when something is due, by the monotonic clock; infinity where nothing has failed."""
        return min((failing.due for failing in self._failing.values() if not failing.is_stuck), default=inf)

    def pause_of_outage(self) -> float:
        """Return how long nothing at all is tried: 0 unless several subjects have failed, and nothing got through.

        One subject alone may be at fault itself: its own back-off is enough.
        """
        return pause_after(self._outages) if self._outages else 0.0

    def settle(self, published: list[Row], attempts: Iterable[Attempt], now: float) -> tuple[Record, list[Failure]]:
        """Note what has become of a batch; return what to store of it, and the failures."""
        before = self._published
        self._published += len(published)
        for row in published:
            self._failing.pop(row.key, None)
        changes: list[Change] = []
        failures: list[Failure] = []
        for attempt in attempts:
            failure = self._failed(attempt, before, now)
            failures.append(failure)
            row = attempt.row
            if failure.is_dead or failure.attempts != row.attempts or not row.has_failed:
                died_at = current_time() if failure.is_dead else None
                changes.append(Change(row, failure.attempts, text_of(attempt.error), died_at))
        self._judge(published, failures)
        return Record(published, changes), failures

    def _failed(self, attempt: Attempt, before: int, now: float) -> Failure:
        row, error = attempt.row, attempt.error
        failing = self._failing.get(row.key)
        if failing is not None and failing.row.id == row.id:
            failures, since = failing.failures + 1, failing.published
        else:  # what another relay knows of it is that it has failed before this batch
            failures, since = 1, before if row.has_failed else self._published
        counts = isinstance(error, (MessageRejectedError, UnreadableError)) or (
            not isinstance(error, TryAgainError) and self._published > since
        )
        attempts = row.attempts + counts
        # A relay that is given fewer attempts than the last one must not take an outage for the last of them.
        is_dead = (counts and attempts >= self._attempts) or isinstance(error, UnreadableError)
        if is_dead:
            self._failing.pop(row.key, None)
        else:
            due, published = now + pause_after(failures), before + attempt.published_before
            self._failing[row.key] = _Failing(row, failures, published, due, attempt.task)
        return Failure(row, error, failures, attempts, is_dead)

    def _judge(self, published: list[Row], failures: list[Failure]) -> None:
        """Note whether it looks as if nothing could get through."""
        if published:
            self._outages = 0
            self._suspects.clear()
        unexplained = [failure.row.key for failure in failures if not isinstance(failure.error, _AT_FAULT)]
        self._suspects.update(unexplained)
        if not published and unexplained and len(self._suspects) > 1:
            self._outages += 1


_AT_FAULT: Final = (MessageRejectedError, UnreadableError)
"""The message is wrong, and not what should take it."""


def pause_after(failures: int) -> float:
    """Return how many seconds to wait after that many failures in a row."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - 1, 20))


def text_of(error: BaseException) -> str:
    """Return what is stored of an error: text that every database can hold."""
    if isinstance(error, TryAgainError) and not error.args and error.__cause__ is not None:
        error = error.__cause__
    name = type(error).__qualname__
    said = text_in(error)
    is_ours = isinstance(error, (UnreadableError, TryAgainError))
    text = said if said and is_ours else f"{name}: {said}" if said else name
    return text[:_LONGEST_TEXT].encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
