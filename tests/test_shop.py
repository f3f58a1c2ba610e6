"""The example shop: what each part decides, what a checkout changes, and what a failed one leaves unchanged."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import pytest
from examples.shop import messages
from examples.shop.basket import Basket, BasketId, CheckedOutError, EmptyBasketError, Line
from examples.shop.checkout import Checkout, UnknownBasketError
from examples.shop.consumers import open_correspondence
from examples.shop.handlers import Office
from examples.shop.letters import Letters
from examples.shop.money import Money
from examples.shop.order import Order, OrderId
from examples.shop.payment import (
    Authorize,
    BankClosedError,
    CardDeclinedError,
    CardToken,
    DemoBank,
    HoldId,
    InvalidCardError,
)
from examples.shop.shop import POOR, RICH, Shop, open_shop
from examples.shop.stock import Product, ProductId, SoldOutError
from examples.shop.unit import ShopUnit, metadata
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from dddkit.dataclasses import Aggregate, EventBroker, Repository
from dddkit.exceptions import ConcurrencyError
from dddkit.messages import Message, check_events
from dddkit.sqlalchemy import Relay, embedded
from dddkit.testing import (
    RepositoryContract,
    assert_events,
    assert_same,
    given,
    recorded,
    rehearse,
    run_failing,
    run_until,
)

P = ParamSpec("P")
A = TypeVar("A", bound=Aggregate)
Id = TypeVar("Id")

TEAPOT = ProductId("teapot")
LINE = Line(product_id=TEAPOT, price=Money(40_00))
CHECKED_OUT = Basket.CheckedOut(basket_id=BasketId(1), lines=(LINE,))
REOPENED = Basket.Reopened(basket_id=BasketId(1), lines=(LINE,))
PLACED = Order.Placed(order_id=OrderId(7), total=Money(40_00))
CANCELLED = Order.Cancelled(order_id=OrderId(7), total=Money(40_00))
RECEIPT = "thank you, that is 40.00"
REGRETS = "cancelled, you pay nothing"


def order(*, cancelled: bool = False) -> Order:
    return Order(order_id=OrderId(7), total=Money(40_00), hold_id=HoldId("hold-1"), cancelled=cancelled)


def letters(*texts: str) -> Letters:
    return Letters(order_id=OrderId(7), texts=texts)


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


def test_letters_are_kept_in_the_order_in_which_they_are_written() -> None:
    written = letters(RECEIPT)
    given(written).when(Letters.write, REGRETS).then(Letters.Written(order_id=OrderId(7), text=REGRETS))
    assert_same(written, letters(RECEIPT, REGRETS))


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


async def customer(shop: Shop, card: CardToken = RICH, teapots: int = 1, number: int = 1) -> Checkout.State:
    """Fill a basket, and return what a checkout of it is called with."""
    lines = (Line(product_id=TEAPOT, price=Money(40_00), quantity=teapots),) if teapots else ()
    async with shop.make_unit() as unit:
        await unit.baskets.save(Basket(basket_id=BasketId(number), lines=lines))
        await unit.commit()
    return Checkout.State(card=card, basket_id=BasketId(number), order_id=OrderId(number + 6))


class Content(NamedTuple):
    """What a checkout could leave behind, but for the office."""

    baskets: list[Basket]
    products: list[Product]
    orders: list[Order]
    letters: list[Letters]
    bank: tuple[object, object]


async def content(shop: Shop) -> Content:
    await shop.wait_for_letters()
    async with shop.make_unit() as unit:
        return Content(
            await unit.baskets.find(order_by=ShopUnit.baskets.table.c.key),
            await unit.products.find(order_by=ShopUnit.products.table.c.key),
            await unit.orders.find(order_by=ShopUnit.orders.table.c.key),
            await unit.letters.find(order_by=ShopUnit.letters.table.c.key),
            (dict(shop.bank.balances), dict(shop.bank.held)),
        )


def of_the_checkout(events: Iterable[object]) -> list[object]:
    """Return the events but for those of the letters, which are written at the same time."""
    return [event for event in events if not isinstance(event, Letters.Written)]


@in_a_shop
async def test_a_checkout_stores_the_order_moves_the_money_and_tells_office_and_customer(shop: Shop) -> None:
    state = await customer(shop, teapots=4)
    lines = (Line(product_id=TEAPOT, price=Money(40_00), quantity=4),)
    with recorded(shop.broker) as events:
        await shop.checkout(state)
    assert_events(
        of_the_checkout(events),
        Basket.CheckedOut(basket_id=BasketId(1), lines=lines),
        Product.SoldOut(product_id=TEAPOT),
        Order.Placed(order_id=OrderId(7), total=Money(160_00)),
    )
    left = await content(shop)
    assert_same(left.baskets, [Basket(basket_id=BasketId(1), lines=lines, is_checked_out=True)])
    assert_same(left.orders, [Order(order_id=OrderId(7), total=Money(160_00), hold_id=HoldId("hold-1"))])
    assert_same(left.letters, [letters("thank you, that is 160.00")])
    assert left.bank == ({RICH: Money(340_00), POOR: Money(5_00)}, {})
    assert shop.office == Office(Money(160_00), {TEAPOT: 4}, [TEAPOT])


@in_a_shop
async def test_until_the_capture_the_bank_holds_the_amount_of_an_order_that_is_placed(shop: Shop) -> None:
    await run_until(shop.checkout, await customer(shop), "capture")
    left = await content(shop)
    assert_same(left.orders, [order()])
    assert left.bank == (shop.bank.balances, {HoldId("hold-1"): (RICH, Money(40_00))})
    assert shop.bank.balances[RICH] == Money(500_00)


@in_a_shop
async def test_fd9_lines_of_one_product_are_taken_from_one_shelf(shop: Shop) -> None:
    state = await customer(shop)
    async with shop.make_unit() as unit:
        basket = await unit.baskets.get(BasketId(1))
        assert basket is not None
        basket.add(LINE)
        await unit.commit()
    await shop.checkout(state)
    async with shop.make_unit() as unit:
        assert_same(await unit.products.get(TEAPOT), Product(product_id=TEAPOT, on_shelf=2))


@in_a_shop
async def test_goods_go_back_to_a_shelf_that_was_taken_away_meanwhile(shop: Shop) -> None:
    state = await customer(shop)
    await run_until(shop.checkout, state, "authorize")
    async with shop.make_unit() as unit:
        await unit.products.delete(await unit.product(TEAPOT))
        await unit.commit()
    await shop.checkout.release(state)
    async with shop.make_unit() as unit:
        assert_same(await unit.products.get(TEAPOT), Product(product_id=TEAPOT, on_shelf=1))


@in_a_shop
async def test_of_customers_who_come_at_once_as_many_get_a_teapot_as_there_are(shop: Shop) -> None:
    shop.bank.balances[RICH] = Money(10**6)
    states = [await customer(shop, number=number) for number in range(9)]
    outcomes = await asyncio.gather(*map(shop.checkout, states), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType"] * 4 + ["SoldOutError"] * 5
    assert len((await content(shop)).orders) == 4


@in_a_shop
async def test_no_transaction_is_open_while_the_bank_is_asked(shop: Shop) -> None:
    async def use_the_database() -> None:
        async with shop.make_unit() as unit:
            await unit.connection()  # a unit inside a unit would be refused

    class Bank(DemoBank):
        async def check(self, card: CardToken) -> None:
            await use_the_database()
            await super().check(card)

        async def capture(self, hold_id: HoldId, key: str) -> None:
            await use_the_database()
            await super().capture(hold_id, key)

    bank = Bank(shop.bank.balances)
    await Checkout(shop.make_unit, bank, Authorize(bank))(await customer(shop))


@pytest.mark.parametrize(
    ("card", "teapots", "refusal"),
    [
        (POOR, 1, CardDeclinedError),
        (CardToken("card-unknown"), 1, InvalidCardError),
        (RICH, 5, SoldOutError),
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
    assert not any(shop.office.sold.values())


@pytest.mark.parametrize("step", ["reserve", "authorize.check_card", "authorize.hold_amount", "place"])
@pytest.mark.parametrize("error", [TimeoutError(), asyncio.CancelledError()])
@in_a_shop
async def test_a_step_that_fails_leaves_everything_as_it_was(shop: Shop, step: str, error: BaseException) -> None:
    state = await customer(shop)
    before = await content(shop)
    await run_failing(shop.checkout, state, at=step, error=error)
    assert_same(await content(shop), before)
    assert not any(shop.office.sold.values())


@in_a_shop
async def test_a_capture_that_fails_gives_back_goods_and_amount_and_cancels_the_order(shop: Shop) -> None:
    state = await customer(shop)
    before = await content(shop)
    shop.bank.pays_out = False
    with recorded(shop.broker) as events, pytest.raises(BankClosedError):
        await shop.checkout(state)
    left = before._replace(orders=[order(cancelled=True)], letters=[letters(RECEIPT, REGRETS)])
    assert_same(await content(shop), left)
    assert_events(of_the_checkout(events), CHECKED_OUT, PLACED, CANCELLED, REOPENED)
    assert (shop.office.turnover, shop.office.sold) == (Money(0), {TEAPOT: 0})


@in_a_shop
async def test_an_order_whose_placing_fails_after_it_was_stored_is_cancelled(shop: Shop) -> None:
    def fail(event: Order.Placed) -> None:
        raise OSError("no paper in the printer")

    state = await customer(shop)
    shop.broker.subscribe(Order.Placed, fail)
    with pytest.raises(OSError, match="no paper"):
        await shop.checkout(state)
    assert_same((await content(shop)).orders, [order(cancelled=True)])
    assert not shop.bank.held


@in_a_shop
async def test_an_order_that_has_the_number_already_is_left_alone(shop: Shop) -> None:
    await shop.checkout(await customer(shop))
    second = await customer(shop, number=2)
    second.order_id = OrderId(7)
    with pytest.raises(ConcurrencyError):
        await shop.checkout(second)
    left = await content(shop)
    assert_same(left.orders, [order()])
    assert_same(left.letters, [letters(RECEIPT)])


def test_a_shop_in_a_file_is_there_when_it_opens_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_shop(tmp_path / "shop.sqlite") as shop:
            await shop.checkout(await customer(shop))
        async with open_shop(tmp_path / "shop.sqlite") as shop:
            left = await content(shop)
            assert_same(left.orders, [order()])
            assert [product.on_shelf for product in left.products] == [100, 3]

    asyncio.run(scenario())


def test_who_has_ordered_from_a_process_that_ended_at_once_gets_the_receipt_when_the_shop_opens_again(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        await place_an_order(engine := embedded(tmp_path / "shop.sqlite", metadata))
        await engine.dispose()
        async with open_shop(tmp_path / "shop.sqlite") as shop:
            assert_same((await content(shop)).letters, [letters(RECEIPT)])

    asyncio.run(scenario())


def test_a_letter_is_written_once_though_its_message_comes_again() -> None:
    async def scenario() -> None:
        engine = embedded(":memory:", metadata)
        correspondence = open_correspondence(partial(ShopUnit, engine))

        async def publish_twice(message: Message) -> None:
            await correspondence.receive(message)
            await correspondence.receive(message)

        await place_an_order(engine)
        assert await Relay(engine, ShopUnit.outbox, publish_twice).run_once() == 1
        async with ShopUnit(engine, read_only=True) as unit:
            assert_same(await unit.letters.find(), [letters(RECEIPT)])
        await engine.dispose()

    asyncio.run(scenario())


async def place_an_order(engine: AsyncEngine) -> None:
    """Store an order where no relay runs."""
    async with ShopUnit(engine) as unit:
        await unit.orders.save(Order.place(OrderId(7), Money(40_00), HoldId("hold-1")))
        await unit.commit()


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


# What a durable checkout does when its process ends


@pytest.mark.parametrize("pays_out", [True, False])
def test_a_checkout_whose_process_ends_anywhere_does_everything_once(pays_out: bool) -> None:
    found: list[object] = []

    @asynccontextmanager
    async def open_checkout() -> AsyncGenerator[Checkout]:
        engine, broker, bank = embedded(":memory:", metadata), EventBroker(), DemoBank({RICH: Money(500_00)})
        bank.pays_out = pays_out

        @broker.handle(Basket.Reopened)
        async def check_out_again(event: Basket.Reopened) -> None:
            """Customers are quick: the basket is open again for a moment only. But they do so once."""
            async with ShopUnit(engine) as unit:
                if await unit.once("again"):
                    basket = await unit.baskets.get(event.basket_id)
                    assert basket is not None
                    basket.check_out()
                    await unit.commit()

        async with ShopUnit(engine) as unit:
            await unit.baskets.save(Basket(basket_id=BasketId(1), lines=(LINE,)))
            await unit.products.save(Product(product_id=TEAPOT, on_shelf=4))
            await unit.commit()
        yield Checkout(partial(ShopUnit, engine, broker=broker), bank, Authorize(bank))
        async with ShopUnit(engine, read_only=True) as unit:
            stored = [*await unit.baskets.find(), *await unit.products.find(), *await unit.orders.find()]
            messages = await (await unit.connection()).execute(select(ShopUnit.outbox.table.c.type))
            found.append((stored, sorted(messages.scalars()), bank.balances, bank.held))
        await engine.dispose()

    state = Checkout.State(card=RICH, basket_id=BasketId(1), order_id=OrderId(7))
    with nullcontext() if pays_out else pytest.raises(BankClosedError):
        asyncio.run(rehearse(open_checkout, state))
    first, *others = found
    assert len(others) > 15
    for other in others:
        assert_same(other, first)


# What it stores, and what it tells others


class Stored(RepositoryContract[A, Id]):
    ids = count(1)

    def setup_method(self) -> None:
        self.engine = embedded(":memory:", metadata)

    def teardown_method(self) -> None:
        asyncio.run(self.engine.dispose())

    def repository(self, unit: ShopUnit) -> Repository[A, Id]:
        raise NotImplementedError

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Repository[A, Id]]:
        async with ShopUnit(self.engine) as unit:
            yield self.repository(unit)
            await unit.commit()


class TestBaskets(Stored[Basket, BasketId]):
    def repository(self, unit: ShopUnit) -> Repository[Basket, BasketId]:
        return unit.baskets

    def new(self) -> Basket:
        return Basket(basket_id=BasketId(next(self.ids)), lines=(LINE,))

    def change(self, basket: Basket) -> None:
        basket.check_out()


class TestProducts(Stored[Product, ProductId]):
    def repository(self, unit: ShopUnit) -> Repository[Product, ProductId]:
        return unit.products

    def new(self) -> Product:
        return Product(product_id=ProductId(f"product {next(self.ids)}"), on_shelf=3)

    def change(self, product: Product) -> None:
        product.take(3)


class TestOrders(Stored[Order, OrderId]):
    def repository(self, unit: ShopUnit) -> Repository[Order, OrderId]:
        return unit.orders

    def new(self) -> Order:
        return Order.place(OrderId(next(self.ids)), Money(40_00), HoldId("hold"))

    def change(self, order: Order) -> None:
        order.cancel()


class TestLetters(Stored[Letters, OrderId]):
    def repository(self, unit: ShopUnit) -> Repository[Letters, OrderId]:
        return unit.letters

    def new(self) -> Letters:
        return Letters(order_id=OrderId(next(self.ids)))

    def change(self, letters: Letters) -> None:
        letters.write(RECEIPT)


def test_the_messages_are_those_that_readers_rely_on() -> None:
    messages.catalog.check()
    check_events(messages.catalog, messages.LOCK)
