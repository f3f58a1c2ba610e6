"""Values: arithmetic, generic, slots, numbers, named tuples, enums, what only looks as if it held an entity."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, InitVar, dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple, TypeVar

from dddkit.dataclasses import Entity, ValueObject

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")
NumberT = TypeVar("NumberT", int, Decimal)


@dataclass(kw_only=True)
class Employee(Entity):
    id: int


@functools.total_ordering
@dataclass(frozen=True, slots=True)
class Money(ValueObject):
    amount: Decimal
    _: KW_ONLY
    currency: str = "EUR"
    ZERO: ClassVar[Money]

    def __add__(self, other: Self) -> Money:
        return Money(self.amount + other.amount)

    def __lt__(self, other: Money) -> bool:
        return self.amount < other.amount


Money.ZERO = Money(Decimal(0))


@dataclass(frozen=True)
class Pair(ValueObject, Generic[T]):
    left: T
    right: T
    swapped: InitVar[bool] = False
    both: tuple[T, T] = field(init=False)

    def __post_init__(self, swapped: bool) -> None:
        both = (self.right, self.left) if swapped else (self.left, self.right)
        object.__setattr__(self, "both", both)


@dataclass(frozen=True)
class Rule(ValueObject):
    """Speaks of entities and holds none."""

    kind: type[Employee]
    applies: Callable[[Employee], bool]
    employee_id: int
    registry: ClassVar[dict[int, Employee]] = {}
    limits: Mapping[str, Pair[Money]] = field(default_factory=dict, hash=False)

    def employee(self) -> Employee:
        return self.registry[self.employee_id]


class Percent(int, ValueObject):
    def of(self, number: int) -> int:
        return self * number // 100


class Code(str, ValueObject):
    __slots__ = ()


class _Point(NamedTuple):
    x: int
    y: int = 0


class Point(_Point, ValueObject):
    __slots__ = ()

    def flipped(self) -> Point:
        return Point(self.y, self.x)


class Weekday(enum.IntEnum):
    MONDAY = 1


@dataclass(frozen=True)
class Slot(ValueObject):
    day: Weekday
    hours: frozenset[int] = frozenset()


class Slots(Slot, enum.Enum):
    EARLY = Weekday.MONDAY, frozenset({8})


class Marker(ValueObject):
    """No field at all."""


ada = Employee(id=1)
Rule.registry[1] = ada
assert Money(Decimal(1)) + Money(Decimal(2)) > Money.ZERO
assert Pair(1, 2, swapped=True).both == (2, 1)
assert Rule(Employee, lambda employee: employee.id > 0, 1).employee() is ada
assert (Percent(50).of(10), Code("a"), Point(1).flipped()) == (5, "a", Point(0, 1))
assert Slots.EARLY.day is Weekday.MONDAY
assert Marker() == Marker()
