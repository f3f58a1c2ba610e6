"""The contracts of repositories: what every one keeps to, in memory, on a database, or written by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Generic

from dddkit._core.repository import Repository, SyncRepository
from dddkit.testing import _opened
from dddkit.testing._facts import AggregateT, Facts, IdT

__all__ = ["RepositoryContract", "SyncRepositoryContract"]


class RepositoryContract(Facts[AggregateT, IdT], Generic[AggregateT, IdT]):
    """The tests that every repository passes. Derive a test class from it, and say how to open yours:

        class TestOrders(RepositoryContract[Order, OrderId]):
            @asynccontextmanager
            async def open(self) -> AsyncGenerator[Repository[Order, OrderId]]:
                async with connect() as connection:
                    yield Orders(connection)
                    await connection.commit()

            def new(self) -> Order:
                return Order(order_id=OrderId(uuid4()), lines=[Line(product_id=TEAPOT, price=Decimal("12.50"))])

            def change(self, order: Order) -> None:
                order.cancel()

    What was done in a block of `open()` is stored when it ends; every fact is about what the next block reads. A
    ConcurrencyError may come from the call, or from the end of the block. The stores need not be empty, as long as
    `new()` gives identities that were never used. What `save` has stored is as the object is afterwards: a repository
    that keeps the version in a field of the aggregate writes the new one there. Where `save` gives the identity, let
    `new()` leave it None; the facts that need one before are skipped.

    `versions = False` in the class skips the facts about changes that others have made meanwhile.

    The tests are plain methods, each with an event loop of its own, and need no plugin of pytest. For unittest, write
    `class OrdersTest(RepositoryContract[Order, OrderId], TestCase)`.
    """  # noqa: D415  # the example belongs to the sentence

    def open(self) -> AbstractAsyncContextManager[Repository[AggregateT, IdT]]:
        """Return an async context manager that yields a repository; what was done is stored when it ends."""
        raise self._lacks("open(self)", "returns an async context manager that yields the repository")

    def _opened(self) -> AbstractAsyncContextManager[_opened.Repository]:
        return _opened.OpenedAsync(self.open, type(self).__qualname__)

    def _run(self, work: Coroutine[Any, Any, Exception | None]) -> Exception | None:
        return asyncio.run(work)


class SyncRepositoryContract(Facts[AggregateT, IdT], Generic[AggregateT, IdT]):
    """RepositoryContract for a repository with sync methods: `open()` returns a context manager."""

    def open(self) -> AbstractContextManager[SyncRepository[AggregateT, IdT]]:
        """Return a context manager that yields a repository; what was done is stored when it ends."""
        raise self._lacks("open(self)", "returns a context manager that yields the repository")

    def _opened(self) -> AbstractAsyncContextManager[_opened.Repository]:
        return _opened.OpenedSync(self.open, type(self).__qualname__)

    def _run(self, work: Coroutine[Any, Any, Exception | None]) -> Exception | None:
        try:
            work.send(None)  # nothing in it waits, so it ends here
        except StopIteration as ended:
            outcome: Exception | None = ended.value
            return outcome
        raise AssertionError("a sync contract has waited")
