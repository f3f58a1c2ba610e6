"""The objects in the session of a unit: which of them are aggregates, and what its user does with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import Connection
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from dddkit._core.identity import identity_of
from dddkit._core.recording import Recording, pending_events
from dddkit._core.versions import set_version, version_of
from dddkit.exceptions import ConcurrencyError, UnitError
from dddkit.sqlalchemy._orm.session import UnitSession
from dddkit.sqlalchemy._orm.states import InPlace, State, make_new, parts_of, pending_of, state_of
from dddkit.sqlalchemy._storage import HeldByUnit

if TYPE_CHECKING:
    from dddkit.sqlalchemy._orm.storage import MappedStorage
    from dddkit.sqlalchemy._storage import Tracked
    from dddkit.sqlalchemy._tracking import Tracking

__all__ = ["SessionObjects"]


class SessionObjects(HeldByUnit):
    """The session of a unit, and what the unit knows of the objects in it."""

    def __init__(
        self, unit: str, tracking: Tracking, session: UnitSession, *, is_async: bool, is_read_only: bool
    ) -> None:
        self.unit: Final = unit
        self.is_async: Final = is_async
        self.session: Final = session
        self.storages: Final[dict[object, MappedStorage[Any]]] = {}
        """By what declares them."""
        self._tracking: Final = tracking
        self._is_read_only: Final = is_read_only
        self._in_place: Final = InPlace()
        self._async_session: AsyncSession | None = None

    def on(self, connection: Connection) -> UnitSession:
        """Return the session, on the connection of the unit."""
        if self.session.bind is None:
            self.session.bind = connection
            self._in_place.dialect = connection.dialect
        return self.session

    def async_session(self, connection: AsyncConnection) -> AsyncSession:
        """Return the session as async code uses it."""
        if self._async_session is None:
            session = self.on(cast("Connection", connection.sync_connection))
            self._async_session = session.as_async(connection)
        return self._async_session

    # Meeting objects

    def storage_of(self, instance: object) -> MappedStorage[Any] | None:
        return next((storage for storage in self.storages.values() if isinstance(instance, storage.cls)), None)

    def tracked(self, instance: object) -> Tracked | None:
        storage = self.storage_of(instance) if isinstance(instance, Recording) else None
        return None if storage is None else self._tracking.find(storage, storage.key_in(instance))

    def is_loaded(self, instance: Any) -> None:
        state = state_of(instance)
        self._in_place.note(state)
        storage = self.storage_of(instance)
        if storage is None:
            return
        pending_events(instance).clear()  # recorded while it was loaded
        if (version := storage.stored_version(state)) is not None:
            set_version(instance, storage.store, version)
        row = storage.row_of(instance)
        if self._tracking.find(storage, row.key) is None:
            self._tracking.load(storage, row)

    def is_refreshed(self, instance: Any, names: Iterable[str] | None) -> None:
        self._in_place.note(state_of(instance), names)

    def is_added(self, instance: Any) -> None:
        """Track an aggregate that came into the session with another, or by hand."""
        storage = self.storage_of(instance)
        if storage is None or self._is_read_only:
            return
        tracked = self._tracking.find(storage, storage.key_in(instance))
        if tracked is not None and any(one is instance for one in (tracked.aggregate, *tracked.before)):
            return
        self.admit(storage, instance)
        state = state_of(instance)
        if state.key is None:
            self._tracking.save(storage, instance)
        elif tracked is None:
            self._tracking.load(storage, storage.row_of(instance))
        else:
            raise ConcurrencyError(instance, version_of(instance, storage.store), tracked.expected)

    def is_kept(self, instance: Any) -> None:
        tracked = self.tracked(instance)
        if tracked is not None and tracked.aggregate is instance and tracked.is_deleted:
            tracked.is_saved, tracked.is_deleted = True, False
            self._keep_parts(tracked)

    def are_deleted(self) -> None:
        for instance in self.session.deleted:
            tracked = self.tracked(instance)
            if tracked is not None and tracked.aggregate is instance:
                tracked.is_deleted = True

    def check_merge(self, instance: Any) -> None:
        storage = self.storage_of(instance)
        if storage is not None:
            raise UnitError(
                self.unit,
                f"merge of {storage.shown(identity_of(instance))} would make a second object, without its events; save "
                f"it: `{storage.name}.save(...)`",
            )

    def admit(self, storage: MappedStorage[Any], aggregate: Any) -> None:
        """Find out what an object is that the unit has not read: a new one, or one of an earlier unit.

        Raises:
            UnitError: SQLAlchemy cannot tell what has changed in it.
        """
        state = state_of(aggregate)
        shown = storage.shown(identity_of(aggregate))
        if state.obj() is not aggregate:
            raise UnitError(
                self.unit, f"{shown} is a shallow copy, which shares its state with the original; use copy.deepcopy"
            )
        other = state.session
        if other is not None and other is not self.session:
            raise UnitError(self.unit, f"{shown} is in use by another session or unit; let that one end first")
        if state.key is None:
            if version_of(aggregate, storage.store) is not None:
                raise UnitError(
                    self.unit,
                    f"{shown} was made anew with the version of a stored one, by evolve or the like; SQLAlchemy sees "
                    f"changes of the object that it has loaded: change that one",
                )
        elif state.key[1][0] != identity_of(aggregate):  # a copy, under an identity of its own
            make_new([*parts_of(state, storage.mapping.owned)])
        elif version_of(aggregate, storage.store) is None:  # of a session that is none of ours
            set_version(aggregate, storage.store, self._version_read(storage, state))

    def _version_read(self, storage: MappedStorage[Any], state: State) -> int:
        """Return the version of the row that an object was read from.

        Raises:
            UnitError: it was not read, so nobody could see who was faster.
        """
        aggregate, version = state.obj(), storage.stored_version(state)
        if version is None:
            version = version_of(aggregate, storage.store)
        if version is None:
            name = f"{storage.cls.__qualname__}.{storage.mapping.version_name}"
            raise UnitError(
                self.unit,
                f"{storage.shown(identity_of(aggregate))} was read without its version, by load_only(...) or "
                f"defer(...); add undefer({name}) to the options",
            )
        return version

    def attach(self, tracked: Tracked) -> None:
        """Bring an aggregate into the session that was saved by the user."""
        state = state_of(tracked.aggregate)
        is_another = any(one is not tracked.aggregate for one in tracked.before)
        if is_another and state.key is not None and state.session is not self.session:
            make_new([*self._states(tracked)])  # it takes the row of the deleted one
        was_deleted = tracked.aggregate in self.session.deleted
        self._add(tracked)
        if was_deleted:
            self._keep_parts(tracked)

    def _keep_parts(self, tracked: Tracked) -> None:
        """Keep what was to be deleted with it: SQLAlchemy would keep the aggregate alone."""
        deleted = {*map(state_of, self.session.deleted)}
        for part in self._states(tracked):
            if part in deleted:
                self.session.attach(part.obj())

    def _add(self, tracked: Tracked) -> None:
        try:
            self.session.attach(tracked.aggregate)
            for part in self._states(tracked):
                if part.session is None:
                    self.session.attach(part.obj())
                self._bring_in_pending(part)
        except InvalidRequestError as error:
            if state_of(tracked.aggregate).was_deleted:
                raise UnitError(
                    self.unit,
                    f"{tracked.storage.shown(tracked.key)} was deleted by a flush of this unit; save another object, "
                    f"or save this one in another unit",
                ) from error
            raise UnitError(
                self.unit,
                f"{tracked.storage.shown(tracked.key)} holds another object of what this unit has read already; save "
                f"it before anything else is read",
            ) from error

    def meet(self) -> None:
        """Bring in what was linked to an object of the session from its own side alone: `Line(crate=crate)`.

        SQLAlchemy would warn, and not write it.
        """
        met = 0
        while not self._is_read_only and len(changed := [*self.session.new, *self.session.dirty]) > met:
            met = len(changed)
            for instance in changed:
                self.session.attach(instance)
                self._bring_in_pending(state_of(instance))

    def _bring_in_pending(self, state: State) -> None:
        for linked in pending_of(state):
            if linked.session is None:
                self.session.attach(linked.obj())

    def _states(self, tracked: Tracked, aggregate: Any = None) -> Iterator[State]:
        """Yield the states of an aggregate and its parts; `aggregate`: one that had the same identity before."""
        state = state_of(tracked.aggregate if aggregate is None else aggregate)
        return parts_of(state, self._storage(tracked).mapping.owned)

    def _storage(self, tracked: Tracked) -> MappedStorage[Any]:
        return cast("MappedStorage[Any]", tracked.storage)
