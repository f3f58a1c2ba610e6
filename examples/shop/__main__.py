"""Four customers: one who pays, one whose card is declined, one whose bank does not pay, one who wants too much."""

from __future__ import annotations

import asyncio
import logging
import sys

from prometheus_client import CollectorRegistry, generate_latest

from dddkit.stories import LoggingHook, Story, inject_hooks
from dddkit.stories.prometheus import PrometheusMetricsHook

from .basket import Basket, BasketId, Line
from .checkout import Checkout
from .money import Money
from .order import OrderId
from .payment import Authorize, BankClosedError, CardDeclinedError, CardToken
from .shop import POOR, RICH, Shop, open_shop
from .stock import ProductId, SoldOutError

TEAPOT = ProductId("teapot")
CUP = ProductId("cup")
REFUSALS = (CardDeclinedError, SoldOutError)
"""Outcomes of a sale that are no faults of the shop."""


async def fill_basket(shop: Shop, basket_id: BasketId, teapots: int, cups: int) -> None:
    basket = Basket(basket_id=basket_id)
    basket.add(Line(product_id=TEAPOT, price=Money(39_50), quantity=teapots))
    basket.add(Line(product_id=CUP, price=Money(4_25), quantity=cups))
    async with shop.make_unit() as unit:
        await unit.baskets.save(basket)
        await unit.commit()


async def buy(shop: Shop, number: int, card: CardToken) -> None:
    state = Checkout.State(card=card, basket_id=BasketId(number), order_id=OrderId(number))
    await shop.checkout(state)


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    registry = CollectorRegistry()
    inject_hooks(Story, [PrometheusMetricsHook(app_name="shop", registry=registry, expected=REFUSALS)])
    inject_hooks(Checkout)
    inject_hooks(Authorize)
    for story in (Checkout, Authorize):
        inject_hooks(story, [LoggingHook(expected=REFUSALS)])
    asyncio.run(serve_customers())
    show_metrics(registry)


async def serve_customers() -> None:
    async with open_shop() as shop:
        await sell(shop)
        await meet_a_declined_card(shop)
        await meet_a_closed_bank(shop)
        await run_out_of_stock(shop)


async def show_what_is_left(shop: Shop, number: int) -> None:
    """Show what is in the database once the letters are written, and what is held at the bank."""
    await shop.wait_for_letters()
    async with shop.make_unit() as unit:
        print(f"basket:  {await unit.baskets.get(BasketId(number))}")
        print(f"order:   {await unit.orders.get(OrderId(number))}")
        print(f"shelf:   {await unit.products.get(TEAPOT)}")
        print(f"letters: {await unit.letters.get(OrderId(number))}")
    print(f"held:    {shop.bank.held}")


async def sell(shop: Shop) -> None:
    story_log = logging.getLogger("dddkit.stories.story")
    print("== A customer who pays; the log at DEBUG shows each step ==")
    await fill_basket(shop, BasketId(1), teapots=2, cups=4)
    story_log.setLevel(logging.DEBUG)
    await buy(shop, 1, RICH)
    story_log.setLevel(logging.INFO)
    await show_what_is_left(shop, 1)
    print(f"office:  {shop.office}")


async def meet_a_declined_card(shop: Shop) -> None:
    print("\n== A customer whose card is declined: no fault, so the log has no traceback; nothing is left behind ==")
    await fill_basket(shop, BasketId(2), teapots=1, cups=2)
    try:
        await buy(shop, 2, POOR)
    except CardDeclinedError as error:
        print(f"refused: {error}")
    await show_what_is_left(shop, 2)


async def meet_a_closed_bank(shop: Shop) -> None:
    print("\n== A customer whose bank does not pay out: what was done is undone ==")
    await fill_basket(shop, BasketId(3), teapots=1, cups=0)
    shop.bank.pays_out = False
    try:
        await buy(shop, 3, RICH)
    except BankClosedError as error:
        print(f"failed:  {error}")
    shop.bank.pays_out = True
    await show_what_is_left(shop, 3)


async def run_out_of_stock(shop: Shop) -> None:
    print("\n== A customer who wants more than there is ==")
    await fill_basket(shop, BasketId(4), teapots=3, cups=0)
    try:
        await buy(shop, 4, RICH)
    except SoldOutError as error:
        print(f"refused: {error}")


def show_metrics(registry: CollectorRegistry) -> None:
    print("\n== What Prometheus hears of it: all runs, and the steps that did not complete ==")
    for line in generate_latest(registry).decode().splitlines():
        name, _, labels = line.partition("{")
        is_shown = "step_name" not in labels or "completed" not in labels
        if name.endswith("_latency_ms_count") and is_shown and not line.endswith(" 0.0"):
            print(line)


if __name__ == "__main__":
    main()
