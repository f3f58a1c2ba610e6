"""Baskets in two tables of their own, by SQL that somebody has written by hand, in each flavour."""

from __future__ import annotations

from functools import partial, singledispatchmethod
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Integer, MetaData, String, Table, select

from dddkit._core.changes import ChangesHandler
from tests.blocks.flavours import Flavour
from tests.persistence.shops import Model, Shop

__all__ = ["BasketRows", "ByHand", "SqlBaskets", "SqlWithoutLock", "handler_for"]


class BasketRows(NamedTuple):
    items: list[str]


class BasketRowsAndEvents(NamedTuple):
    items: list[str]
    domain_events: list[Any]


def handler_for(flavour: type[Flavour], *, with_events: bool = False) -> Model:
    """Return a handler that folds what was added; with events, each item that was added is an order placed."""

    class Handler(ChangesHandler[Any, Any]):
        result_type = BasketRowsAndEvents if with_events else BasketRows

        def _clear_state(self) -> None:
            self.items: list[str] = []
            self.domain_events: list[Any] = []

        @singledispatchmethod
        def handle_changes(self, event: Any, basket: Any) -> None:
            raise NotImplementedError

        def added(self, event: Any, basket: Any) -> None:
            self.items.append(event.item)
            self.domain_events.append(flavour.Placed(order=basket.basket_id))

        cast("Model", handle_changes).register(flavour.Basket.ItemAdded)(added)

    made: Model = Handler
    return made()


class SqlWithoutLock:
    """Writes the items that were added since the basket was read."""

    def __init__(self, cls: Model, baskets: Table, items: Table) -> None:
        self.cls: Final = cls
        self.baskets: Final = baskets
        self.items: Final = items

    def get(self, connection: Connection, basket_id: int) -> tuple[Any, int] | None:
        version = connection.scalar(select(self.baskets.c.version).where(self.baskets.c.id == basket_id))
        if version is None:
            return None
        items = connection.scalars(
            select(self.items.c.item).where(self.items.c.basket_id == basket_id).order_by(self.items.c.number)
        )
        return self.cls(basket_id=basket_id, items=list(items)), version

    def insert(self, connection: Connection, basket: Any, changes: Any, version: int) -> int | None:
        connection.execute(self.baskets.insert().values(id=basket.basket_id, version=version))
        self.add_items(connection, basket, changes.items)
        return None

    def update(self, connection: Connection, basket: Any, changes: Any, expected: int) -> int:
        where = (self.baskets.c.id == basket.basket_id) & (self.baskets.c.version == expected)
        matched = connection.execute(self.baskets.update().where(where).values(version=expected + 1)).rowcount
        if matched:
            self.add_items(connection, basket, changes.items)
        return matched

    def delete(self, connection: Connection, basket: Any, expected: int) -> int:
        where = (self.baskets.c.id == basket.basket_id) & (self.baskets.c.version == expected)
        return connection.execute(self.baskets.delete().where(where)).rowcount

    def add_items(self, connection: Connection, basket: Any, items: list[str]) -> None:
        if items:
            connection.execute(self.items.insert(), [{"basket_id": basket.basket_id, "item": item} for item in items])


class SqlBaskets(SqlWithoutLock):
    def lock(self, connection: Connection, basket_id: int) -> int | None:
        version: int | None = connection.scalar(
            select(self.baskets.c.version).where(self.baskets.c.id == basket_id).with_for_update()
        )
        return version


class ByHand:
    """What a test declares in its shop, beside its documents."""

    def __init__(self, shop_or_flavour: Shop | type[Flavour], metadata: MetaData) -> None:
        self.flavour: Final = shop_or_flavour.flavour if isinstance(shop_or_flavour, Shop) else shop_or_flavour
        self.baskets: Final = Table(
            "baskets_by_hand",
            metadata,
            Column("id", BigInteger, primary_key=True, autoincrement=False),
            Column("version", BigInteger, nullable=False),
        )
        self.items: Final = Table(
            "items_by_hand",
            metadata,
            Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
            Column[int]("basket_id", ForeignKey(self.baskets.c.id, ondelete="CASCADE"), nullable=False),
            Column("item", String, nullable=False),
        )

    def sql(self, cls: Model = SqlBaskets) -> Model:
        return partial(cls, self.flavour.Basket, self.baskets, self.items)
