"""A shop whose events come back as messages: tests of consumers are written once, for both flavours and databases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dddkit.messages import Message
from dddkit.sqlalchemy import Consumer
from tests.blocks.flavours import Dataclasses, Flavour, Pydantic
from tests.persistence.shops import Shop
from tests.servers.databases import Database, SQLite

__all__ = ["added", "adding", "consumer_of", "consuming", "items"]


def _cases(databases: tuple[str, ...]) -> Iterator[Any]:
    for database in databases:
        for flavour in (Dataclasses, Pydantic):
            marks = pytest.mark.slow if database == "postgresql" else ()
            yield pytest.param((flavour, database), marks=marks, id=f"{flavour.name}-{database}")


def consuming(*databases: str) -> Callable[[Callable[[Shop], Awaitable[None]]], Callable[..., None]]:
    """Run the test in both flavours on these databases (without any: on both); one flavour has SQLite in memory."""

    def decorate(scenario: Callable[[Shop], Awaitable[None]]) -> Callable[..., None]:
        @pytest.mark.parametrize("case", [*_cases(databases or ("sqlite", "postgresql"))])
        def test(case: tuple[type[Flavour], str], tmp_path: Path, request: pytest.FixtureRequest) -> None:
            flavour, name = case
            database: Database
            if name == "postgresql":
                database = request.getfixturevalue("postgresql")
            else:
                in_memory = flavour is Dataclasses and name == "sqlite"
                database = SQLite(":memory:" if in_memory else str(tmp_path / "shop.sqlite"))
            shop = Shop(flavour, database, is_async=True)

            async def run() -> None:
                try:
                    await scenario(shop)
                finally:
                    await shop.dispose()

            asyncio.run(run())

        test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
        test.__module__ = scenario.__module__
        return test

    return decorate


def consumer_of(shop: Shop, name: str = "refunds", **arguments: Any) -> Consumer[Any]:
    """Return a consumer without handlers, whose units are those of the shop."""
    return Consumer(name, shop.catalog, lambda: shop.unit(), **arguments)


def added(shop: Shop, item: str = "tea") -> Message:
    """Return the message of an event, new each time."""
    return shop.catalog.encode(shop.Basket.ItemAdded(item=item), "baskets/1")


def adding(shop: Shop, consumer: Consumer[Any], identity: int = 7) -> None:
    """Let the consumer put each item into a basket of its own; the basket records an event of that."""

    @consumer.on(shop.Basket.ItemAdded)
    async def add(event: Any, unit: Any) -> None:
        basket = await unit.baskets.get(identity) or shop.Basket(basket_id=identity)
        basket.add(event.item)
        await unit.baskets.save(basket)


async def items(shop: Shop, identity: int = 7) -> list[str]:
    """Return what the consumer has put into its basket."""
    basket = await shop.stored(identity)
    return [] if basket is None else list(basket.items)
