"""Two processes of the shop are killed, each where it hurts most: no letter gets lost, and none is written twice.

Run it with `python -m examples.killed`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from sqlalchemy import select

from dddkit.sqlalchemy import embedded

from .killing import hang, kill_where_it_hangs
from .shop.letters import Letters
from .shop.money import Money
from .shop.order import Order, OrderId
from .shop.payment import HoldId
from .shop.shop import open_shop
from .shop.unit import ShopUnit, metadata

ORDER: Final = OrderId(1)


def main() -> None:
    with TemporaryDirectory() as folder:
        database = Path(folder, "shop.sqlite")

        print("The 1st process stores an order. It is killed before anything is published:")
        kill_where_it_hangs("examples.killed", "place", str(database))
        asyncio.run(show_what_is_left(database))

        print("\nThe 2nd one publishes. It is killed when the letter is written, and the message not deleted yet:")
        kill_where_it_hangs("examples.killed", "write", str(database))
        asyncio.run(show_what_is_left(database))

        print("\nThe 3rd one publishes the message again, and the consumer knows it from its inbox:")
        asyncio.run(write(database))
        asyncio.run(show_what_is_left(database))


def hang_at(event: object) -> None:
    """Stop the relay too. A handler of the broker runs when the unit has committed."""
    hang(type(event).__qualname__)


async def place(database: Path) -> None:
    async with open_shop(database) as shop:
        shop.broker.subscribe(Order.Placed, hang_at)
        async with shop.make_unit() as unit:
            await unit.orders.save(Order.place(ORDER, Money(39_50), HoldId("hold-1")))
            await unit.commit()


async def write(database: Path, *, hangs: bool = False) -> None:
    async with open_shop(database) as shop:
        if hangs:
            shop.broker.subscribe(Letters.Written, hang_at)
        await shop.wait_for_letters()


async def show_what_is_left(database: Path) -> None:
    engine = embedded(database, metadata)
    async with ShopUnit(engine, read_only=True) as unit:
        messages = ShopUnit.outbox.table.c
        waiting = await (await unit.connection()).execute(select(messages.type, messages.subject))
        print(f"order:   {await unit.orders.get(ORDER)}")
        print(f"outbox:  {', '.join(f'{kind} ({subject})' for kind, subject in waiting) or 'empty'}")
        print(f"letters: {await unit.letters.get(ORDER)}")
    await engine.dispose()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["place", file]:
            asyncio.run(place(Path(file)))
        case ["write", file]:
            asyncio.run(write(Path(file), hangs=True))
        case _:
            main()
