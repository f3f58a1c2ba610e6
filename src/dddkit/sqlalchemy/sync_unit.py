"""The unit of work, for synchronous code."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from dddkit._awaitables import dispose, is_async, is_unfinished
from dddkit._callables import display_name
from dddkit._core.broker import EventBroker
from dddkit._core.recording import Recording
from dddkit._typing import Self
from dddkit.sqlalchemy._calls import SyncCalls
from dddkit.sqlalchemy._repositories import SyncTableRepository, SyncUnitRepository
from dddkit.sqlalchemy._unit_class import AnyUnit

if TYPE_CHECKING:
    from dddkit.sqlalchemy._storage import Storage, TableStorage

__all__ = ["SyncUnitOfWork"]

AggregateT = TypeVar("AggregateT", bound=Recording)
E = TypeVar("E")
UnitT = TypeVar("UnitT", bound="SyncUnitOfWork")


class SyncUnitOfWork(AnyUnit):
    """Stores what a block of code changes, with the events of it, in one transaction: all of it, or nothing.

        class ShopUnit(SyncUnitOfWork):
            orders = Documents[Order, OrderId](metadata)

        with ShopUnit(engine) as unit:
            order = unit.orders.get(order_id)
            if order is not None:
                order.cancel()
                unit.commit()

    It is UnitOfWork without `await`, on an Engine. Subscribers of the broker are sync, or the commit is refused.
    """

    _is_async: ClassVar[bool] = False

    def __init__(self, engine: Engine, *, read_only: bool = False, broker: EventBroker | None = None) -> None:
        super().__init__(engine, read_only=read_only, broker=broker)
        self._calls: Final = SyncCalls(engine, self._usage, self._work)

    @classmethod
    def on(
        cls: type[UnitT], event_class: type[E], /
    ) -> Callable[[Callable[[E, UnitT], None]], Callable[[E, UnitT], None]]:
        """Register what runs in the same transaction, before the commit, when an aggregate has recorded such an event.

        Raises:
            TypeError: the reaction is async.
        """

        def register(function: Callable[[E, UnitT], None]) -> Callable[[E, UnitT], None]:
            if is_async(function):
                raise TypeError(_async_reaction(cls, function))
            cls._register(event_class, function)
            return function

        return register

    def commit(self) -> None:
        """Store what has changed, with its events, and end the unit.

        Raises:
            ConcurrencyError: somebody else has changed or deleted one of the aggregates, or taken its identity.
            TypeError: a subscriber is async.
            UnitError: an aggregate does not fit its class, or its table is missing.
            UnnamedEventError: the catalog of the outbox does not know an event.
        """
        work = self._work
        work.refuse_where_read_only("commit")
        self._usage.begin_commit("commit")
        try:
            for function, event in work.reactions(self._all_reactions()):
                if is_unfinished(result := function(event, self)):
                    dispose(result)
                    raise TypeError(_async_reaction(type(self), function))
            with self._usage.of("the end of commit"):
                work.prepare()
                if self._broker is not None:
                    self._reject_async_handlers(self._broker)
                if self._calls.is_connected or not work.is_empty:
                    self._calls.call(work.commit)
                else:
                    work.settle()
        except BaseException:
            if work.is_committed and self._broker is not None:  # cancelled or interrupted before it was published
                self._restore(self._events_to_publish())
            raise
        finally:
            self._usage.end("committed" if work.is_committed else "ended by an error")
            self._calls.close()
        if self._broker is not None:
            self._publish_events(self._broker)

    def rollback(self) -> None:
        """Undo what the unit has changed in the database, and end it. The events stay pending on the objects."""
        self._usage.begin_commit("rollback")
        self._usage.end("rolled back")
        self._calls.close()

    def once(self, key: str, /) -> bool:
        """Note the key in the inbox, in this transaction; return False when it was there."""
        with self._usage.of("once"):
            return self._calls.call(self._work.once, key)

    def connection(self) -> Connection:
        """Return the connection, for statements of your own in this transaction. The unit commits and closes it.

        What they have changed needs a commit like everything else: a block that is left without is an
        UncommittedChangesError. No version moves: who has read such a row as an aggregate does not find out.
        """
        with self._usage.of("connection"):
            return self._calls.connection()

    def session(self) -> Session:
        """Return the session in which mapped aggregates are read, for statements of your own in this transaction.

        It flushes when you tell it to. The unit commits and closes it.
        """
        with self._usage.of("session"):
            return self._mapped_objects().on(self._calls.connection())

    def __enter__(self) -> Self:
        self._usage.enter("with")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._usage.is_open:
            return
        uncommitted = self._uncommitted() if kind is None else None
        self._usage.end("rolled back" if kind is None else "ended by an error")
        self._calls.close()
        if uncommitted is not None:
            raise uncommitted

    def _repository(self, storage: Storage[AggregateT]) -> SyncUnitRepository[AggregateT, Any]:
        return SyncUnitRepository(self._calls, storage)

    def _table_repository(self, storage: TableStorage[AggregateT]) -> SyncTableRepository[AggregateT, Any]:
        return SyncTableRepository(self._calls, storage)

    def _reject_async_handlers(self, broker: EventBroker) -> None:
        why = (
            f"{type(self).__qualname__} publishes to sync handlers; derive it from UnitOfWork for async ones; "
            "nothing was committed"
        )
        broker._reject_async_handlers([event for _, event in self._work.events], why)  # pyright: ignore[reportPrivateUsage]  # for our own packages

    def _publish_events(self, broker: EventBroker) -> None:
        events = self._events_to_publish()
        while events:
            _, event = events.pop(0)
            try:
                broker._publish_optional(event)  # pyright: ignore[reportPrivateUsage]  # for our own packages
            except BaseException:
                self._restore(events)
                raise


def _async_reaction(unit: type, function: object) -> str:
    return (
        f"{unit.__qualname__}: {display_name(function)} is async, and a SyncUnitOfWork does not await; write it with "
        f"`def`, or derive {unit.__qualname__} from UnitOfWork"
    )
