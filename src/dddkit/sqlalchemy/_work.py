"""What happens in a unit of work, once for both kinds: the units call it on a connection, with `await` or without."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Connection, Transaction, select

from dddkit._core.events import AnyAggregateEvent
from dddkit._core.recording import Recording, discard, pending_events
from dddkit._core.versions import set_version
from dddkit.exceptions import ConcurrencyError, UnitError
from dddkit.sqlalchemy._errors import TRANSACTION_FAILED
from dddkit.sqlalchemy._ordering import Write
from dddkit.sqlalchemy._reactions import Reaction, calls_of_reactions
from dddkit.sqlalchemy._storage import HeldByUnit, Key, Storage, TableStorage, Tracked, Unassigned
from dddkit.sqlalchemy._tracking import Tracking
from dddkit.sqlalchemy._writing import write

if TYPE_CHECKING:
    from typing import Concatenate

    from sqlalchemy import SQLColumnExpression
    from typing_extensions import ParamSpec

    from dddkit.messages.catalog import EncodedMessage
    from dddkit.sqlalchemy.inbox import Inbox
    from dddkit.sqlalchemy.outbox import Outbox

    P = ParamSpec("P")

__all__ = ["TO_READ", "Work"]

AggregateT = TypeVar("AggregateT", bound=Recording)
T = TypeVar("T")

TO_READ: Final = object()
"""The answer of `known` for what has to be read first."""


class Work:
    """The state of one unit: what it tracks and what it publishes. Its methods wait for the database alone."""

    __slots__ = (
        "_events",
        "_inbox",
        "_is_told_anew",
        "_messages",
        "_noted",
        "_outbox",
        "_published",
        "_writes",
        "given_out",
        "has_failed",
        "held",
        "is_committed",
        "is_read_only",
        "is_storing",
        "is_undone",
        "own_changes",
        "tracking",
        "unit",
    )

    def __init__(self, unit: str, outbox: Outbox | None, inbox: Inbox | None, *, is_read_only: bool) -> None:
        self.unit: Final = unit
        self.tracking: Final = Tracking(unit, is_read_only=is_read_only)
        self.is_read_only: Final = is_read_only
        self.is_committed = False
        self.given_out: Transaction | None = None
        """The transaction, where the user has statements of his own in it."""
        self.has_failed = False
        """Whether a statement has failed, perhaps with the transaction."""
        self.is_undone = False
        """Whether a session has rolled the transaction back, after a flush that failed."""
        self.is_storing = False
        """Whether a COMMIT has been sent; then it has to be known what has become of it."""
        self.own_changes: Final[dict[str, None]] = {}
        """Which kinds of statements of the user's own have changed something, in order."""
        self.held: Final[dict[object, HeldByUnit]] = {}
        """What kinds of repositories keep for as long as the unit lives, each under a key of its own."""
        self._outbox: Final = outbox
        self._inbox: Final = inbox
        self._noted: Final[list[str]] = []
        self._published: Final[list[EncodedMessage]] = []
        self._writes: list[Write] = []
        self._events: list[tuple[Recording | None, object]] = []
        self._messages: list[EncodedMessage] = []
        self._is_told_anew = False
        """Whether the database gives the identity of an aggregate, which is the subject of its messages."""

    def refuse_where_read_only(self, operation: str) -> None:
        if self.is_read_only:
            raise UnitError(
                self.unit, f"{operation} in a unit that only reads; make one without read_only=True to change something"
            )

    # Reading

    def known(self, storage: Storage[AggregateT], key: Key, *, lock: bool = False) -> Any:
        """Return the aggregate, or None where the unit has deleted it; TO_READ where the row has to be read first.

        To lock one it has to be read, but for a new one, which has no row.
        """
        if lock:
            self.refuse_where_read_only("get(..., lock=True)")
            if not storage.can_lock:
                raise UnitError(self.unit, storage.no_lock())
        tracked = self.tracking.find(storage, key)
        if tracked is None or (lock and tracked.expected is not None):
            return TO_READ
        return None if tracked.is_deleted else tracked.aggregate

    def get(self, connection: Connection, storage: Storage[AggregateT], key: Key, lock: bool) -> AggregateT | None:
        if not storage.is_storable(key):
            return None
        tracked = self.tracking.find(storage, key) if lock else None
        if tracked is not None:
            version = storage.versions_locked(connection, [key]).get(key)
            if version != tracked.expected:
                raise ConcurrencyError(tracked.aggregate, tracked.expected, version)
            return None if tracked.is_deleted else tracked.aggregate
        row = storage.row(connection, key, lock)
        return None if row is None else self.tracking.load(storage, row)

    def get_many(
        self, connection: Connection, storage: Storage[AggregateT], keys: Sequence[Key]
    ) -> dict[Key, AggregateT]:
        """Return those that are stored, of keys that the unit does not know."""
        keys = list(filter(storage.is_storable, keys))
        found = {row.key: self.tracking.load(storage, row) for row in storage.rows(connection, keys)}
        if found.keys() - {*keys}:  # the database writes some in another way: of CHAR(n), or without regard to case
            rows = {key: storage.row(connection, key, False) for key in keys if key not in found}
            found.update((key, self.tracking.load(storage, row)) for key, row in rows.items() if row is not None)
        return found

    def find(
        self,
        connection: Connection,
        storage: TableStorage[AggregateT],
        where: Sequence[SQLColumnExpression[bool]],
        order_by: Sequence[SQLColumnExpression[Any]],
        limit: int | None,
    ) -> list[AggregateT]:
        for condition in where:
            if isinstance(condition, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
                raise TypeError(
                    f"find of {storage.name} takes conditions on the columns of `{storage.name}.table`, and got "
                    f"{condition}"
                )
        if limit is not None and limit < 0:
            raise ValueError(f"find of {storage.name}: limit is how many to return at most, and got {limit}")
        met: list[AggregateT] = []
        for row in storage.find(connection, where, order_by, limit):
            tracked = self.tracking.find(storage, row.key)
            if tracked is None:
                met.append(self.tracking.load(storage, row))
            elif not tracked.is_deleted:
                met.append(tracked.aggregate)
        return met

    # Changing

    def save(self, storage: Storage[AggregateT], aggregate: AggregateT) -> None:
        self.refuse_where_read_only(f"{storage.name}.save")
        if storage.watches:
            storage.admit(aggregate)
            storage.attach(self.tracking.save(storage, aggregate))
        else:
            self.tracking.save(storage, aggregate)

    def delete(self, storage: Storage[AggregateT], aggregate: AggregateT) -> None:
        self.refuse_where_read_only(f"{storage.name}.delete")
        if storage.watches:
            storage.admit(aggregate)
        self.tracking.delete(storage, aggregate)

    def once(self, connection: Connection, key: str, consumer: str = "") -> bool:
        self.refuse_where_read_only("once")
        if self._inbox is None:
            raise UnitError(self.unit, "once needs an inbox; declare `inbox = Inbox(metadata)` in the class")
        own = len(self.own_changes)
        is_new = self._inbox._note(connection, consumer, key)  # pyright: ignore[reportPrivateUsage]  # for units
        if is_new:
            self._noted.append(key)
            if len(self.own_changes) > own:  # it was seen too
                self.own_changes.popitem()
        return is_new

    def publish(self, event: object, subject: str | None) -> None:
        self.refuse_where_read_only("publish")
        if self._outbox is None:
            raise UnitError(
                self.unit, "publish needs an outbox; declare `outbox = Outbox(metadata, catalog)` in the class"
            )
        self._published.append(self._outbox.catalog._encode_json(event, subject))  # pyright: ignore[reportPrivateUsage]  # for units

    def changes(self) -> tuple[list[object], list[str]]:
        """Return the aggregates that have changed, and what else has to be committed, in words."""
        self._meet()
        aggregates = [tracked.aggregate for tracked in self.tracking if self._seems_changed(tracked)]
        others = [f"the published {message.type}" for message in self._published]
        others += [f"the noted key {key!r}" for key in self._noted]
        for held in self.held.values():
            others += held.changes()
        return aggregates, others + [f"{statement} on its connection" for statement in self.own_changes]

    def _meet(self) -> None:
        for held in self.held.values():
            held.meet()

    def _seems_changed(self, tracked: Tracked) -> bool:
        try:
            return tracked.is_changed(self.unit)
        except UnitError:  # it does not fit its class any more
            return True

    # Committing

    def reactions(self, reactions: Sequence[Reaction]) -> Iterator[tuple[Callable[[Any, Any], Any], AnyAggregateEvent]]:
        self._meet()
        return calls_of_reactions(self.unit, reactions, self.tracking)

    def prepare(self) -> None:
        """Make what is to be written; nothing of it needs the database.

        Raises:
            UnitError: an aggregate cannot be stored as it is.
            UnnamedEventError: the catalog does not know an event.
        """
        self._meet()
        self._writes, self._events, self._messages = [], [], []
        for tracked in self.tracking:
            tracked.validate(self.unit)
            if tracked.is_changed(self.unit):
                tracked.storage.prepare(self.unit, tracked)
                self._writes.append(Write(tracked))
                if events := tracked.published():
                    self._events += events
                    self._messages += self._messages_of(tracked, events)
                    if type(tracked.key) is Unassigned:
                        self._is_told_anew = True
        self._messages += self._published

    def _messages_of(
        self, tracked: Tracked, events: Sequence[tuple[Recording | None, object]]
    ) -> Sequence[EncodedMessage]:
        if self._outbox is None:
            return ()
        subject = f"{tracked.storage.name}/{tracked.key}"
        encode, is_private = self._outbox.catalog._encode_json, self._outbox.catalog._is_private  # pyright: ignore[reportPrivateUsage]  # for units
        return [encode(event, subject) for _, event in events if not is_private(type(event))]

    @property
    def events(self) -> list[tuple[Recording | None, object]]:
        """The events of what is committed, each with the aggregate that keeps it until then."""
        return self._events

    @property
    def has_outbox(self) -> bool:
        return self._outbox is not None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        if self._writes or self._messages:
            return False
        return not (self.held and any(held.changes() for held in self.held.values()))

    def commit(self, connection: Connection) -> None:
        """Write and commit; then the objects know their new versions, and their events are no longer pending."""
        if self.has_failed or self.given_out is not None:
            self.check_transaction(connection)
        write(connection, self.unit, self._writes)
        if self.held:
            for held in self.held.values():
                held.write_others(connection)
        if self._is_told_anew:
            written = [message for one in self._writes for message in self._messages_of(one.of, one.of.published())]
            self._messages = [*written, *self._published]
        for one in self._writes:
            if one.of.storage.verifies:
                one.of.storage.verify(connection, self.unit, one.of)
        if self._outbox is not None:
            self._outbox._write(connection, self._messages)  # pyright: ignore[reportPrivateUsage]  # for units
        if self.held and any(held.may_hide_errors for held in self.held.values()):
            self.check_transaction(connection, is_last=not self._messages)
        self.is_storing = True
        connection.commit()
        self.settle()
        connection.close()
        if self._outbox is not None and self._messages:
            self._outbox._wake()  # pyright: ignore[reportPrivateUsage]  # for units

    def checked(self, function: Callable[Concatenate[Connection, P], T]) -> Callable[Concatenate[Connection, P], T]:
        """Return the function of a call after a failed one: where the transaction has ended, it is refused."""

        def call(connection: Connection, /, *args: P.args, **kwargs: P.kwargs) -> T:
            self.check_transaction(connection)
            return function(connection, *args, **kwargs)

        return call

    def check_transaction(self, connection: Connection, *, is_last: bool = False) -> None:
        """Refuse to go on with what is left of a transaction: SQLite would store each statement by itself.

        Raises:
            UnitError: it was ended by hand; a statement of it has failed, and the database has undone all of them.
        """
        if self.is_undone:
            raise UnitError(self.unit, TRANSACTION_FAILED)
        if self.given_out is not None and connection.get_transaction() is not self.given_out:
            raise UnitError(
                self.unit,
                "its transaction was ended by commit or rollback of its connection; leave both to the unit, so that "
                "all of it is stored or nothing",
            )
        if connection.dialect.name == "sqlite":
            driver: Any = connection.connection.driver_connection  # Any: of sqlite3 or aiosqlite
            if not driver.in_transaction:
                raise UnitError(self.unit, TRANSACTION_FAILED)
        elif self.is_empty or is_last:  # a COMMIT would be a ROLLBACK, and no error
            connection.execute(select(1))

    def fail(self) -> None:
        """Refuse everything from now on: what the unit has done before is undone."""
        self.has_failed = self.is_undone = True

    def settle(self) -> None:
        self.is_committed = True
        for one in self._writes:
            if one.version is not None and one.of.version is not None:
                set_version(one.of.aggregate, one.of.storage.store, one.of.version)
        by_aggregate: dict[int, tuple[Recording, list[Any]]] = {}
        for aggregate, event in self._events:
            if aggregate is not None:
                by_aggregate.setdefault(id(aggregate), (aggregate, []))[1].append(event)
        for aggregate, events in by_aggregate.values():
            pending = pending_events(aggregate)
            if pending == events:  # the usual case: nothing was recorded meanwhile
                pending.clear()
            else:
                discard(pending, events)

    def release(self) -> None:
        """Give free what is held; the unit has ended. In its own task, where the unit itself was used."""
        with ExitStack() as ends:
            for held in self.held.values():
                ends.callback(held.release, is_committed=self.is_committed)
            self.held.clear()
