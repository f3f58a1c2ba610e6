"""The unit of work, for async code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from dddkit._awaitables import is_unfinished
from dddkit._core.broker import EventBroker
from dddkit._core.recording import Recording
from dddkit._typing import Self
from dddkit.sqlalchemy._calls import AsyncCalls
from dddkit.sqlalchemy._repositories import TableRepository, UnitRepository
from dddkit.sqlalchemy._unit_class import AnyUnit

if TYPE_CHECKING:
    from dddkit.sqlalchemy._storage import Storage, TableStorage

__all__ = ["UnitOfWork"]

AggregateT = TypeVar("AggregateT", bound=Recording)
E = TypeVar("E")
R = TypeVar("R")
UnitT = TypeVar("UnitT", bound="UnitOfWork")


class UnitOfWork(AnyUnit):
    """Stores what a block of code changes, with the events of it, in one transaction: all of it, or nothing.

        class ShopUnit(UnitOfWork):
            outbox = Outbox(metadata, catalog)
            orders = Documents[Order, OrderId](metadata)

        async with ShopUnit(engine) as unit:
            order = await unit.orders.get(order_id)
            if order is not None:
                order.cancel()
                await unit.commit()

    A unit is used once: `commit` and `rollback` end it, and so does an exception that leaves the block. It does one
    thing at a time, in whatever task. When somebody else has changed the same aggregate meanwhile, `commit` raises
    ConcurrencyError, and nothing is stored: repeat the whole block with another unit.

    Args:
        engine: of `embedded`, or an AsyncEngine for PostgreSQL.
        read_only: track nothing, and refuse to change anything.
        broker: publishes the events in this process after the commit, each at most once. An event may have no handler.
            The error of a handler reaches the caller; then `committed` is true.

    Raises:
        TypeError, ValueError: the engine is none for this unit.
        UnnamedEventError: the catalog of the outbox has no name for an event that an aggregate declares.
    """

    _is_async: ClassVar[bool] = True

    def __init__(self, engine: AsyncEngine, *, read_only: bool = False, broker: EventBroker | None = None) -> None:
        super().__init__(engine, read_only=read_only, broker=broker)
        self._calls: Final = AsyncCalls(engine, self._usage, self._work)

    @classmethod
    def on(cls: type[UnitT], event_class: type[E], /) -> Callable[[Callable[[E, UnitT], R]], Callable[[E, UnitT], R]]:
        """Register what runs in the same transaction, before the commit, when an aggregate has recorded such an event.

            @ShopUnit.on(Order.Cancelled)
            async def put_back(event: Order.Cancelled, unit: ShopUnit) -> None: ...

        Reactions run in the order of registration, also to the events that reactions record. A subclass of the event
        counts, and a subclass of the unit inherits them.
        """

        def register(function: Callable[[E, UnitT], R]) -> Callable[[E, UnitT], R]:
            cls._register(event_class, function)
            return function

        return register

    async def commit(self) -> None:
        """Store what has changed, with its events, and end the unit.

        Raises:
            ConcurrencyError: somebody else has changed or deleted one of the aggregates, or taken its identity.
            UnitError: an aggregate does not fit its class, or its table is missing.
            UnnamedEventError: the catalog of the outbox does not know an event.
        """
        work = self._work
        work.refuse_where_read_only("commit")
        self._usage.begin_commit("commit")
        try:
            for function, event in work.reactions(self._all_reactions()):
                if is_unfinished(result := function(event, self)):
                    await result
            with self._usage.of("the end of commit"):
                work.prepare()
                if self._calls.is_connected or not work.is_empty:
                    await self._calls.call(work.commit)
                else:
                    work.settle()
        except BaseException:
            if work.is_committed and self._broker is not None:  # cancelled or interrupted before it was published
                self._restore(self._events_to_publish())
            raise
        finally:
            self._usage.end("committed" if work.is_committed else "ended by an error")
            await self._calls.close()
        if self._broker is not None:
            await self._publish_events(self._broker)

    async def rollback(self) -> None:
        """Undo what the unit has changed in the database, and end it. The events stay pending on the objects."""
        self._usage.begin_commit("rollback")
        self._usage.end("rolled back")
        await self._calls.close()

    async def once(self, key: str, /) -> bool:
        """Note the key in the inbox, in this transaction; return False when it was there.

        What a consumer or a step does once, though it is called again: `if await unit.once(key): ...`
        """
        with self._usage.of("once"):
            return await self._calls.call(self._work.once, key)

    async def _commit_once(self, consumer: str, key: str, handle: Callable[[], Awaitable[None]]) -> None:
        """Note the key for the consumer, handle the message, and commit; do nothing where it was noted before."""
        with self._usage.of("the note of a consumer"):
            is_new = await self._calls.call(self._work.once, key, consumer)
        if not is_new:
            return
        self._usage.consumer = consumer
        try:
            await handle()
        finally:
            self._usage.consumer = ""
        await self.commit()

    async def connection(self) -> AsyncConnection:
        """Return the connection, for statements of your own in this transaction. The unit commits and closes it.

        What they have changed needs a commit like everything else: a block that is left without is an
        UncommittedChangesError. No version moves: who has read such a row as an aggregate does not find out.
        """
        with self._usage.of("connection"):
            return await self._calls.connection()

    async def session(self) -> AsyncSession:
        """Return the session in which mapped aggregates are read, for statements of your own in this transaction.

        It flushes when you tell it to. The unit commits and closes it.
        """
        with self._usage.of("session"):
            connection = await self._calls.connection()
            return self._mapped_objects().async_session(connection)

    async def __aenter__(self) -> Self:
        self._usage.enter("async with")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._usage.is_open:
            return
        uncommitted = self._uncommitted() if kind is None else None
        self._usage.end("rolled back" if kind is None else "ended by an error")
        await self._calls.close()
        if uncommitted is not None:
            raise uncommitted

    def _repository(self, storage: Storage[AggregateT]) -> UnitRepository[AggregateT, Any]:
        return UnitRepository(self._calls, storage)

    def _table_repository(self, storage: TableStorage[AggregateT]) -> TableRepository[AggregateT, Any]:
        return TableRepository(self._calls, storage)

    async def _publish_events(self, broker: EventBroker) -> None:
        events = self._events_to_publish()
        while events:
            _, event = events.pop(0)
            try:
                await broker._apublish_optional(event)  # pyright: ignore[reportPrivateUsage]  # for our own packages
            except BaseException:
                self._restore(events)
                raise
