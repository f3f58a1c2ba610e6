"""An aggregate of either kind records its own event."""

from dataclasses import dataclass
from typing import TypeVar, Union

from dddkit.dataclasses import Aggregate, AggregateEvent


@dataclass(kw_only=True)
class Basket(Aggregate):
    id: int

    @dataclass(frozen=True, kw_only=True)
    class Closed(AggregateEvent):
        pass

    @dataclass(frozen=True, kw_only=True)
    class Emptied(AggregateEvent):
        how: str = "quickly"


@dataclass(kw_only=True)
class Order(Aggregate):
    id: int

    @dataclass(frozen=True, kw_only=True)
    class Closed(AggregateEvent):
        pass


class Visit(Aggregate):
    visit_id: int

    class Closed(AggregateEvent):
        pass

    def __init__(self) -> None:
        self.visit_id = 1


AnyOf = TypeVar("AnyOf", Basket, Order)
Closable = Union[Basket, Order, Visit]


def close(closable: Closable) -> None:
    closable.add_event(closable.Closed())


def close_both(basket_or_order: Basket | Order) -> None:
    event = basket_or_order.Closed()
    basket_or_order.add_event(event)
    kind = type(basket_or_order)
    basket_or_order.add_event(kind.Closed())


def close_of(one: AnyOf) -> AnyOf:
    one.add_event(one.Closed())
    return one


def close_all(*all_of_them: Closable) -> int:
    for one in all_of_them:
        close(one)
        if isinstance(one, Basket):
            one.add_event(one.Emptied())
        else:
            one.add_event(one.Closed())
    return sum(len(one.get_events()) for one in all_of_them)


assert close_all(Basket(id=1), Order(id=1), Visit()) == 6
close_both(closed := close_of(Order(id=2)))
assert len(closed.get_events()) == 3
