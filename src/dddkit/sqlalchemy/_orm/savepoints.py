"""What a unit knows of its mapped aggregates when a savepoint begins, and again when that is undone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dddkit._core.recording import pending_events
from dddkit.sqlalchemy._orm.states import state_of

if TYPE_CHECKING:
    from dddkit.sqlalchemy._storage import Tracked
    from dddkit.sqlalchemy._tracking import Tracking

__all__ = ["Savepoint"]


class _Known(NamedTuple):
    """What is known of one aggregate."""

    aggregate: Any
    before: list[Any]
    events: list[Any]
    is_saved: bool
    is_deleted: bool


class Savepoint:
    """What a unit knows at one moment. SQLAlchemy itself gives the objects back their attributes."""

    __slots__ = ("_known", "flushed")

    def __init__(self, tracked: Iterable[Tracked], flushed: Mapping[Tracked, int | None]) -> None:
        self._known: Final = {
            one: _Known(one.aggregate, [*one.before], [*one.pending], one.is_saved, one.is_deleted) for one in tracked
        }
        self.flushed: Final = dict(flushed)
        """What the transaction had written by then."""

    def restore(self, tracking: Tracking, tracked: Iterable[Tracked]) -> None:
        """Forget what has been saved, deleted and recorded since. What has been read stays tracked."""
        for one in tracked:
            one.version = self.flushed.get(one)
            if (known := self._known.get(one)) is not None:
                one.aggregate, one.before, one.is_saved = known.aggregate, known.before, known.is_saved
                one.is_deleted = known.is_deleted
                one.pending = pending_events(one.aggregate)
                one.pending[:] = known.events
            elif state_of(one.aggregate).session is None:  # a new one, which has left the session
                tracking.forget(one)
            else:
                one.is_deleted = False
                if one.read is not None:
                    one.is_saved = False
                    one.pending.clear()
