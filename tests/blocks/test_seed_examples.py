"""The examples of the documentation of 0.5.0 run unchanged."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.blocks.flavours import run

BASKET = {
    "dataclasses": """
        from typing import NewType
        from dataclasses import dataclass, field
        from dddkit.dataclasses import Aggregate, Entity, AggregateEvent, Repository

        ProductName = NewType('ProductName', str)
        ProductId = NewType('ProductId', int)
        BasketId = NewType('BasketId', int)


        @dataclass(kw_only=True)
        class Product(Entity):
          product_id: ProductId
          name: ProductName
          amount: float = 0


        @dataclass(kw_only=True)
        class Basket(Aggregate):
          basket_id: BasketId
          items: dict[ProductId, Product] = field(default_factory=dict)

          @dataclass(frozen=True, kw_only=True)
          class Created(AggregateEvent):
            \"\"\"Basket created event\"\"\"

          @dataclass(frozen=True, kw_only=True)
          class AddedItem(AggregateEvent):
            item: Product

          @classmethod
          def new(cls, basket_id: BasketId):
            basket = cls(basket_id=basket_id)
            basket.add_event(cls.Created())
            return basket

          def add_item(self, item: Product):
            if _item := self.items.get(item.product_id):
              _item.amount = item.amount
              self.add_event(self.AddedItem(item=_item))


        class BasketRepository(Repository[Basket, BasketId]):
          \"\"\"Repository for basket\"\"\"
    """,
    "pydantic": """
        from typing import NewType
        from dddkit.pydantic import Aggregate, Entity, AggregateEvent, Repository
        from pydantic import Field

        ProductName = NewType('ProductName', str)
        ProductId = NewType('ProductId', int)
        BasketId = NewType('BasketId', int)


        class Product(Entity):
          product_id: ProductId
          name: ProductName
          amount: float = 0


        class Basket(Aggregate):
          basket_id: BasketId
          items: dict[ProductId, Product] = Field(default_factory=dict)

          class Created(AggregateEvent):
            \"\"\"Basket created event\"\"\"

          class AddedItem(AggregateEvent):
            item: Product

          @classmethod
          def new(cls, basket_id: BasketId):
            basket = cls(basket_id=basket_id)
            basket.add_event(cls.Created())
            return basket

          def add_item(self, item: Product):
            if _item := self.items.get(item.product_id):
              _item.amount = item.amount
              self.add_event(self.AddedItem(item=_item))


        class BasketRepository(Repository[Basket, BasketId]):
          \"\"\"Repository for basket\"\"\"
    """,
}

BROKER = """
    from dataclasses import dataclass
    from dddkit.dataclasses import DomainEvent, EventBroker

    @dataclass(frozen=True, kw_only=True)
    class ProductCreated(DomainEvent):
      product_id: str
      name: str

    handle_event = EventBroker()
    product_event = ProductCreated(product_id="123", name="Test Product")

    @handle_event.handle(ProductCreated)
    {sync_or_async}def _(event: ProductCreated):
      # Handle the event
      print(f"Product {{event.name}} created with ID {{event.product_id}}")

    {sync_or_async}def context():
      {sync_or_await}handle_event(product_event)
"""


@pytest.mark.parametrize("flavour", BASKET)
def test_the_basket_runs(flavour: str) -> None:
    shop: dict[str, Any] = run(BASKET[flavour])
    basket = shop["Basket"].new(1)
    assert [type(event) for event in basket.get_events()] == [shop["Basket"].Created]
    tea = shop["Product"](product_id=1, name="tea", amount=1)
    basket.items[1] = tea
    basket.add_item(shop["Product"](product_id=1, name="tea", amount=5))
    assert tea.amount == 5
    assert basket.get_events()[1].item == tea
    with pytest.raises(TypeError, match="abstract"):
        shop["BasketRepository"]()


def test_the_broker_runs_sync_handlers(capsys: pytest.CaptureFixture[str]) -> None:
    run(BROKER.format(sync_or_async="", sync_or_await=""))["context"]()
    assert capsys.readouterr().out == "Product Test Product created with ID 123\n"


def test_the_broker_runs_async_handlers(capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(run(BROKER.format(sync_or_async="async ", sync_or_await="await "))["context"]())
    assert capsys.readouterr().out == "Product Test Product created with ID 123\n"
