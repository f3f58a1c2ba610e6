"""The example shop: what a checkout changes, and what a failed one leaves unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from examples.shop.basket import Basket, BasketId, CheckedOutError, EmptyBasketError, Line
from examples.shop.checkout import Checkout, UnknownBasketError
from examples.shop.money import Money
from examples.shop.order import Order, OrderId
from examples.shop.payment import Authorize, BankClosedError, CardDeclinedError, CardToken, HoldId, InvalidCardError
from examples.shop.shop import POOR, RICH, Shop, open_shop
from examples.shop.stock import Product, ProductId, SoldOutError

from dddkit.exceptions import ConcurrencyError

TEAPOT = ProductId("teapot")


@asynccontextmanager
async def shop_with_basket(teapots: int = 1) -> AsyncGenerator[Shop]:
    async with open_shop() as shop:
        basket = Basket(basket_id=BasketId(1))
        if teapots:
            basket.add(Line(product_id=TEAPOT, price=Money(40_00), quantity=teapots))
        await shop.baskets.save(basket)
        yield shop


def order_of(card: CardToken) -> Checkout.State:
    return Checkout.State(card=card, basket_id=BasketId(1), order_id=OrderId(7))


def test_a_checkout_stores_the_order_moves_the_money_and_tells_the_office() -> None:
    async def scenario() -> None:
        async with shop_with_basket(teapots=3) as shop:
            await shop.checkout(order_of(RICH))
            assert shop.orders.get(OrderId(7)) == Order(
                order_id=OrderId(7), total=Money(120_00), hold_id=HoldId("hold-1")
            )
            assert shop.bank.balances[RICH] == Money(380_00)
            assert not shop.bank.held
            basket = await shop.baskets.get(BasketId(1))
            assert basket is not None
            assert basket.is_checked_out
            assert shop.office.sold == {TEAPOT: 3}
            assert shop.office.to_buy == [TEAPOT]
            assert shop.office.turnover == Money(120_00)
            assert shop.office.letters == ["order 7: thank you, that is 120.00"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("card", "teapots", "refusal"),
    [
        (POOR, 1, CardDeclinedError),
        (CardToken("card-unknown"), 1, InvalidCardError),
        (RICH, 4, SoldOutError),
        (RICH, 0, EmptyBasketError),
    ],
)
def test_a_refused_checkout_leaves_everything_as_it_was(
    card: CardToken, teapots: int, refusal: type[Exception]
) -> None:
    async def scenario() -> None:
        async with shop_with_basket(teapots) as shop:
            with pytest.raises(refusal):
                await shop.checkout(order_of(card))
            basket = await shop.baskets.get(BasketId(1))
            product = await shop.products.get(TEAPOT)
            assert basket is not None
            assert product is not None
            assert basket.total == Money(40_00) * teapots
            assert not basket.is_checked_out
            assert product.on_shelf == 3
            assert shop.orders.get(OrderId(7)) is None
            assert shop.bank.balances[RICH] == Money(500_00)
            assert not shop.bank.held
            assert shop.office.letters == []
            assert not any(shop.office.sold.values())

    asyncio.run(scenario())


def test_a_capture_that_fails_gives_back_the_goods_and_the_amount_and_cancels_the_order() -> None:
    async def scenario() -> None:
        async with shop_with_basket(teapots=2) as shop:
            shop.bank.pays_out = False
            with pytest.raises(BankClosedError):
                await shop.checkout(order_of(RICH))
            order = shop.orders.get(OrderId(7))
            product = await shop.products.get(TEAPOT)
            basket = await shop.baskets.get(BasketId(1))
            assert order is not None
            assert product is not None
            assert basket is not None
            assert (order.cancelled, product.on_shelf, basket.is_checked_out) == (True, 3, False)
            assert (shop.bank.held, shop.bank.balances[RICH]) == ({}, Money(500_00))
            assert (shop.office.turnover, shop.office.sold) == (Money(0), {TEAPOT: 0})
            assert shop.office.letters[-1] == "order 7: cancelled, you pay nothing"

    asyncio.run(scenario())


def test_an_order_whose_placing_fails_after_it_was_stored_is_cancelled() -> None:
    async def scenario() -> None:
        async with shop_with_basket() as shop:

            def fail(event: Order.Placed) -> None:
                raise OSError("no paper in the printer")

            shop.checkout.broker.subscribe(Order.Placed, fail)
            with pytest.raises(OSError, match="no paper"):
                await shop.checkout(order_of(RICH))
            order = shop.orders.get(OrderId(7))
            assert order is not None
            assert order.cancelled
            assert not shop.bank.held

    asyncio.run(scenario())


def test_a_basket_is_checked_out_once() -> None:
    basket = Basket(basket_id=BasketId(1), lines=(Line(product_id=TEAPOT, price=Money(1)),))
    assert basket.reopen() == ()
    basket.check_out()
    for change in (basket.check_out, lambda: basket.add(basket.lines[0])):
        with pytest.raises(CheckedOutError, match="basket 1 has been checked out"):
            change()


def test_an_unknown_basket_is_refused_by_its_number() -> None:
    async def scenario() -> None:
        async with open_shop() as shop:
            with pytest.raises(UnknownBasketError, match="there is no basket 1"):
                await shop.checkout(order_of(RICH))

    asyncio.run(scenario())


def test_somebody_else_at_the_same_shelf_is_a_concurrency_error() -> None:
    async def scenario() -> None:
        async with open_shop() as shop:
            mine, theirs = await shop.products.get(TEAPOT), await shop.products.get(TEAPOT)
            assert isinstance(mine, Product)
            assert isinstance(theirs, Product)
            theirs.take(3)
            await shop.products.save(theirs)
            mine.take(1)
            with pytest.raises(ConcurrencyError):
                await shop.products.save(mine)

    asyncio.run(scenario())


def test_a_cancelled_order_is_stored_as_cancelled_and_a_deleted_one_is_gone() -> None:
    async def scenario() -> None:
        async with open_shop() as shop:
            order = Order.place(OrderId(1), Money(1), HoldId("hold"))
            shop.orders.save(order)
            order.cancel()
            shop.orders.save(order)
            stored = shop.orders.get(OrderId(1))
            assert stored is not None
            assert stored.cancelled
            shop.orders.delete(stored)
            assert shop.orders.get(OrderId(1)) is None

    asyncio.run(scenario())


def test_the_nested_story_runs_alone_as_well() -> None:
    async def scenario() -> None:
        async with open_shop() as shop:
            state = Authorize.State(card=RICH)
            state.amount = Money(1_00)
            await shop.checkout.authorize(state)
            assert shop.bank.held == {state.hold_id: (RICH, Money(1_00))}

    asyncio.run(scenario())
