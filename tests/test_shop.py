"""The example shop: what each part decides, what a checkout changes, and what a failed one leaves unchanged."""

from __future__ import annotations

import asyncio
import inspect
import sqlite3
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from itertools import count
from typing import Any, Concatenate, NamedTuple, ParamSpec

import pytest
from examples.shop import messages
from examples.shop.basket import Basket, BasketId, CheckedOutError, EmptyBasketError, Line
from examples.shop.checkout import Checkout, UnknownBasketError
from examples.shop.handlers import Office
from examples.shop.money import Money
from examples.shop.order import Order, OrderId, SqliteOrders
from examples.shop.payment import BankClosedError, CardDeclinedError, CardToken, HoldId, InvalidCardError
from examples.shop.shop import POOR, RICH, Shop, open_shop
from examples.shop.stock import Product, ProductId, SoldOutError

from dddkit.messages import check_events
from dddkit.testing import SyncRepositoryContract, assert_events, assert_same, given, recorded, run_failing, run_until

P = ParamSpec("P")

TEAPOT = ProductId("teapot")
LINE = Line(product_id=TEAPOT, price=Money(40_00))
CHECKED_OUT = Basket.CheckedOut(basket_id=BasketId(1), lines=(LINE,))
REOPENED = Basket.Reopened(basket_id=BasketId(1), lines=(LINE,))
PLACED = Order.Placed(order_id=OrderId(7), total=Money(40_00))
CANCELLED = Order.Cancelled(order_id=OrderId(7), total=Money(40_00))


def order(*, cancelled: bool = False) -> Order:
    return Order(order_id=OrderId(7), total=Money(40_00), hold_id=HoldId("hold-1"), cancelled=cancelled)


# What the aggregates decide


def test_a_product_says_when_its_last_item_is_taken_and_gives_no_more_than_it_has() -> None:
    product = Product(product_id=TEAPOT, on_shelf=3)
    given(product).when(Product.take, 1).then()
    given(product).when(Product.take, 3).then_refused(SoldOutError)
    given(product).when(Product.take, 2).then(Product.SoldOut(product_id=TEAPOT))
    given(product).when(Product.put_back, 1).then()
    assert_same(product, Product(product_id=TEAPOT, on_shelf=1))


def test_a_basket_is_checked_out_once_and_can_be_reopened() -> None:
    basket = Basket(basket_id=BasketId(1))
    given(basket).when(Basket.check_out).then_refused(EmptyBasketError)
    given(basket).when(Basket.reopen).then()
    given(basket).when(Basket.add, LINE).then(Basket.ItemAdded(line=LINE))
    given(basket).when(Basket.check_out).then(CHECKED_OUT)
    refusal = given(basket).when(Basket.check_out).then_refused(CheckedOutError)
    assert str(refusal) == "basket 1 has been checked out"
    given(basket).when(Basket.add, LINE).then_refused(CheckedOutError)
    given(basket).when(Basket.reopen).then(REOPENED)
    given(basket).when(Basket.reopen).then()


def test_an_order_is_cancelled_once() -> None:
    placed = Order.place(OrderId(7), Money(40_00), HoldId("hold-1"))
    assert_events(placed.get_events(), PLACED)
    given(placed).when(Order.cancel).then(CANCELLED)
    given(placed).when(Order.cancel).then()
    assert_same(placed, order(cancelled=True))


# What a checkout does


def in_a_shop(facts: Callable[Concatenate[Shop, P], Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in a new shop, which it gets as its first argument."""

    async def scenario(*args: P.args, **kwargs: P.kwargs) -> None:
        async with open_shop() as shop:
            await facts(shop, *args, **kwargs)

    def test(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(scenario(*args, **kwargs))

    _, *parameters = inspect.signature(facts).parameters.values()
    test.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what pytest passes
    return test


async def customer(shop: Shop, card: CardToken = RICH, teapots: int = 1) -> Checkout.State:
    """Fill a basket, and return what a checkout of it is called with."""
    lines = (Line(product_id=TEAPOT, price=Money(40_00), quantity=teapots),) if teapots else ()
    await shop.baskets.save(Basket(basket_id=BasketId(1), lines=lines))
    return Checkout.State(card=card, basket_id=BasketId(1), order_id=OrderId(7))


class Content(NamedTuple):
    """What a checkout could leave behind, but for the office."""

    baskets: list[Basket]
    products: list[Product]
    order: Order | None
    bank: tuple[object, object]


async def content(shop: Shop) -> Content:
    bank = dict(shop.bank.balances), dict(shop.bank.held)
    return Content(await shop.baskets.all(), await shop.products.all(), shop.orders.get(OrderId(7)), bank)


@in_a_shop
async def test_a_checkout_stores_the_order_moves_the_money_and_tells_the_office(shop: Shop) -> None:
    state = await customer(shop, teapots=3)
    lines = (Line(product_id=TEAPOT, price=Money(40_00), quantity=3),)
    with recorded(shop.checkout.broker) as events:
        await shop.checkout(state)
    assert_events(
        events,
        Product.SoldOut(product_id=TEAPOT),
        Basket.CheckedOut(basket_id=BasketId(1), lines=lines),
        Order.Placed(order_id=OrderId(7), total=Money(120_00)),
    )
    assert_same(shop.orders.get(OrderId(7)), Order(order_id=OrderId(7), total=Money(120_00), hold_id=HoldId("hold-1")))
    assert_same(await shop.baskets.all(), [Basket(basket_id=BasketId(1), lines=lines, is_checked_out=True)])
    assert (shop.bank.balances[RICH], shop.bank.held) == (Money(380_00), {})
    assert shop.office == Office(Money(120_00), {TEAPOT: 3}, [TEAPOT], ["order 7: thank you, that is 120.00"])


@in_a_shop
async def test_until_the_capture_the_bank_holds_the_amount_of_an_order_that_is_placed(shop: Shop) -> None:
    await run_until(shop.checkout, await customer(shop), "capture")
    assert_same(shop.orders.get(OrderId(7)), order())
    assert shop.bank.held == {HoldId("hold-1"): (RICH, Money(40_00))}
    assert shop.bank.balances[RICH] == Money(500_00)


@pytest.mark.parametrize(
    ("card", "teapots", "refusal"),
    [
        (POOR, 1, CardDeclinedError),
        (CardToken("card-unknown"), 1, InvalidCardError),
        (RICH, 4, SoldOutError),
        (RICH, 0, EmptyBasketError),
    ],
)
@in_a_shop
async def test_a_refused_checkout_leaves_everything_as_it_was(
    shop: Shop, card: CardToken, teapots: int, refusal: type[Exception]
) -> None:
    state = await customer(shop, card, teapots)
    before = await content(shop)
    with pytest.raises(refusal):
        await shop.checkout(state)
    assert_same(await content(shop), before)
    assert (shop.office.letters, any(shop.office.sold.values())) == ([], False)


@pytest.mark.parametrize("step", ["reserve", "authorize.check_card", "authorize.hold_amount", "place"])
@pytest.mark.parametrize("error", [TimeoutError(), asyncio.CancelledError()])
@in_a_shop
async def test_a_step_that_fails_leaves_everything_as_it_was(shop: Shop, step: str, error: BaseException) -> None:
    state = await customer(shop)
    before = await content(shop)
    await run_failing(shop.checkout, state, at=step, error=error)
    assert_same(await content(shop), before)
    assert (shop.office.letters, any(shop.office.sold.values())) == ([], False)


@in_a_shop
async def test_a_capture_that_fails_gives_back_goods_and_amount_and_cancels_the_order(shop: Shop) -> None:
    state = await customer(shop)
    before = await content(shop)
    shop.bank.pays_out = False
    with recorded(shop.checkout.broker) as events, pytest.raises(BankClosedError):
        await shop.checkout(state)
    assert_same(await content(shop), before._replace(order=order(cancelled=True)))
    assert_events(events, CHECKED_OUT, PLACED, CANCELLED, REOPENED)
    assert (shop.office.turnover, shop.office.sold) == (Money(0), {TEAPOT: 0})
    assert shop.office.letters[-1] == "order 7: cancelled, you pay nothing"


@in_a_shop
async def test_an_order_whose_placing_fails_after_it_was_stored_is_cancelled(shop: Shop) -> None:
    def fail(event: Order.Placed) -> None:
        raise OSError("no paper in the printer")

    state = await customer(shop)
    shop.checkout.broker.subscribe(Order.Placed, fail)
    with pytest.raises(OSError, match="no paper"):
        await shop.checkout(state)
    assert_same(shop.orders.get(OrderId(7)), order(cancelled=True))
    assert not shop.bank.held


@in_a_shop
async def test_an_unknown_basket_is_refused_by_its_number(shop: Shop) -> None:
    with pytest.raises(UnknownBasketError, match="there is no basket 1"):
        await shop.checkout(Checkout.State(card=RICH, basket_id=BasketId(1), order_id=OrderId(7)))


@in_a_shop
async def test_the_nested_story_runs_alone_as_well(shop: Shop) -> None:
    state = Checkout.State(card=RICH, basket_id=BasketId(1), order_id=OrderId(7))
    state.amount = Money(1_00)
    await shop.checkout.authorize(state)
    assert shop.bank.held == {state.hold_id: (RICH, Money(1_00))}


# What it stores, and what it tells others


class TestOrders(SyncRepositoryContract[Order, OrderId]):
    versions = False
    ids = count(1)
    connection = sqlite3.connect(":memory:")

    @contextmanager
    def open(self) -> Generator[SqliteOrders]:
        yield SqliteOrders(self.connection)

    def new(self) -> Order:
        return Order.place(OrderId(next(self.ids)), Money(40_00), HoldId("hold"))

    def change(self, order: Order) -> None:
        order.cancel()


def test_the_messages_are_those_that_readers_rely_on() -> None:
    messages.catalog.check()
    check_events(messages.catalog, messages.LOCK)
