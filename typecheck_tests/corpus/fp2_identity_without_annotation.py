"""The identity is a descriptor that nobody annotated: an attribute that an object stores, not a field."""

from typing import Any, Generic, TypeVar

from typing_extensions import Self, overload

from dddkit.dataclasses import Aggregate, InMemoryRepository

T = TypeVar("T")


class Column(Generic[T]):
    def __init__(self, kind: type[T]) -> None:
        self.kind = kind

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: Any) -> T: ...
    def __get__(self, instance: object | None, owner: Any) -> Self | T:
        if instance is None:
            return self
        value: T = instance.__dict__[self.name]
        return value

    def __set__(self, instance: object, value: T) -> None:
        instance.__dict__[self.name] = self.kind(value)  # type: ignore[call-arg]


class Invoice(Aggregate):
    id = Column(int)
    total = Column(int)

    def __init__(self, id: int, total: int) -> None:
        self.id = id
        self.total = total


class Invoices(InMemoryRepository[Invoice, int]):
    pass


assert Invoice(1, 2) == Invoice(1, 3)
assert Invoice(1, 2) != Invoice(2, 2)
assert Invoices()
