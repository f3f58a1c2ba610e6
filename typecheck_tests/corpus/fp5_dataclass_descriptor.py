"""A dataclass whose fields are descriptors: the constructor goes through `__set__`."""

from dataclasses import dataclass
from typing import Generic, TypeVar, overload

from dddkit.dataclasses import Aggregate, InMemoryRepository, ValueObject

T = TypeVar("T")


@dataclass(frozen=True)
class TicketId(ValueObject):
    number: int


class Checked(Generic[T]):
    def __init__(self, kind: type[T]) -> None:
        self._kind = kind

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> "Checked[T]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object, owner: type) -> "Checked[T] | T":
        if instance is None:
            raise AttributeError(self._name)  # so that dataclasses sees no default
        value: T = getattr(instance, self._name)
        return value

    def __set__(self, instance: object, value: T) -> None:
        if not isinstance(value, self._kind):
            raise TypeError(value)
        setattr(instance, self._name, value)


@dataclass
class Ticket(Aggregate):
    ticket_id: Checked[TicketId] = Checked(TicketId)
    title: Checked[str] = Checked(str)


class Tickets(InMemoryRepository[Ticket, TicketId]):
    pass


ticket = Ticket(TicketId(1), "t")
assert ticket == Ticket(TicketId(1), "u")
assert Tickets()
try:
    ticket.title = 3  # type: ignore[assignment]
except TypeError:
    pass
else:
    raise AssertionError
