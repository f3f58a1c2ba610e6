"""Reading and writing aggregates by SQL of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from dddkit._awaitables import dispose, is_unfinished
from dddkit._callables import kind_of
from dddkit._core.changes import ChangesHandler
from dddkit._core.events import AnyAggregateEvent
from dddkit._core.identity import identity_of
from dddkit._core.recording import Recording, discard, pending_events
from dddkit._core.versions import set_version
from dddkit.exceptions import ConcurrencyError, UnitError
from dddkit.sqlalchemy._errors import TRANSACTION_FAILED, cause_of
from dddkit.sqlalchemy._keys import PLAIN, key_of
from dddkit.sqlalchemy._storage import HeldByUnit, Key, Storage, Tracked

if TYPE_CHECKING:
    from sqlalchemy import Table

__all__ = ["DOMAIN_EVENTS", "CustomRow", "CustomSQL", "CustomStorage", "DeclaredCustom"]

AggregateT = TypeVar("AggregateT", bound=Recording)
IdT_contra = TypeVar("IdT_contra", contravariant=True)
ChangesT_contra = TypeVar("ChangesT_contra", contravariant=True)

DOMAIN_EVENTS: Final = "domain_events"
"""The field of a handler's result that is published in place of the aggregate's own events."""


class CustomSQL(Protocol[AggregateT, IdT_contra, ChangesT_contra]):
    """What a user writes.

    Each method executes its statements on the connection, and leaves commit and rollback to the unit.
    """

    def get(self, connection: Connection, aggregate_id: IdT_contra, /) -> tuple[AggregateT, int] | None:
        """Return the aggregate and its version; None where there is none."""
        ...

    def insert(
        self, connection: Connection, aggregate: AggregateT, changes: ChangesT_contra, version: int, /
    ) -> int | None:
        """Write a new one with this version. With ON CONFLICT DO NOTHING, return how many rows were inserted."""
        ...

    def update(self, connection: Connection, aggregate: AggregateT, changes: ChangesT_contra, expected: int, /) -> int:
        """Write it with the version `expected + 1` where `expected` is stored; return how many rows matched that."""
        ...

    def delete(self, connection: Connection, aggregate: AggregateT, expected: int, /) -> int:
        """Delete it where this version is stored; return how many rows matched that."""
        ...


@dataclass(frozen=True)
class DeclaredCustom(Generic[AggregateT]):
    """What units share of one declaration."""

    name: str
    cls: type[AggregateT]
    kind: type[Any]
    """What the identity is at run time."""
    make: Callable[[], CustomSQL[AggregateT, Any, Any]]
    sql: type
    """The class of what is made."""
    handler: ChangesHandler[AggregateT, Any] | None
    table: Table | None


class CustomRow(NamedTuple):
    """What the user's SQL has returned."""

    key: Key
    version: int
    aggregate: Any


class CustomStorage(Storage[AggregateT], HeldByUnit):
    """One object of the user's class, in one unit, and its block of the changes handler while that commits."""

    declared_by: ClassVar[str] = "Custom"
    may_hide_errors: bool = True

    def __init__(self, unit: str, declared: DeclaredCustom[AggregateT]) -> None:
        self.name = declared.name
        self.cls = declared.cls
        self.place = declared.table
        where = f"{declared.sql.__module__}.{declared.sql.__qualname__}"
        self.store = f"{declared.name}: {where}" if declared.table is None else declared.table.fullname
        self.can_lock = hasattr(declared.sql, "lock")
        self.has_ordered_keys = declared.kind in PLAIN
        self._unit: Final = unit
        self._declared: Final = declared
        self._sql: Final = declared.make()
        self._changes_of: Callable[[AggregateT], Any] | None = None
        """The handler in its block, which is open from the first fold until the unit has ended."""
        self._taken: Final[list[tuple[Recording, list[AnyAggregateEvent]]]] = []
        """The events given to the user's SQL as they are, without a handler."""

    # Identities

    def key_of(self, identity: object) -> Key:
        return key_of(self.name, self.cls, self._declared.kind, identity)

    def accepts(self, aggregate: object) -> bool:
        """Return whether the user's SQL is given it: what of a subclass it stores is its own affair."""
        return isinstance(aggregate, self.cls)

    def no_lock(self) -> str:
        return (
            f"{self.name}.get(..., lock=True) needs a method of {self._shown('lock')}(connection, id), which locks the "
            f"row (SELECT ... FOR UPDATE) and returns its version, or None where there is none; write one"
        )

    # Reading

    def row(self, connection: Connection, key: Key, lock: bool) -> CustomRow | None:
        if lock and not self.versions_locked(connection, [key]):
            return None
        found = self._call(connection, "get", key)
        if found is None:
            return None
        try:
            aggregate, version = found
        except (TypeError, ValueError):
            raise TypeError(
                f"{self._shown('get')} returned {kind_of(found)}, and not (aggregate, version), or None"
            ) from None
        if not isinstance(aggregate, self.cls):
            raise TypeError(
                f"{self._shown('get')} returned {kind_of(aggregate)} as the aggregate; it has to be of "
                f"{self.cls.__qualname__}, in (aggregate, version)"
            )
        return CustomRow(key, self._version("get", version), aggregate)

    def rows(self, connection: Connection, keys: Sequence[Key]) -> Iterable[CustomRow]:
        return [row for key in keys if (row := self.row(connection, key, False)) is not None]

    def load(self, unit: str, row: CustomRow) -> AggregateT:
        aggregate: AggregateT = row.aggregate
        if identity_of(aggregate) != row.key:
            raise UnitError(
                unit,
                f"{self._shown('get')} was asked for {self.shown(row.key)}, and returned the one with the identity "
                f"{identity_of(aggregate)!r}; let it return what it is asked for",
            )
        aggregate.clear_events()  # those recorded while it was made
        set_version(aggregate, self.store, row.version)
        return aggregate

    def versions_locked(self, connection: Connection, keys: Sequence[Key]) -> Mapping[Key, int]:
        found = ((key, self._call(connection, "lock", key)) for key in keys)
        return {key: self._version("lock", version) for key, version in found if version is not None}

    # Writing

    def differs(self, unit: str, tracked: Tracked) -> bool:  # an event or `save` says so
        return False

    def prepare(self, unit: str, tracked: Tracked) -> None:  # for other kinds
        """Fold the events, in the task that commits: the block of a handler belongs to one."""
        aggregates: list[AggregateT] = [*tracked.before, tracked.aggregate]
        tracked.told = [(None, event) for _, event in tracked.events()]
        if self._declared.handler is None:
            self._taken.extend((aggregate, list(pending_events(aggregate))) for aggregate in aggregates)
            tracked.data = list(tracked.pending)
            return
        if self._changes_of is None:
            self._changes_of = self._declared.handler.__enter__()
        results = [self._changes_of(aggregate) for aggregate in aggregates]
        tracked.data = results[-1]
        if hasattr(tracked.data, DOMAIN_EVENTS):
            tracked.told = [(None, event) for result in results for event in getattr(result, DOMAIN_EVENTS)]

    def write(self, connection: Connection, unit: str, tracked: Tracked, version: int) -> None:
        if tracked.expected is None or tracked.before:
            if tracked.expected is not None:
                self._delete(connection, tracked)
            self._insert(connection, tracked, version)
            return
        matched = self._call(connection, "update", tracked.aggregate, tracked.data, tracked.expected)
        self._check_matched(connection, "update", tracked, matched)

    def delete(self, connection: Connection, unit: str, tracked: Tracked) -> None:  # for other kinds
        if tracked.expected is not None:
            self._delete(connection, tracked)
        elif (found := self._found(connection, tracked)) is not None:
            raise ConcurrencyError(tracked.aggregate, None, found)

    def _insert(self, connection: Connection, tracked: Tracked, version: int) -> None:
        try:
            inserted = self._call(connection, "insert", tracked.aggregate, tracked.data, version)
        except IntegrityError as error:
            connection.rollback()  # PostgreSQL executes nothing more in it; and nothing of it is stored
            if (found := self._found(connection, tracked)) is None:
                raise  # not its identity, but another rule of the user's
            raise ConcurrencyError(tracked.aggregate, None, found) from cause_of(error)
        if inserted == 0 and (found := self._found(connection, tracked)) is not None:
            raise ConcurrencyError(tracked.aggregate, None, found)
        if isinstance(inserted, int) and inserted < 1:
            raise self._uncounted("insert", inserted)

    def _delete(self, connection: Connection, tracked: Tracked) -> None:
        stored = tracked.before[0] if tracked.before else tracked.aggregate
        matched = self._call(connection, "delete", stored, tracked.expected)
        self._check_matched(connection, "delete", tracked, matched)

    def _check_matched(self, connection: Connection, method: str, tracked: Tracked, matched: object) -> None:
        if matched == 1:
            return
        if not isinstance(matched, int):
            raise TypeError(
                f"{self._shown(method)} returned {kind_of(matched)}, and not how many rows matched; let it "
                f"`return connection.execute(...).rowcount`"
            )
        if matched != 0 or (found := self._found(connection, tracked)) == tracked.expected:
            raise self._uncounted(method, matched)
        raise ConcurrencyError(tracked.aggregate, tracked.expected, found)

    def _uncounted(self, method: str, rows: int) -> UnitError:
        if rows < 0:
            return UnitError(
                self._unit,
                f"{self._shown(method)} returned {rows}, since the driver did not count; execute the statement with "
                f"`.execution_options(preserve_rowcount=True)`",
            )
        if method == "insert":
            return UnitError(self._unit, f"{self._shown(method)} returned 0: it inserted nothing; let it raise instead")
        return UnitError(
            self._unit,
            f"{self._shown(method)} matched {rows} rows where the expected version is stored; let it match by identity "
            f"and version, which is one row",
        )

    def _found(self, connection: Connection, tracked: Tracked) -> int | None:
        row = self.row(connection, tracked.key, False)
        return None if row is None else row.version

    # The user's SQL, and its end

    def _call(self, connection: Connection, method: str, *arguments: Any) -> Any:
        transaction = connection.get_transaction() or connection.begin()
        result = getattr(self._sql, method)(connection, *arguments)
        if is_unfinished(result):
            dispose(result)
            raise TypeError(f"{self._shown(method)} returned an awaitable, which nobody awaits; let it return a value")
        if connection.get_transaction() is not transaction:
            raise UnitError(
                self._unit,
                f"{self._shown(method)} has ended the transaction; leave commit and rollback to the unit, so that all "
                f"of it is stored or nothing",
            )
        if connection.dialect.name == "sqlite":
            driver: Any = connection.connection.driver_connection  # Any: of sqlite3 or aiosqlite
            if not driver.in_transaction:  # it would store every further statement by itself
                raise UnitError(self._unit, TRANSACTION_FAILED)
        return result

    def _version(self, method: str, version: object) -> int:
        if not isinstance(version, int) or isinstance(version, bool):
            raise TypeError(f"{self._shown(method)} returned {kind_of(version)} as the version, which is an int")
        return version

    def _shown(self, method: str) -> str:
        return f"{self._declared.sql.__qualname__}.{method}"

    def release(self, *, is_committed: bool) -> None:
        """End the block: what was folded in it is no longer pending once it is stored."""
        if self._changes_of is not None and self._declared.handler is not None:
            self._changes_of = None
            self._declared.handler.__exit__(None if is_committed else BaseException)
        elif is_committed:
            for aggregate, events in self._taken:
                discard(pending_events(aggregate), events)
