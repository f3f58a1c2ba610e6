"""Mistakes beside shapes that are right: silence must not spread."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Any, Generic, NamedTuple, TypeVar, overload

from dddkit import dataclasses as dc
from dddkit import pydantic as pd

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Mapped(Generic[T_co]):
    @overload
    def __get__(self, instance: None, owner: Any) -> Mapped[T_co]: ...
    @overload
    def __get__(self, instance: object, owner: Any) -> T_co: ...
    def __get__(self, instance: object | None, owner: Any) -> Mapped[T_co] | T_co: ...  # type: ignore[empty-body]


def make_event(name: str) -> type[dc.AggregateEvent]:
    return type(name, (dc.AggregateEvent,), {})


class Order(dc.Aggregate):
    id: Mapped[int] = Mapped()

    Paid = make_event("Paid")

    def __init__(self) -> None: ...


class OrdersByText(dc.InMemoryRepository[Order, str]): ...  # E: dddkit-repository-parameters


class OrdersByMapped(dc.InMemoryRepository[Order, Mapped[int]]): ...  # E: dddkit-repository-parameters


@dataclass
class WithConstants(dc.Aggregate):  # E: dddkit-missing-identity
    name: str
    Opened = make_event("Opened")
    id = 3


@dataclass(kw_only=True)
class Basket(dc.Aggregate):
    id: int

    @dataclass(frozen=True, kw_only=True)
    class Base(dc.AggregateEvent):
        pass

    class Closed(dc.AggregateEvent):
        pass

    @dataclass(kw_only=True)
    class Line(dc.Aggregate):
        id: int

        class Changed(dc.AggregateEvent):
            pass

        def change(self) -> None:
            self.add_event(Basket.Closed())
            self.add_event(Visit.Closed())  # E: dddkit-foreign-event


@dataclass(frozen=True, kw_only=True)
class Handled(Basket.Base):
    pass


@dataclass(frozen=True, kw_only=True)
class NotHandled(Basket.Base):
    pass


class Visit(dc.Aggregate):
    class Closed(dc.AggregateEvent):
        pass

    def __init__(self) -> None: ...


def close(one: Basket | Visit, other: Basket) -> None:
    one.add_event(one.Closed())
    other.add_event(Visit.Closed())  # E: dddkit-foreign-event
    one.add_event(Basket.Line.Changed())  # E: dddkit-foreign-event


class Rows(NamedTuple):
    n: int


class Handler(dc.ChangesHandler[Basket, Rows]):  # E: dddkit-unhandled-event
    result_type = Rows
    n = 0

    @singledispatchmethod
    def handle_changes(self, event: dc.AggregateEvent, basket: Basket) -> None:
        """Not handled."""

    @handle_changes.register
    def _(self, event: Handled, basket: Basket) -> None: ...

    @handle_changes.register
    def _(self, event: Basket.Closed, basket: Basket) -> None: ...


class ModelOrder(pd.Aggregate):
    id: int
    tags: list[str] = []

    class Paid(pd.AggregateEvent):
        cents: int

    def pay(self, cents: int) -> None:
        if cents < 0:
            raise ValueError(self.Paid(cents=cents))
        self.Paid(cents=cents)  # E: dddkit-dropped-event
        event = self.Paid(cents=cents)
        self.add_event(event)
        Handled()  # E: dddkit-dropped-event


@dataclass(frozen=True)
class Ref(dc.ValueObject, Generic[T]):
    number: int
    cache: T | None = None


@dataclass(frozen=True)
class Holder(dc.ValueObject):
    plain: Ref[int]
    held: tuple[Ref[Basket], ...] = field(default=())  # E: dddkit-value-object-entity
