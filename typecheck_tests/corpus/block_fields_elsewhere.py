"""Annotations of building blocks that are no fields, and fields that a hand-written `__init__` sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dddkit.dataclasses import Aggregate, AggregateEvent, DomainEvent, Entity, ValueObject


class Point(ValueObject):
    x: int
    y: int

    def __init__(self, x: int, y: int = 0) -> None:
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)


class Shifted(Point):
    """Adds a constant."""

    BY: ClassVar[int] = 3


class Proxy(Entity):
    if TYPE_CHECKING:
        name: str

    def __init__(self, proxy_id: int) -> None:
        self.proxy_id = proxy_id

    def __getattr__(self, name: str) -> Any:
        if name != "name":
            raise AttributeError(name)
        return f"proxy {self.proxy_id}"


class Slotted(Entity):
    __slots__ = ("slotted_id",)
    slotted_id: int

    def __init__(self, slotted_id: int) -> None:
        self.slotted_id = slotted_id


class Loaded(Aggregate):
    id: int
    rows: dict[str, int]

    @dataclass(frozen=True, kw_only=True)
    class Base(AggregateEvent):
        n: int = 0

    class Child(Base):
        kind: ClassVar = "child"

    def __new__(cls, id: int) -> Loaded:
        made = super().__new__(cls)
        made.id, made.rows = id, {}
        return made


@dataclass(frozen=True)
class Priced(ValueObject):
    cents: int

    @classmethod
    def zero(cls) -> Priced:
        return cls(0)


class Free(Priced):
    def __init__(self) -> None:
        super().__init__(0)


class Noted(DomainEvent):
    text: str

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "text", text)
        super().__init__()


assert Point(1) == Point(1, 0)
assert Shifted(1).BY == 3
assert Proxy(1).name == "proxy 1"
assert Slotted(1) == Slotted(1)
assert Loaded(1) == Loaded(1)
assert Loaded.Child().kind == "child"
assert Free().cents == Priced.zero().cents
assert Noted("a").text == "a"
