"""What differs between the kinds of repositories: how one stores the aggregates of its class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from dddkit._core.events import AnyAggregateEvent
from dddkit._core.identity import identity_of
from dddkit._core.recording import Recording, pending_events
from dddkit.exceptions import UnitError
from dddkit.sqlalchemy._versions import first_version

if TYPE_CHECKING:
    from typing import Final

    from sqlalchemy import Connection, SQLColumnExpression, Table

__all__ = ["HeldByUnit", "Key", "Row", "Storage", "TableStorage", "Tracked", "Unassigned"]

AggregateT = TypeVar("AggregateT", bound=Recording)

Key = Any
"""An identity, as a storage finds it by: hashable. Any: each kind allows other types."""


class Row(Protocol):
    """What was read of one aggregate."""

    @property
    def key(self) -> Key: ...
    @property
    def version(self) -> int: ...


class Unassigned:
    """The key of an aggregate that gets its identity from the database."""

    __slots__ = ("_aggregate",)

    def __init__(self, aggregate: object) -> None:
        self._aggregate: Final = aggregate

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unassigned) and self._aggregate is other._aggregate

    def __hash__(self) -> int:
        return id(self._aggregate)

    def __repr__(self) -> str:
        return "(not assigned yet)"


class HeldByUnit:
    """What lives as long as a unit: a session, an object of the user's."""

    __slots__ = ()

    may_hide_errors: bool = False
    """Whether a statement may have failed, and the transaction with it, without an error: SQL of the user's."""

    def meet(self) -> None:
        """Track what its user has added since to what it keeps."""

    def changes(self) -> Sequence[str]:
        """Return what has changed and belongs to no aggregate of the unit, in words."""
        return ()

    def write_others(self, connection: Connection) -> None:
        """Write that."""

    def release(self, *, is_committed: bool) -> None:
        """The unit has ended; called in its own task, also where nothing was committed."""


class Storage(ABC, Generic[AggregateT]):
    """Reads, compares and writes the aggregates of one class, when a unit says so.

    One without state serves all units; one with a state is made for each, see `Work.held`. What takes a connection runs
    in a task of its own: it leaves nothing in context variables, and is not cancelled half-way.
    """

    __slots__ = ()

    declared_by: ClassVar[str]
    """The public class that declares such a repository, for messages."""

    name: str
    """What the attribute of the unit is called, with which the subject of its messages begins."""
    cls: type[AggregateT]
    store: str
    """What the versions on objects belong to: the full name of the table."""
    verifies: bool = False
    """Whether what was written is read back and compared."""
    can_lock: bool = True
    """Whether `versions_locked` is there."""
    gives_identities: bool = False
    """Whether an aggregate may be saved without one, which the database gives."""
    watches: bool = False
    """Whether `admit` and `attach` want to see what is saved and deleted."""
    has_ordered_keys: bool = True
    """Whether keys can be sorted; where they cannot, their text is."""

    place: Table | None = None
    """The table that has a place in the order of foreign keys; what has none is written last, and deleted first."""

    def no_lock(self) -> str:
        """Return what to do about `can_lock` being false."""
        return f"{self.name} cannot lock"

    @property
    def tables(self) -> Sequence[Table]:
        """All tables with what belongs to an aggregate."""
        return () if self.place is None else (self.place,)

    # Identities

    @abstractmethod
    def key_of(self, identity: object) -> Key:
        """Return what an identity is found by.

        Raises:
            TypeError: it is of another type than declared.
        """

    @staticmethod
    def is_storable(key: Key) -> bool:  # for those that know better
        """Return whether there can be one with this key."""
        return True

    def accepts(self, aggregate: object) -> bool:  # for those that know better
        """Return whether an object of another class than `cls` comes back as it is."""
        return False

    def identity_in(self, tracked: Tracked) -> object:
        """Return the identity that an aggregate has now."""
        return identity_of(tracked.aggregate)

    def shown(self, identity: object) -> str:
        return f"{self.cls.__qualname__} with the identity {identity!r}"

    # Objects that the unit has not read

    def admit(self, aggregate: AggregateT) -> None:
        """Refuse one that cannot be saved, or deleted, before it is tracked."""

    def attach(self, tracked: Tracked) -> None:
        """Take over one that was saved."""

    # Reading

    @abstractmethod
    def row(self, connection: Connection, key: Key, lock: bool) -> Any:  # Row | None, of its own kind
        """Read one; with `lock` nobody else changes it until the unit ends."""

    @abstractmethod
    def rows(self, connection: Connection, keys: Sequence[Key]) -> Iterable[Any]:  # of Row
        """Read those with these keys that are stored."""

    @abstractmethod
    def load(self, unit: str, row: Any) -> AggregateT:
        """Return the aggregate of a row, with its version (`set_version`), and without events.

        Raises:
            UnitError: the row does not fit the class.
        """

    @abstractmethod
    def versions_locked(self, connection: Connection, keys: Sequence[Key]) -> Mapping[Key, int]:
        """Lock the rows, in the order of the keys, until the unit ends; return their versions."""

    # Writing: first all that needs no database, for every aggregate of the unit

    @abstractmethod
    def differs(self, unit: str, tracked: Tracked) -> bool:
        """Return whether one has changed since it was read, of which nothing else says so: no event, no `save`."""

    @abstractmethod
    def prepare(self, unit: str, tracked: Tracked) -> None:
        """Make `tracked.data` of one that has changed or is deleted, in the task that commits.

        Raises:
            UnitError: it cannot be stored as it is.
        """

    @abstractmethod
    def write(self, connection: Connection, unit: str, tracked: Tracked, version: int) -> None:
        """Write one with this new version, where `tracked.expected` is stored now (None: where none is).

        Where `tracked.before` is not empty, another object of this identity was deleted in this unit.

        Raises:
            ConcurrencyError: another version is stored.
        """

    @abstractmethod
    def delete(self, connection: Connection, unit: str, tracked: Tracked) -> None:
        """Delete the one of which `tracked.expected` is stored now; where that is None, none may be stored.

        Raises:
            ConcurrencyError: another version is stored.
        """

    def verify(self, connection: Connection, unit: str, tracked: Tracked) -> None:
        """Read back what was written, where `verifies` says so.

        Raises:
            UnitError: it does not come back as it is.
        """

    def self_references(self) -> Sequence[str]:
        """Return the attributes in which an aggregate keeps the identity of another of its class that owns it."""
        return ()


class TableStorage(Storage[AggregateT]):
    """A storage with a table that can be searched."""

    __slots__ = ()

    table: Table

    @abstractmethod
    def find(
        self,
        connection: Connection,
        where: Sequence[SQLColumnExpression[bool]],
        order_by: Sequence[SQLColumnExpression[Any]],
        limit: int | None,
    ) -> Iterable[Any]:  # of Row
        """Read those that fulfil all conditions, at most `limit`; where a join repeats a row, once."""


class Tracked:
    """One aggregate of a unit, and what becomes of it at commit."""

    __slots__ = (
        "aggregate",
        "before",
        "data",
        "expected",
        "is_deleted",
        "is_saved",
        "key",
        "pending",
        "read",
        "storage",
        "told",
        "version",
    )

    def __init__(self, storage: Storage[Any], key: Key, aggregate: Any, expected: int | None, read: Any) -> None:
        self.storage: Final = storage
        self.key = key
        self.aggregate = aggregate
        self.pending = pending_events(aggregate)
        """The list of its events, which moves on to its next state (`evolve`)."""
        self.before: list[Any] = []
        """Those that had this identity before it, and were deleted in this unit."""
        self.expected = expected
        """The version that has to be stored when the unit commits; None where nothing may be."""
        self.is_saved = False
        self.is_deleted = False
        self.read: Final = read
        """The row that it was loaded from; None for one that the unit has not read."""
        self.data: Any = None
        """What to write, once its storage has made it at the end."""
        self.version: int | None = None
        self.told: Sequence[tuple[None, object]] | None = None
        """What is published of it, where its storage has taken over its events: then it also clears them."""

    def is_changed(self, unit: str) -> bool:
        if self.is_deleted or self.is_saved or self.expected is None or self.pending or self.read is None:
            return True
        return self.storage.differs(unit, self)

    def next_version(self) -> int:
        """Return the version that it gets in this transaction."""
        if self.version is None:
            if self.expected is None or self.before:  # a new row
                self.version = max(first_version(), (self.expected or 0) + 1)
            else:
                self.version = self.expected + 1
        return self.version

    def replace(self, aggregate: Any) -> None:
        if aggregate is not self.aggregate:
            self.before.append(self.aggregate)
        self.aggregate = aggregate
        self.pending = pending_events(aggregate)

    def validate(self, unit: str) -> None:
        """Refuse what cannot be stored as this row any more.

        Raises:
            UnitError: it has another identity now; its next state was not saved.
        """
        identity = self.storage.identity_in(self)
        if identity != self.key and not isinstance(self.key, Unassigned):
            raise UnitError(
                unit,
                f"{self.storage.shown(self.key)} has another identity now, {identity!r}; an identity "
                f"stays the same: delete the one, and save another",
            )
        if self.pending and pending_events(self.aggregate) is not self.pending:
            raise UnitError(
                unit,
                f"evolve made a next state of {self.storage.shown(self.key)}, and it was not saved; call "
                f"save(...) with the object that evolve returned",
            )

    def published(self) -> Sequence[tuple[Any, object]]:
        """Return what is published, each with the aggregate that keeps it until then."""
        return self.events() if self.told is None else self.told

    def events(self) -> Sequence[tuple[Any, AnyAggregateEvent]]:
        """Return the pending events, each with the aggregate that recorded it."""
        aggregates = (*self.before, self.aggregate) if self.before else (self.aggregate,)
        return [(aggregate, event) for aggregate in aggregates for event in pending_events(aggregate)]
