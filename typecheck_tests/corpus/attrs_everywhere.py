"""attrs for stories, states, events, value objects and aggregates, old and new API."""

from collections.abc import Iterable

import attr
from attrs import converters, define, field, frozen, validators

from dddkit.dataclasses import Aggregate, AggregateEvent, Entity, ValueObject
from dddkit.stories import I, Story


def upper(text: str) -> str:
    return text.upper()


def frozen_texts(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(texts)


@frozen
class Sku(ValueObject):
    text: str = field(converter=upper, validator=validators.min_len(1))


@define(eq=False, kw_only=True)
class Item(Entity):
    sku: Sku
    item_id: int


@define(eq=False, kw_only=True, slots=False)
class Cart(Aggregate):
    cart_id: int = field(converter=int)
    items: list[Item] = field(factory=list)

    @frozen(kw_only=True)
    class Added(AggregateEvent):
        sku: Sku

    def add(self, sku: Sku) -> None:
        self.items.append(Item(sku=sku, item_id=len(self.items)))
        self.add_event(self.Added(sku=sku))


@attr.s(auto_attribs=True, frozen=True)
class Price(ValueObject):
    cents: int = attr.ib(default=0)


@frozen
class Fill(Story):
    I.fill
    I.count

    @define
    class State:
        cart: Cart
        texts: tuple[str, ...] = field(converter=frozen_texts)
        added: int = field(init=False, default=0)
        note: str | None = field(default=None, converter=converters.optional(str))

    prefix: str = ""
    _seen: dict[str, int] = field(factory=dict, alias="seen")

    def fill(self, state: State) -> None:
        for text in state.texts:
            state.cart.add(Sku(self.prefix + text))

    def count(self, state: State) -> None:
        state.added = len(state.cart.items)
        self._seen[self.prefix] = state.added


cart = Cart(cart_id=1)
state = Fill.State(cart, ["a", "b"])
Fill("x")(state)
assert state.added == 2
assert [item.sku for item in cart.items] == [Sku("xa"), Sku("XB")]
assert len(cart.pull_events()) == 2
assert cart == Cart(cart_id=1)
assert Price(3) == Price(3)
