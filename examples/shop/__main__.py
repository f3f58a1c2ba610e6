"""Three customers: one who pays, one whose card is declined, one who wants more than the stock."""

from __future__ import annotations

import asyncio
import logging
import sys

from prometheus_client import CollectorRegistry, generate_latest

from dddkit.stories import Story, inject_hooks
from dddkit.stories.prometheus import PrometheusMetricsHook

from .basket import Basket, BasketId, Line
from .checkout import Checkout
from .money import Money
from .order import OrderId
from .payment import Authorize, Card, CardDeclinedError
from .shop import POOR, RICH, Shop, open_shop
from .stock import ProductId, SoldOutError

TEAPOT = ProductId("teapot")
CUP = ProductId("cup")


async def fill_basket(shop: Shop, basket_id: BasketId, teapots: int, cups: int) -> None:
    basket = Basket(basket_id=basket_id)
    basket.add(Line(product_id=TEAPOT, price=Money(39_50), quantity=teapots))
    basket.add(Line(product_id=CUP, price=Money(4_25), quantity=cups))
    await shop.baskets.save(basket)


async def buy(shop: Shop, number: int, card: Card) -> Checkout.State:
    state = Checkout.State(card=card, basket_id=BasketId(number), order_id=OrderId(number))
    await shop.checkout(state)
    return state


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    registry = CollectorRegistry()
    inject_hooks(Story, [PrometheusMetricsHook(app_name="shop", registry=registry)])
    inject_hooks(Checkout)
    inject_hooks(Authorize)
    asyncio.run(serve_customers())
    show_metrics(registry)


async def serve_customers() -> None:
    async with open_shop() as shop:
        await sell(shop)
        await meet_a_declined_card(shop)
        await run_out_of_stock(shop)


async def sell(shop: Shop) -> None:
    story_log = logging.getLogger("dddkit.stories.story")
    print("== A customer who pays; the log at DEBUG shows each step ==")
    await fill_basket(shop, BasketId(1), teapots=2, cups=4)
    story_log.setLevel(logging.DEBUG)
    paid = await buy(shop, 1, RICH)
    story_log.setLevel(logging.ERROR)
    print(f"stored:  {shop.orders.get(paid.order_id)}")
    print(f"office:  {shop.office}")


async def meet_a_declined_card(shop: Shop) -> None:
    print("\n== A customer whose card is declined; the log shows what failed ==")
    await fill_basket(shop, BasketId(2), teapots=1, cups=2)
    try:
        await buy(shop, 2, POOR)
    except CardDeclinedError as error:
        print(f"refused: {error}")
    basket = await shop.baskets.get(BasketId(2))
    teapots = await shop.products.get(TEAPOT)
    print(f"basket:  {basket}")
    print(f"shelf:   {teapots}")


async def run_out_of_stock(shop: Shop) -> None:
    print("\n== A customer who wants more than there is ==")
    await fill_basket(shop, BasketId(3), teapots=2, cups=0)
    try:
        await buy(shop, 3, RICH)
    except SoldOutError as error:
        print(f"refused: {error}")


def show_metrics(registry: CollectorRegistry) -> None:
    print("\n== What Prometheus hears of it: all runs, and the steps that failed ==")
    for line in generate_latest(registry).decode().splitlines():
        name, _, labels = line.partition("{")
        if name.endswith("_latency_ms_count") and ("step_name" not in labels or "failed" in labels):
            print(line)


if __name__ == "__main__":
    main()
