"""Writing the mapped objects of one unit: what of them has changed, in the order that the unit wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.orm.attributes import set_attribute
from sqlalchemy.orm.exc import StaleDataError

from dddkit._core.identity import identity_of
from dddkit._core.recording import Recording
from dddkit._core.versions import set_version
from dddkit.exceptions import ConcurrencyError, UnitError
from dddkit.sqlalchemy._errors import is_unfit_value
from dddkit.sqlalchemy._orm.meeting import SessionObjects
from dddkit.sqlalchemy._orm.savepoints import Savepoint
from dddkit.sqlalchemy._orm.session import UnitSession
from dddkit.sqlalchemy._orm.states import (
    Snapshots,
    State,
    forget_deleted,
    is_modified,
    state_of,
)
from dddkit.sqlalchemy._storage import Unassigned

if TYPE_CHECKING:
    from sqlalchemy.orm import SessionTransaction

    from dddkit.sqlalchemy._orm.storage import MappedStorage
    from dddkit.sqlalchemy._storage import Tracked
    from dddkit.sqlalchemy._tracking import Tracking

__all__ = ["MappedObjects"]


class MappedObjects(SessionObjects):
    """What of the objects in the session of a unit has changed, and writing it in the order that the unit wants."""

    def __init__(
        self, unit: str, tracking: Tracking, *, is_async: bool, is_read_only: bool, fail: Callable[[], None]
    ) -> None:
        super().__init__(unit, tracking, UnitSession(self), is_async=is_async, is_read_only=is_read_only)
        self._fail: Final = fail
        self._snapshots: Final = Snapshots()
        self._due: list[Tracked] = []
        """What the commit has to write."""
        self._is_committing = False
        self._has_deleted = False
        """Whether a flush has deleted something that may still be loaded in its owner."""
        self._flushed: Final[dict[Tracked, int | None]] = {}
        """What this transaction has written already, with the versions of its rows now; None for a deleted one."""
        self._deleted_parts: Final[dict[Tracked, list[Any]]] = {}
        """What its user has deleted of an aggregate, while that is out of the session."""
        self._locked: Final[dict[tuple[MappedStorage[Any], Any], int | None]] = {}
        self._savepoints: Final[WeakKeyDictionary[SessionTransaction, Savepoint]] = WeakKeyDictionary()

    # What has changed

    def differs(self, tracked: Tracked) -> bool:
        if tracked in self._flushed:
            return True
        root, deleted = state_of(tracked.aggregate), {*map(state_of, self.session.deleted)}
        return any(
            part in deleted or is_modified(part) or (part is not root and self._is_deleted(part))
            for part in self._parts(tracked)
        )

    def _is_deleted(self, part: State) -> bool:
        """Return whether it is an aggregate that its repository has deleted."""
        tracked = self.tracked(part.obj())
        return tracked is not None and tracked.is_deleted

    def _parts(self, tracked: Tracked) -> Iterator[State]:
        for part in self._states(tracked):
            self._in_place.flag(part)
            yield part

    def changes(self) -> Sequence[str]:
        """Return what has changed and belongs to no aggregate of the unit, in words."""
        return [] if self._is_read_only else [f"a changed {type(one).__qualname__}" for one in self._others()]

    def _others(self) -> Sequence[Any]:
        session = self.session
        changed = [*session.new, *session.deleted, *(one for one in session.dirty if is_modified(state_of(one)))]
        if not changed:
            return ()
        parts: set[State] = set()
        for tracked in self._ours():
            parts.update(self._parts(tracked))
            for one in tracked.before:
                parts.update(self._states(tracked, one))
        return [instance for instance in changed if state_of(instance) not in parts]

    def check_others(self) -> None:
        """Refuse changes that would get lost, or move no version.

        Raises:
            UnitError: an aggregate or a part of one has changed, and the unit does not know whose it is.
        """
        for instance in self._others():
            cls = type(instance).__qualname__
            if isinstance(instance, Recording):
                raise UnitError(
                    self.unit,
                    f"{cls} with the identity {identity_of(instance)!r} has changed, and the unit does not store it; "
                    f"declare OrmMapped[{cls}, ...] in the class",
                )
            for storage in self.storages.values():
                if state_of(instance).mapper in storage.mapping.owned and not isinstance(instance, storage.cls):
                    owner, never = storage.cls.__qualname__, storage.mapping.never_loaded(state_of(instance).mapper)
                    cure = f"declare {never} as a list" if never else f"get the {owner} with it"
                    raise UnitError(
                        self.unit,
                        f"a {cls} has changed, which belongs to a {owner}, and no version would move; {cure}, and "
                        f"change it there",
                    )

    def _ours(self) -> list[Tracked]:
        storages = [*self.storages.values()]
        return [tracked for tracked in self._tracking if tracked.storage in storages]

    def has_to_write(self) -> bool:
        """Tell the session what was changed in place; return whether more is to be written than it knows of."""
        if self._is_committing:
            return bool(self._due)
        ours = self._ours()
        for tracked in ours:
            for part in self._states(tracked):
                self._in_place.flag(part)
        return any(tracked.is_deleted and not self._is_gone(tracked) for tracked in ours)

    def _is_gone(self, tracked: Tracked) -> bool:
        """Return whether a flush has deleted its row."""
        return self._flushed.get(tracked, 0) is None

    # Writing

    def prepare(self, tracked: Tracked) -> None:
        """Note that it is to be written."""
        if tracked not in self._flushed and tracked.expected is not None:
            state = state_of(tracked.aggregate)
            if state.key is not None and state.session is self.session and not self._storage(tracked).is_expired(state):
                # The user may have read it again.
                tracked.expected = self._version_read(self._storage(tracked), state)
        self._due.append(tracked)

    def versions_locked(
        self, connection: Connection, storage: MappedStorage[Any], keys: Sequence[Any]
    ) -> dict[Any, int | None]:
        """Lock the rows; return their versions, for those that this transaction has written what they were before."""
        found: dict[Any, int | None] = dict(storage.mapping.versions(connection, keys))
        self._locked.update(((storage, key), version) for key, version in found.items())
        for tracked in self._flushed:
            if tracked.storage is storage and tracked.key in keys:
                found[tracked.key] = tracked.expected
        return found

    def write(self, connection: Connection, tracked: Tracked) -> None:
        """Write an aggregate, and what it shares relationships with."""
        self._begin(connection)
        if state_of(tracked.aggregate).was_deleted:  # as an orphan, with its owner
            self._settle(tracked)
            return
        self._add(tracked)
        for part in self._deleted_parts.pop(tracked, ()):
            self.session.delete(part)
        self.session.flush()
        self._reload(tracked)

    def delete(self, connection: Connection, tracked: Tracked) -> None:
        """Delete an aggregate."""
        self._begin(connection)
        if self._is_gone(tracked):
            return
        if state_of(tracked.aggregate).key is not None:
            self._add(tracked)
        self._mark_deleted(tracked)
        self.session.flush()

    def _mark_deleted(self, tracked: Tracked) -> None:
        """Let the next flush delete it, and what had its identity before."""
        for one in (*tracked.before, tracked.aggregate):
            self._mark_one_deleted(tracked, one)

    def _mark_one_deleted(self, tracked: Tracked, aggregate: Any) -> None:
        """Let the next flush delete it, and not write first what of it was never stored, as SQLAlchemy would."""
        for part in [*self._states(tracked, aggregate)]:
            if part.key is None and part.session is self.session:
                self.session.expunge(part.obj())
        if aggregate in self.session:  # and not deleted by a flush
            self.session.delete(aggregate)

    def write_others(self, connection: Connection) -> None:
        """Write what belongs to no aggregate of the unit."""
        self._begin(connection)
        self.session.flush()

    def _begin(self, connection: Connection) -> None:
        """Compare everything first; then let the session write only what it is told to.

        It knows no order of tables without a relationship between their classes.
        """
        self.on(connection)
        if self._is_committing:
            return
        self.check_others()
        self._snapshots.take(self.session)
        self._is_committing = True
        for storage in self.storages.values():
            self._compare(connection, storage, [one for one in self._due if one.storage is storage])
        saved = {one.storage for one in self._due if not one.is_deleted}
        in_turn = len(saved) > 1 or any(self._storage(one).mapping.references for one in self._due)
        deleted = {*map(state_of, self.session.deleted)}
        for tracked in self._due:
            if in_turn or tracked.is_deleted:
                for part in [*self._parts(tracked)]:
                    instance = part.obj()
                    if part in deleted and instance is not tracked.aggregate:
                        self._deleted_parts.setdefault(tracked, []).append(instance)
                    if part.session is self.session:
                        self.session.expunge(instance)

    def _compare(self, connection: Connection, storage: MappedStorage[Any], tracked: Sequence[Tracked]) -> None:
        """Find out whether somebody was faster.

        Raises:
            ConcurrencyError: another version is stored.
        """
        compared = [one for one in tracked if one not in self._flushed and not isinstance(one.key, Unassigned)]
        found = {one.key: self._locked[storage, one.key] for one in compared if (storage, one.key) in self._locked}
        unknown = [one.key for one in compared if one.key not in found]
        found.update(storage.mapping.versions(connection, unknown))
        for one in compared:
            if found.get(one.key) != one.expected:
                raise ConcurrencyError(one.aggregate, one.expected, found.get(one.key))

    def flush(self, flush: Callable[[], None]) -> None:
        """Write what is in the session, for the unit or for its user."""
        if self._is_read_only:
            raise UnitError(
                self.unit, "flush in a unit that only reads; make one without read_only=True to change something"
            )
        if not self._is_committing:
            self.meet()
            self.check_others()
            for tracked in self._ours():
                if tracked.is_deleted and not self._is_gone(tracked):
                    self._mark_deleted(tracked)
        is_nested = self.session.in_nested_transaction()
        self._snapshots.take(self.session, again=not self._is_committing)
        written = self._set_versions()
        self._has_deleted = self._has_deleted or bool(self.session.deleted)
        try:
            flush()
        except BaseException as error:
            if is_nested:  # its user says what becomes of the rest
                raise
            better = self._after_failure(error, written)
            if better is None:
                raise
            raise better from None  # the text of the other one shows values
        for tracked in written:
            self._settle(tracked)
        if self._has_deleted and not self._is_committing:
            self._forget_deleted(written)

    def _forget_deleted(self, owners: Iterable[Tracked]) -> None:
        """Take what was deleted out of what has it loaded: who saves that would save the deleted too."""
        for tracked in owners:
            owned = self._storage(tracked).mapping.owned
            for part in [] if tracked.is_deleted else [*self._states(tracked)]:
                forget_deleted(part, owned[part.mapper])

    def _set_versions(self) -> list[Tracked]:
        """Give what has changed its next version; return what is written now."""
        written: list[Tracked] = []
        deleted = self.session.deleted  # made anew each time
        for tracked in self._due if self._is_committing else self._ours():
            if tracked.is_deleted:
                if any(one in deleted for one in (*tracked.before, tracked.aggregate)):
                    written.append(tracked)
                continue
            if state_of(tracked.aggregate).session is not self.session:
                continue
            for one in tracked.before:
                if one is not tracked.aggregate and one in self.session:
                    self._mark_one_deleted(tracked, one)
            is_first = tracked not in self._flushed
            if is_first and not self._is_committing and not tracked.is_changed(self.unit):
                continue  # at commit all that is due has changed, though another may have written what they share
            for part in self._parts(tracked):
                self._in_place.flag(part, is_written=True)
            if is_first:
                set_attribute(tracked.aggregate, self._storage(tracked).mapping.version_name, tracked.next_version())
            written.append(tracked)
        if self._is_committing:
            done = {*written}
            self._due = [tracked for tracked in self._due if tracked not in done]
        return written

    def _settle(self, tracked: Tracked) -> None:
        """Note what the database has made of it."""
        if tracked.is_deleted or state_of(tracked.aggregate).was_deleted:
            tracked.is_deleted, self._flushed[tracked] = True, None
            return
        storage = self._storage(tracked)
        tracked.version = self._flushed[tracked] = getattr(tracked.aggregate, storage.mapping.version_name)
        if isinstance(tracked.key, Unassigned):
            self._tracking.assign(tracked, identity_of(tracked.aggregate))
        for part in self._states(tracked):
            self._in_place.note(part)

    def _reload(self, tracked: Tracked) -> None:
        """Read what the database has computed: nobody can when the unit has ended."""
        for part in [*self._parts(tracked)]:
            if part.session is self.session and (names := part.expired_attributes & {*part.mapper.column_attrs.keys()}):
                self.session.refresh(part.obj(), names)

    # Savepoints of its user

    def savepoint_begins(self, savepoint: SessionTransaction) -> None:
        self._savepoints[savepoint] = Savepoint(self._ours(), self._flushed)

    def savepoint_is_undone(self, savepoint: SessionTransaction) -> None:
        """What was flushed since is not written, and what was locked since is free for others."""
        if (known := self._savepoints.pop(savepoint, None)) is not None:
            known.restore(self._tracking, self._ours())
            self._flushed.clear()
            self._flushed.update(known.flushed)
            self._locked.clear()
            for tracked in self._ours():
                for part in self._states(tracked):
                    self._in_place.undo(part)

    # The end

    def _after_failure(self, error: BaseException, written: Sequence[Tracked]) -> Exception | None:
        """Make the objects usable again; return what to raise instead."""
        self._fail()
        tracked = [one for one in self._ours() if not isinstance(one.key, Unassigned)]
        self.session.expunge_all()
        self._snapshots.restore()
        if not isinstance(error, (StaleDataError, IntegrityError)):
            # SQLAlchemy passes on what drivers raise for a number of more than 64 bits, and for a lone surrogate.
            if not isinstance(error, (StatementError, OverflowError, UnicodeError)) or not is_unfit_value(error):
                return None
            names = " or ".join(one.storage.shown(one.key) for one in written)
            return UnitError(self.unit, f"{names or 'an object'} does not fit its columns")
        connection = cast("Connection", self.session.bind)
        try:
            found = [(one, self._storage(one).mapping.versions(connection, [one.key], lock=False)) for one in tracked]
            connection.rollback()
        except SQLAlchemyError:  # then the first error says more
            return None
        for one, versions in found:
            if versions.get(one.key) != one.expected:
                return ConcurrencyError(one.aggregate, one.expected, versions.get(one.key))
        return ConcurrencyError(None, None, None) if isinstance(error, StaleDataError) else None

    def release(self, *, is_committed: bool) -> None:
        """Let the objects live on without the unit; what was not stored is as if it had not been flushed."""
        if is_committed and self._has_deleted:
            self._forget_deleted(self._ours())
        self._snapshots.take_out(self.session, is_stored=is_committed)
        if is_committed:
            for tracked in self._ours():
                storage, state = self._storage(tracked), state_of(tracked.aggregate)
                # Others may have moved it: a row gets its owner by the flush of that.
                version = None if tracked.is_deleted or storage.is_expired(state) else storage.stored_version(state)
                if version is not None:
                    set_version(tracked.aggregate, storage.store, version)
        else:
            self._snapshots.restore()
        self.session.end()
