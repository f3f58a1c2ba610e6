from dataclasses import dataclass, field

from dddkit.dataclasses import Aggregate, AggregateEvent, Repository


@dataclass(kw_only=True)
class Cart(Aggregate):
    id: str
    skus: list[str] = field(default_factory=list)

    @dataclass(frozen=True, kw_only=True)
    class Added(AggregateEvent):
        sku: str

    def add(self, sku: str) -> None:
        self.skus.append(sku)
        self.add_event(self.Added(sku=sku))


class Carts(Repository[Cart, str]):
    def __init__(self) -> None:
        self.stored: dict[str, Cart] = {}

    async def save(self, cart: Cart, /) -> None:
        self.stored[cart.id] = cart

    async def get(self, cart_id: str, /) -> Cart | None:
        return self.stored.get(cart_id)

    async def delete(self, cart: Cart, /) -> None:
        del self.stored[cart.id]
