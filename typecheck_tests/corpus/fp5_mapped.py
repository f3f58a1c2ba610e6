"""Typing as in SQLAlchemy 2: `Mapped[int]` is a descriptor, read on an instance it is an int."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from dddkit.dataclasses import Aggregate, AggregateEvent, Entity, InMemoryRepository, Repository

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Base(Generic[T_co]):
    __slots__ = ()


class Mapped(Base[T_co]):
    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: Any) -> Attribute[T_co]: ...
        @overload
        def __get__(self, instance: object, owner: Any) -> T_co: ...
        def __get__(self, instance: object | None, owner: Any) -> Attribute[T_co] | T_co: ...

        def __set__(self, instance: Any, value: Any) -> None: ...


class Attribute(Generic[T_co]):
    def desc(self) -> str:
        return "desc"


class mapped_column(Mapped[Any]):
    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    if not TYPE_CHECKING:

        def __get__(self, instance, owner):
            return self if instance is None else instance.__dict__[self.name]

        def __set__(self, instance, value):
            instance.__dict__[self.name] = value


class Declarative:
    def __init__(self, **columns: Any) -> None:
        for name, value in columns.items():
            setattr(self, name, value)


class Order(Declarative, Aggregate):
    id: Mapped[int] = mapped_column()
    customer: Mapped[str | None] = mapped_column()

    def __init__(self, **columns: Any) -> None:
        super().__init__(**columns)

    class Renamed(AggregateEvent):
        pass


class Line(Declarative, Entity):
    line_id: Mapped[str] = mapped_column()

    def __init__(self, line_id: str) -> None:
        self.line_id = line_id


class Orders(Repository[Order, int]):
    def __init__(self) -> None:
        self.rows: dict[int, Order] = {}

    async def save(self, order: Order, /) -> None:
        self.rows[order.id] = order

    async def get(self, order_id: int, /) -> Order | None:
        return self.rows.get(order_id)

    async def delete(self, order: Order, /) -> None:
        del self.rows[order.id]


class OrdersInMemory(InMemoryRepository[Order, int]):
    pass


order = Order(id=1, customer=None)
order.add_event(order.Renamed())
assert order == Order(id=1, customer="b")
assert Line(line_id="a") != Line(line_id="b")
assert Orders()
assert OrdersInMemory()
