"""The order that a checkout creates, and the repository that stores it in SQLite."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatchmethod
from sqlite3 import Connection
from typing import NamedTuple, NewType

from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler, SyncRepository

from .money import Money
from .payment import HoldId

OrderId = NewType("OrderId", int)


@dataclass(kw_only=True)
class Order(Aggregate):
    """A purchase and its payment."""

    order_id: OrderId
    total: Money
    hold_id: HoldId
    cancelled: bool = False

    @dataclass(frozen=True, kw_only=True)
    class Placed(AggregateEvent):
        """The customer placed the order."""

        order_id: OrderId
        total: Money

    @dataclass(frozen=True, kw_only=True)
    class Cancelled(AggregateEvent):
        """The order is not paid, or not wanted any more."""

        order_id: OrderId
        total: Money

    @classmethod
    def place(cls, order_id: OrderId, total: Money, hold_id: HoldId) -> Order:
        order = cls(order_id=order_id, total=total, hold_id=hold_id)
        order.add_event(cls.Placed(order_id=order_id, total=total))
        return order

    def cancel(self) -> None:
        """Cancel the order; nothing happens to one that is cancelled already."""
        if not self.cancelled:
            self.cancelled = True
            self.add_event(self.Cancelled(order_id=self.order_id, total=self.total))


class Rows(NamedTuple):
    """The rows to insert and to update for the events of an order."""

    new: list[tuple[int, int, str]]
    cancelled: list[tuple[int]]


class OrderRows(ChangesHandler[Order, Rows]):
    """Turns the events of an order into rows."""

    result_type = Rows
    new: list[tuple[int, int, str]]
    cancelled: list[tuple[int]]

    def _clear_state(self) -> None:
        self.new = []
        self.cancelled = []

    @singledispatchmethod
    def handle_changes(self, event: AggregateEvent, aggregate: Order) -> None:
        raise NotImplementedError

    @handle_changes.register
    def _(self, event: Order.Placed, aggregate: Order) -> None:
        self.new.append((event.order_id, event.total.cents, aggregate.hold_id))

    @handle_changes.register
    def _(self, event: Order.Cancelled, aggregate: Order) -> None:
        self.cancelled.append((event.order_id,))


class SqliteOrders(SyncRepository[Order, OrderId]):
    """Stores orders in a SQLite table."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows = OrderRows()
        connection.execute(
            "create table if not exists orders (id integer primary key, cents integer, hold text, cancelled integer)"
        )

    def save(self, aggregate: Order) -> None:
        # The block of `rows` ends after the transaction: if the commit fails, the events stay pending.
        with self._rows as rows, self._connection:
            changes = rows(aggregate)
            self._connection.executemany("insert into orders values (?, ?, ?, 0)", changes.new)
            self._connection.executemany("update orders set cancelled = 1 where id = ?", changes.cancelled)

    def get(self, aggregate_id: OrderId) -> Order | None:
        query = "select cents, hold, cancelled from orders where id = ?"
        row: tuple[int, str, int] | None = self._connection.execute(query, (aggregate_id,)).fetchone()
        if row is None:
            return None
        cents, hold, cancelled = row
        return Order(order_id=aggregate_id, total=Money(cents), hold_id=HoldId(hold), cancelled=bool(cancelled))

    def delete(self, aggregate: Order) -> None:
        with self._connection:
            self._connection.execute("delete from orders where id = ?", (aggregate.order_id,))
