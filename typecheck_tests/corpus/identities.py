"""Identities of all kinds: marked, annotated, inherited, composite, optional, aliased, constant, by hand."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Generic, NewType, Optional, TypeVar
from uuid import UUID, uuid4

from dddkit.dataclasses import Aggregate, Entity, Identity, InMemoryRepository, SyncRepository, ValueObject

IdT = TypeVar("IdT")
TicketId = NewType("TicketId", str)
Key = Identity[int]


@dataclass(frozen=True)
class Isbn(ValueObject):
    digits: str


@dataclass(kw_only=True)
class Base(Aggregate, abc.ABC, Generic[IdT]):
    id: IdT
    created: float = 0


@dataclass(kw_only=True)
class Ticket(Base[TicketId]):
    title: str = ""


@dataclass
class Book(Aggregate):
    isbn: Annotated[Identity[Isbn], "isbn"]
    copies: int = 1


@dataclass
class Draft(Aggregate):
    draft_id: Optional[int] = None


@dataclass
class Seat(Entity):
    row: int
    number: int

    @property
    def id(self) -> tuple[int, int]:
        return self.row, self.number


@dataclass
class HTTPRequest(Entity):
    http_request_id: Final[UUID] = field(default_factory=uuid4)


@dataclass
class Aliased(Entity):
    key: Key
    more: int = 0


class ByHand(Entity):
    by_hand_id: int

    def __init__(self, *, by_hand_id: int, rest: Any = None) -> None:
        self.by_hand_id = by_hand_id
        self.rest = rest


class OnlyProtected(Entity):
    __slots__ = ("_id",)

    def __init__(self, id: int) -> None:
        self._id = id

    @property
    def id(self) -> int:
        return self._id


@dataclass
class Kind(Entity, abc.ABC):
    name: str

    @abc.abstractmethod
    def describe(self) -> str: ...


@dataclass
class Concrete(Kind):
    name: Identity[str] = ""

    def describe(self) -> str:
        return self.name


class Tickets(InMemoryRepository[Ticket, TicketId]): ...


class Books(InMemoryRepository[Book, Isbn]): ...


class Drafts(InMemoryRepository[Draft, int]): ...


class OptionalDrafts(InMemoryRepository[Draft, Optional[int]]): ...


class Loose(SyncRepository[Book, Any], abc.ABC): ...


AggregateT = TypeVar("AggregateT", bound="Base[Any]")


class Generalised(InMemoryRepository[AggregateT, IdT], Generic[AggregateT, IdT]): ...


assert Ticket(id=TicketId("a")) == Ticket(id=TicketId("a"), title="b")
assert Book(Isbn("1")) == Book(Isbn("1"), 2)
assert Draft() != Draft()
assert Seat(1, 2) == Seat(1, 2)
assert HTTPRequest() != HTTPRequest()
assert Aliased(1, 2) == Aliased(1, 3)
assert ByHand(by_hand_id=1) == ByHand(by_hand_id=1, rest=2)
assert OnlyProtected(1) == OnlyProtected(1)
assert Concrete("a").describe() == "a"
assert all([Tickets(), Books(), Drafts(), OptionalDrafts(), Generalised[Ticket, TicketId]()])
assert issubclass(Loose, abc.ABC) or Loose.__abstractmethods__
