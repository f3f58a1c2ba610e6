from dataclasses import dataclass, field
from dddkit.dataclasses import Aggregate, AggregateEvent, Repository

@dataclass(kw_only=True)
class Cart(Aggregate):
    id: str
    skus: list[str] = field(default_factory=list)
    @dataclass(frozen=True, kw_only=True)
    class Added(AggregateEvent):
        sku: str
    def add(self, sku: str) -> None: ...

class Carts(Repository[Cart, str]):
    stored: dict[str, Cart]
    def __init__(self) -> None: ...
    async def save(self, cart: Cart, /) -> None: ...
    async def get(self, cart_id: str, /) -> Cart | None: ...
    async def delete(self, cart: Cart, /) -> None: ...
