"""A service that runs the example shop and exports metrics: `python -m tests.dashboards.site NAME SEED`.

It prints the port of its /metrics. Each line of standard input is a command: a number of seconds to trade, or "warm-up"
to run each story once. After each command it prints what its ledger recorded. It exits at the end of the input.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import random
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from examples.shop.basket import Basket, BasketId, Line
from examples.shop.checkout import Checkout
from examples.shop.handlers import Office, open_office
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
from examples.shop.shop import POOR, RICH
from examples.shop.stock import Product, ProductId, SoldOutError
from examples.shop.unit import ShopUnit, metadata

from dddkit.sqlalchemy import embedded
from dddkit.stories import I, Story, StoryHook, StoryState, inject_hooks, variable
from tests.dashboards.ledger import Ledger


@dataclass(frozen=True)
class Site:
    """A service and the options of its hook.

    Attributes:
        name: what the check calls it, and its `app_name` unless it has none.
        customers: the average number of customers per second.
        exports: whether it runs the story that always fails.
        is_named: whether it has an `app_name`, or an empty one.
    """

    name: str
    backend: str
    prefix: str = "dddkit_stories"
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    buckets: Sequence[float] | None = None
    customers: float = 8.0
    exports: bool = False
    is_named: bool = True

    @property
    def app_name(self) -> str:
        return self.name if self.is_named else ""


SITES: Final = (
    Site("shop", "prometheus_client"),
    Site("shop_async", "aioprometheus", customers=5),
    Site(
        "my_app",
        "prometheus_client",
        prefix="my_service",
        labels={"env": "production", "version": "1.0.0"},
        buckets=(5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000),
        customers=4,
        exports=True,
    ),
    Site("nameless", "prometheus_client", prefix="nameless", customers=4, is_named=False),
)

PRODUCTS: Final = 400
MISTYPED: Final = CardToken("card-mistyped")


class OutOfOrderError(Exception):
    """An external service is not available."""


class UnknownOrderError(Exception):
    """No order has this id."""


REFUSALS: Final = (CardDeclinedError, InvalidCardError, SoldOutError, UnknownOrderError)


@dataclass(frozen=True, slots=True)
class CancelOrder(Story):
    """Cancel an order and pay the customer back."""

    I.find_order
    I.pay_back
    I.note_it

    class State(StoryState):
        order_id: OrderId

    make_unit: Callable[[], ShopUnit]
    pay_back: Callable[[State], Awaitable[None]]

    async def find_order(self, state: State) -> None:
        async with self.make_unit() as unit:
            await self._order(unit, state)

    async def note_it(self, state: State) -> None:
        async with self.make_unit() as unit:
            order = await self._order(unit, state)
            order.cancel()
            await unit.commit()

    async def _order(self, unit: ShopUnit, state: State) -> Order:
        order = await unit.orders.get(state.order_id)
        if order is None:
            raise UnknownOrderError(f"there is no order {state.order_id}")
        return order


@dataclass(frozen=True, slots=True)
class Restock(Story):
    """Buy missing goods; a story without async steps."""

    I.count_shelf
    I.order_goods
    I.fill_shelf

    class State(StoryState):
        missing: int = variable()

    patience: Callable[[], float]

    def count_shelf(self, state: State) -> None:
        state.missing = 12

    def order_goods(self, state: State) -> None:
        time.sleep(self.patience())

    def fill_shelf(self, state: State) -> None:
        state.missing = 0


@dataclass(frozen=True, slots=True)
class ExportBooks(Story):
    """Send the accounts to an accountant who never answers; a story that always fails."""

    I.collect
    I.send

    class State(StoryState):
        pages: int = variable()

    def collect(self, state: State) -> None:
        state.pages = 3

    def send(self, state: State) -> None:
        raise OutOfOrderError("the accountant does not answer")


@dataclass
class BusyBank(DemoBank):
    """A bank whose speed varies, and which sometimes fails."""

    chance: random.Random = field(default_factory=random.Random)
    opened: float = field(default_factory=time.monotonic)

    @property
    def trouble(self) -> float:
        """The level of disturbance, from 0 to 1; it peaks about three minutes after the start."""
        return math.exp(-((((time.monotonic() - self.opened) % 400 - 170) / 20) ** 2))

    def delay(self, typical: float) -> float:
        return typical * (1 + 3 * self.trouble) * self.chance.lognormvariate(0, 0.7)

    async def hold(self, card: CardToken, amount: Money, key: str) -> HoldId:
        await asyncio.sleep(self.delay(0.045))
        if self.chance.random() < 0.01 + 0.15 * self.trouble:
            raise OutOfOrderError("the bank does not answer")
        return await super().hold(card, amount, key)

    async def void(self, hold_id: HoldId) -> None:
        await asyncio.sleep(self.delay(0.015))
        if self.chance.random() < 0.25:
            raise OutOfOrderError("the bank does not answer")
        await super().void(hold_id)

    async def capture(self, hold_id: HoldId, key: str) -> None:
        await asyncio.sleep(self.delay(0.02))
        if self.chance.random() < 0.025 + 0.1 * self.trouble:
            raise BankClosedError("the bank does not pay out now")
        await super().capture(hold_id, key)


class Service:
    """The shop, its customers, and the ledger."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site: Final = site
        self.chance: Final = random.Random(seed)
        self.ledger: Final = Ledger(REFUSALS)
        self.outcomes: Final = dict.fromkeys(("completed", "failed", "refused", "cancelled"), 0)
        """The number of checkouts by status, as the customers saw it."""
        self.numbers = 0
        self.sold: Final = list[int]()
        self.bank: Final = BusyBank({RICH: Money(10**15), POOR: Money(1)}, chance=self.chance)
        self.engine: Final = embedded(":memory:", metadata)
        self.make_unit: Final = partial(ShopUnit, self.engine, broker=open_office(Office()))
        self.checkout: Final = Checkout(self.make_unit, self.bank, Authorize(self.bank))
        self.cancel_order: Final = CancelOrder(self.make_unit, self.pay_back)
        self.restock: Final = Restock(lambda: self.bank.delay(0.008))

    def listen(self, hook: StoryHook) -> None:
        for story in (Checkout, Authorize, CancelOrder, Restock, ExportBooks):
            inject_hooks(story, [hook, self.ledger])

    async def fill_shelves(self) -> None:
        async with self.make_unit() as unit:
            for number in range(PRODUCTS):
                await unit.products.save(Product(product_id=ProductId(f"book-{number}"), on_shelf=10**9))
            await unit.commit()

    async def pay_back(self, state: CancelOrder.State) -> None:
        await asyncio.sleep(self.bank.delay(0.006))

    async def check_out(self, card: CardToken, quantity: int = 1, gives_up_after: float | None = None) -> None:
        self.numbers += 1
        number = self.numbers
        basket = Basket(basket_id=BasketId(number))
        product = ProductId(f"book-{self.chance.randrange(PRODUCTS)}")
        basket.add(Line(product_id=product, price=Money(10_00), quantity=quantity))
        async with self.make_unit() as unit:
            await unit.baskets.save(basket)
            await unit.commit()
        state = Checkout.State(card=card, basket_id=BasketId(number), order_id=OrderId(number))
        run = asyncio.ensure_future(self.checkout(state))
        if gives_up_after is not None:
            await asyncio.wait([run], timeout=gives_up_after)
            run.cancel()
        try:
            await run
        except asyncio.CancelledError:
            self.outcomes["cancelled"] += 1
        except REFUSALS:
            self.outcomes["refused"] += 1
        except Exception:
            self.outcomes["failed"] += 1
        else:
            self.outcomes["completed"] += 1
            self.sold.append(number)

    async def call_off(self, order_id: int, *, hurried: bool = False) -> None:
        run = asyncio.ensure_future(self.cancel_order(CancelOrder.State(order_id=OrderId(order_id))))
        if hurried:
            await asyncio.sleep(0)  # let the run begin
            run.cancel()
        await asyncio.wait([run])
        if not run.cancelled():
            run.exception()

    async def export(self) -> None:
        with suppress(OutOfOrderError):
            ExportBooks()(ExportBooks.State())

    async def buy_goods(self) -> None:
        await asyncio.to_thread(self.restock, Restock.State())

    async def customer(self) -> None:
        draw = self.chance.random()
        if draw < 0.04:
            await self.check_out(POOR)
        elif draw < 0.045:
            await self.check_out(MISTYPED)
        elif draw < 0.05:
            await self.check_out(RICH, quantity=10**10)
        elif draw < 0.08:
            await self.check_out(RICH, gives_up_after=self.chance.uniform(0.002, 0.06))
        else:
            await self.check_out(RICH)
        draw = self.chance.random()
        if draw < 0.01:
            await self.call_off(-1)
        elif draw < 0.2 and self.sold:
            await self.call_off(self.sold.pop(self.chance.randrange(len(self.sold))), hurried=draw < 0.02)

    async def warm_up(self) -> None:
        """Run every story once, without failures if possible, so that the first failure comes after a scrape."""
        await self.check_out(RICH)
        await self.call_off(1)
        await self.buy_goods()
        if self.site.exports:
            await self.export()

    async def trade(self, seconds: float) -> None:
        """Simulate customers for these seconds, at a rate that varies, and wait for the last one."""
        began = time.monotonic()
        tasks = list[asyncio.Future[None]]()
        while (since := time.monotonic() - began) < seconds:
            crowd = self.site.customers * (1 + 0.45 * math.sin(2 * math.pi * since / max(seconds / 2.5, 20)))
            await asyncio.sleep(self.chance.expovariate(crowd))
            tasks.append(asyncio.ensure_future(self.customer()))
            if self.chance.random() < 0.12:
                tasks.append(asyncio.ensure_future(self.buy_goods()))
            if self.site.exports and self.chance.random() < 0.1:
                await self.export()
        await asyncio.gather(*tasks)


async def serve(service: Service) -> int:
    """Serve the metrics in the way of each library; return the port."""
    site = service.site
    if site.backend == "prometheus_client":
        import prometheus_client

        from dddkit.stories.prometheus import PrometheusMetricsHook

        collectors = prometheus_client.CollectorRegistry()
        service.listen(
            PrometheusMetricsHook(
                site.app_name, site.prefix, site.labels, site.buckets, registry=collectors, expected=REFUSALS
            )
        )
        server, _ = prometheus_client.start_http_server(0, "127.0.0.1", registry=collectors)
        return server.server_port

    import aioprometheus

    from dddkit.stories.aioprometheus import PrometheusMetricsHook as AioPrometheusMetricsHook

    registry = aioprometheus.Registry()
    service.listen(
        AioPrometheusMetricsHook(
            site.app_name, site.prefix, site.labels, site.buckets, registry=registry, expected=REFUSALS
        )
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):  # Prometheus may time out or stop
            await reader.readuntil(b"\r\n\r\n")
            content, headers = aioprometheus.render(registry, [])
            headers |= {"Content-Length": str(len(content)), "Connection": "close"}
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + content)
            await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    port: int = listener.sockets[0].getsockname()[1]
    return port


async def main(name: str, seed: int) -> None:
    logging.disable()  # each undoing that fails would be an error here, and they are meant to
    service = Service(next(site for site in SITES if site.name == name), seed)
    await service.fill_shelves()
    print(await serve(service), flush=True)
    loop = asyncio.get_running_loop()
    while order := await loop.run_in_executor(None, sys.stdin.readline):
        service.ledger.entries.clear()
        service.outcomes.update(dict.fromkeys(service.outcomes, 0))
        if order.strip() == "warm-up":
            await service.warm_up()
        else:
            await service.trade(float(order))
        print(json.dumps({"entries": service.ledger.entries, "outcomes": service.outcomes}), flush=True)
    await service.engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
