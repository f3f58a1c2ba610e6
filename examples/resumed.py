"""A process is killed in the middle of a checkout: another one goes on with it, and the customer pays once.

Run it with `python -m examples.resumed`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from dbos import DBOS
from pydantic import TypeAdapter

from dddkit.stories import StepExecutionInfo, Story, StoryExecutionContext, inject_hooks
from dddkit.stories.dbos import Durable, Worker, settings

from .killing import hang, kill_where_it_hangs
from .shop.basket import Basket, BasketId, Line
from .shop.checkout import Checkout
from .shop.durable import durable
from .shop.money import Money
from .shop.order import OrderId
from .shop.payment import DemoBank, HoldId
from .shop.shop import RICH, Shop, open_shop
from .shop.stock import ProductId

RUN: Final = "order-1"
BOOKS: Final = TypeAdapter(DemoBank)


@dataclass
class Bank(DemoBank):
    """The bank is not the shop: its books are in a file, and outlive the processes of the shop."""

    file: Path = field(kw_only=True)
    hangs: bool = field(default=False, kw_only=True)

    async def capture(self, hold_id: HoldId, key: str) -> None:
        print(f"bank:    {'has paid out' if key in self.answered else 'pays out'} under the key {key}", flush=True)
        await super().capture(hold_id, key)
        self.file.write_bytes(BOOKS.dump_json(self))
        if self.hangs:
            hang("Bank.capture")


class Told:
    """Says which steps run in this process."""

    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        print(f"runs:    {context.story_name}.{step.step_name}", flush=True)


def main() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        print("The 1st process is killed when the bank has paid out, and before anybody in the shop knows of it:")
        kill_where_it_hangs("examples.resumed", "start", name)
        asyncio.run(go_on(folder))


@asynccontextmanager
async def open_durable_shop(
    folder: Path, *, hangs: bool = False
) -> AsyncGenerator[tuple[Shop, Durable[Checkout.State]]]:
    bank = Bank({RICH: Money(500_00)}, file=folder / "bank.json", hangs=hangs)
    if bank.file.exists():
        vars(bank).update(vars(BOOKS.validate_json(bank.file.read_bytes())))
    inject_hooks(Story, [Told()])
    async with open_shop(folder / "shop.sqlite", bank) as shop:
        DBOS(config=settings("shop", f"sqlite:///{folder / 'runs.sqlite'}"))
        checkout = durable(shop.checkout)
        async with Worker():
            yield shop, checkout


async def start(folder: Path) -> None:
    async with open_durable_shop(folder, hangs=True) as (shop, checkout):
        basket = Basket(basket_id=BasketId(1))
        basket.add(Line(product_id=ProductId("teapot"), price=Money(39_50)))
        async with shop.make_unit() as unit:
            await unit.baskets.save(basket)
            await unit.commit()
        state = Checkout.State(card=RICH, basket_id=BasketId(1), order_id=OrderId(1))
        await checkout.astart(state, id=RUN)
        await checkout.aresult(RUN)


async def go_on(folder: Path) -> None:
    async with open_durable_shop(folder) as (shop, checkout):
        print(f"\nThe 2nd one finds the run in the database: {(await checkout.astatus(RUN)).name}", flush=True)
        await checkout.aresult(RUN)
        await shop.wait_for_letters()
        print(f"status:  {(await checkout.astatus(RUN)).name}")
        async with shop.make_unit() as unit:
            print(f"order:   {await unit.orders.get(OrderId(1))}")
            print(f"letters: {await unit.letters.get(OrderId(1))}")
        print(f"balance: {shop.bank.balances[RICH]} of 500.00")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["start", file]:
            asyncio.run(start(Path(file)))
        case _:
            main()
