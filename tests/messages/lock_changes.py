"""Changes of an event, what `check_events` says of each, and what really happens to those who read it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal, NewType, Union
from uuid import UUID

import pydantic
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, MultipleOf
from typing_extensions import NotRequired, TypedDict

from tests.blocks.flavours import Flavour, Model

Data = Mapping[str, Any]  # Any: JSON
Declare = Callable[..., Any]
Fields = Callable[[Declare], dict[str, Any]]  # the fields of an event, given what declares a class within it

UPCAST = "raise the version and add an upcast"
DEFAULT = f"give it one, or {UPCAST}"
LOCK = "run lock_events"


@dataclass(frozen=True)
class Change:
    """A change of the fields of one event."""

    title: str
    old: Fields
    new: Fields
    written_by_old: Data
    written_by_new: Data
    says: tuple[str, ...] = ()  # each about order.placed.v1
    new_reads_old: bool = True
    old_reads_new: bool = True

    def classes(self, flavour: type[Flavour]) -> tuple[Model, Model]:
        declare = partial(flavour.declare, "ValueObject")
        fields = self.old(declare), self.new(declare)
        return flavour.declare("AggregateEvent", "Old", **fields[0]), flavour.declare(
            "AggregateEvent", "New", **fields[1]
        )


def plain(**fields: Any) -> Fields:
    return lambda _: fields


def line(**fields: Any) -> Fields:
    return lambda declare: {"lines": list[declare("Line", **fields)]}  # type: ignore[misc]  # a class made at run time


def paid_by(*ways: tuple[str, dict[str, Any]]) -> Fields:
    """One of several classes, told apart by their `kind`."""

    def fields(declare: Declare) -> dict[str, Any]:
        classes = tuple(declare(name.title(), kind=Literal[name], **others) for name, others in ways)
        return {"paid": Annotated[Union[classes], pydantic.Field(discriminator="kind")]}  # noqa: UP007  # of a tuple

    return fields


def either(**classes: dict[str, Any]) -> Fields:
    """One of several classes, told apart by their fields alone."""

    def fields(declare: Declare) -> dict[str, Any]:
        declared = tuple(declare(name, **others) for name, others in classes.items())
        return {"by": Union[declared]}  # noqa: UP007  # of a tuple

    return fields


def positions(**fields: Any) -> Fields:
    return lambda declare: {"lines": list[declare("Position", **fields)]}  # type: ignore[misc]  # made at run time


class Size(enum.Enum):
    SMALL = "S"
    LARGE = "L"


MoreSizes = enum.Enum("MoreSizes", {"SMALL": "S", "LARGE": "L", "HUGE": "XL"})
OtherSizes = enum.Enum("OtherSizes", {"SMALL": "small", "LARGE": "L"})


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


MoreRights = enum.Flag("MoreRights", {"READ": 1, "WRITE": 2, "OWN": 4})


class Address(TypedDict):
    street: str
    floor: int


class LooseAddress(TypedDict):
    street: str
    floor: NotRequired[int]


Count = NewType("Count", int)
ID = "0195f1c2-0000-7000-8000-000000000001"
CARD = ("card", {"number": str})
NOTHING: dict[str, Any] = {}
CASH = ("cash", NOTHING)

CHANGES = [
    Change(
        "a field with a default is added",
        plain(total=int), plain(total=int, note=(str, "")), {"total": 1}, {"total": 1, "note": "x"},
        (f"data.note is not locked yet; {LOCK}",),
    ),
    Change(
        "a nullable field with a default is added",
        plain(total=int), plain(total=int, note=(str | None, None)), {"total": 1}, {"total": 1, "note": None},
        (f"data.note is not locked yet; {LOCK}",),
    ),
    Change(
        "a field with a default is added to a nested class",
        line(sku=str), line(sku=str, quantity=(int, 1)), {"lines": [{"sku": "a"}]}, {"lines": [{"sku": "a"}]},
        (f"data.lines[].quantity is not locked yet; {LOCK}",),
    ),
    Change(
        "a field with a default is added to one class of a union",
        paid_by(CARD, CASH), paid_by(CARD, ("cash", {"change": (int, 0)})),
        {"paid": {"kind": "cash"}}, {"paid": {"kind": "cash", "change": 5}},
        (f"data.paid.change is not locked yet; {LOCK}",),
    ),
    Change(
        "a field gets a default",
        plain(total=int), plain(total=(int, 0)), {"total": 1}, {},
        (f"data.total has a default now, which is not locked yet; {LOCK}",),
    ),
    Change("a default is another one", plain(total=(int, 0)), plain(total=(int, 1)), {}, {}),
    Change(
        "the order of the fields is another one",
        plain(total=int, note=str), plain(note=str, total=int), {"total": 1, "note": ""}, {"total": 1, "note": ""},
    ),
    Change(
        "a nested class is renamed",
        line(sku=str), positions(sku=str),
        {"lines": [{"sku": "a"}]}, {"lines": [{"sku": "a"}]},
    ),
    Change(
        "a list becomes a tuple of any length",
        plain(ids=list[int]), plain(ids=tuple[int, ...]), {"ids": [1]}, {"ids": [2]},
    ),
    Change("an enum becomes a Literal", plain(size=Size), plain(size=Literal["L", "S"]), {"size": "S"}, {"size": "L"}),
    Change("a NewType is given to a field", plain(total=int), plain(total=Count), {"total": 1}, {"total": 1}),
    Change(
        "a field is removed",
        plain(total=int, note=str), plain(total=int), {"total": 1, "note": ""}, {"total": 1},
        (f"data.note was removed; {UPCAST}",), old_reads_new=False,
    ),
    Change(
        "a field with a default is removed",
        plain(total=int, note=(str, "")), plain(total=int), {"total": 1, "note": "x"}, {"total": 1},
        (f"data.note was removed; {UPCAST}",),
    ),
    Change(
        "a field is renamed",
        plain(total=int), plain(amount=int), {"total": 1}, {"amount": 1},
        (f"data.total was removed or renamed to data.amount; {UPCAST}",), new_reads_old=False, old_reads_new=False,
    ),
    Change(
        "a field is added without a default",
        plain(total=int), plain(total=int, note=str), {"total": 1}, {"total": 1, "note": ""},
        (f"data.note was added without a default; {DEFAULT}",), new_reads_old=False,
    ),
    Change(
        "a default is taken away",
        plain(total=(int, 0)), plain(total=int), {}, {"total": 1},
        (f"data.total has lost its default; {DEFAULT}",),
    ),
    Change(
        "a number becomes a string",
        plain(total=int), plain(total=str), {"total": 1}, {"total": "x"},
        (f"data.total was integer, and is string now; {UPCAST}",), new_reads_old=False, old_reads_new=False,
    ),
    Change(
        "an int becomes a float",
        plain(total=int), plain(total=float), {"total": 1}, {"total": 1.5},
        (f"data.total was integer, and is number now; {UPCAST}",), old_reads_new=False,
    ),
    Change(
        "a float becomes an int",
        plain(total=float), plain(total=int), {"total": 1.5}, {"total": 1},
        (f"data.total was number, and is integer now; {UPCAST}",), new_reads_old=False,
    ),
    Change(
        "a float becomes a Decimal",
        plain(total=float), plain(total=Decimal), {"total": 1.5}, {"total": "1.5"},
        (f"data.total was number, and is string (decimal) now; {UPCAST}",), old_reads_new=False,
    ),
    Change(
        "a string becomes a UUID",
        plain(order=str), plain(order=UUID), {"order": "first"}, {"order": ID},
        (f"data.order was string, and is string (uuid) now; {UPCAST}",), new_reads_old=False,
    ),
    Change(
        "a time becomes a date",
        plain(due=datetime), plain(due=date), {"due": "2026-03-01T12:30:00Z"}, {"due": "2026-03-01"},
        (f"data.due was string (date-time), and is string (date) now; {UPCAST}",), new_reads_old=False,
        old_reads_new=False,
    ),
    Change(
        "a time has to know its zone",
        plain(due=datetime), plain(due=pydantic.AwareDatetime), {"due": "2026-03-01T12:30:00"},
        {"due": "2026-03-01T12:30:00Z"},
        (f'data.due allows less than before: timezone was nothing, and is "aware" now; {UPCAST}',), new_reads_old=False,
    ),
    Change(
        "a duration becomes a number of seconds",
        plain(wait=timedelta), plain(wait=int), {"wait": "PT5S"}, {"wait": 5},
        (f"data.wait was string (duration), and is integer now; {UPCAST}",), new_reads_old=False,
        old_reads_new=False,
    ),
    Change(
        "bytes become text",
        plain(seal=bytes), plain(seal=str), {"seal": "AAE="}, {"seal": "no base64"},
        (f"data.seal was string (base64), and is string now; {UPCAST}",), old_reads_new=False,
    ),
    Change(
        "a field may be null",
        plain(note=str), plain(note=str | None), {"note": ""}, {"note": None},
        (f"data.note may be null now; {UPCAST}",), old_reads_new=False,
    ),
    Change(
        "a field may no longer be null",
        plain(note=str | None), plain(note=str), {"note": None}, {"note": ""},
        (f"data.note may not be null any more; {UPCAST}",), new_reads_old=False,
    ),
    Change(
        "an enum gains a value",
        plain(size=Size), plain(size=MoreSizes), {"size": "S"}, {"size": "XL"},
        (f'data.size may be "XL" now; {UPCAST}',), old_reads_new=False,
    ),
    Change(
        "an enum loses a value",
        plain(size=MoreSizes), plain(size=Size), {"size": "XL"}, {"size": "S"},
        (f'data.size may not be "XL" any more; {UPCAST}',), new_reads_old=False,
    ),
    Change(
        "a value of an enum is another one",
        plain(size=Size), plain(size=OtherSizes), {"size": "S"}, {"size": "small"},
        (f'data.size may be "small" now; {UPCAST}', f'data.size may not be "S" any more; {UPCAST}'),
        new_reads_old=False, old_reads_new=False,
    ),
    Change(
        "flags gain a bit",
        plain(rights=Rights), plain(rights=MoreRights), {"rights": 3}, {"rights": 5},
        (f"data.rights has another constraint: bits was 3, and is 7 now; {UPCAST}",), old_reads_new=False,
    ),
    Change(
        "an enum of numbers becomes flags",
        plain(rights=Literal[1, 2]), plain(rights=Rights), {"rights": 1}, {"rights": 3},
        (f"data.rights was 1 or 2, and is integer (flags) now; {UPCAST}",), old_reads_new=False,
    ),
    Change(
        "a Literal becomes any string",
        plain(size=Literal["S", "L"]), plain(size=str), {"size": "S"}, {"size": "M"},
        (f'data.size was "L" or "S", and is string now; {UPCAST}',), old_reads_new=False,
    ),
    Change(
        "a bound is written in another way",
        plain(total=Annotated[int, Gt(0), Le(9)]), plain(total=Annotated[int, Ge(1), Lt(10)]),
        {"total": 9}, {"total": 1},
    ),
    Change(
        "a 1 becomes true",
        plain(total=Literal[1]), plain(total=Literal[True]), {"total": 1}, {"total": True},
        (f"data.total may be true now; {UPCAST}", f"data.total may not be 1 any more; {UPCAST}"),
    ),
    Change(
        "a bound is widened",
        plain(total=Annotated[int, Le(10)]), plain(total=Annotated[int, Le(20)]), {"total": 10}, {"total": 20},
        (f"data.total allows more than before: maximum was 10, and is 20 now; {UPCAST}",), old_reads_new=False,
    ),
    Change(
        "a bound is narrowed",
        plain(total=Annotated[int, Ge(0)]), plain(total=Annotated[int, Ge(1)]), {"total": 0}, {"total": 1},
        (f"data.total allows less than before: minimum was 0, and is 1 now; {UPCAST}",), new_reads_old=False,
    ),
    Change(
        "a Decimal gets fewer digits",
        plain(total=Decimal), plain(total=Annotated[Decimal, pydantic.Field(max_digits=4)]), {"total": "1.2345"},
        {"total": "1.23"},
        (f"data.total allows less than before: max digits was nothing, and is 4 now; {UPCAST}",), new_reads_old=False,
    ),
    Change(
        "a date gets a bound",
        plain(due=date), plain(due=Annotated[date, Ge(date(2026, 1, 1))]), {"due": "2025-12-31"}, {"due": "2026-01-01"},
        (f'data.due allows less than before: minimum was nothing, and is "2026-01-01" now; {UPCAST}',),
        new_reads_old=False,
    ),
    Change(
        "a text gets a length",
        plain(note=str), plain(note=Annotated[str, MaxLen(3)]), {"note": "long"}, {"note": ""},
        (f"data.note allows less than before: max length was nothing, and is 3 now; {UPCAST}",), new_reads_old=False,
    ),
    Change(
        "a pattern is another one",
        plain(sku=Annotated[str, pydantic.Field(pattern="^a")]),
        plain(sku=Annotated[str, pydantic.Field(pattern="^b")]),
        {"sku": "a"}, {"sku": "b"},
        (f'data.sku has another constraint: pattern was "^a", and is "^b" now; {UPCAST}',),
        new_reads_old=False, old_reads_new=False,
    ),
    Change(
        "a number is a multiple of another one",
        plain(total=Annotated[int, MultipleOf(2)]), plain(total=Annotated[int, MultipleOf(3)]), {"total": 2},
        {"total": 3},
        (f"data.total has another constraint: multiple of was 2, and is 3 now; {UPCAST}",),
        new_reads_old=False, old_reads_new=False,
    ),
    Change(
        "a list may have 0 items or more, which it may anyway",
        plain(ids=list[int]), plain(ids=Annotated[list[int], MinLen(0)]), {"ids": []}, {"ids": []},
    ),
    Change(
        "a list may not be empty",
        plain(ids=list[int]), plain(ids=Annotated[list[int], MinLen(1)]), {"ids": []}, {"ids": [1]},
        (f"data.ids allows less than before: min items was nothing, and is 1 now; {UPCAST}",), new_reads_old=False,
    ),
    Change(
        "a single value becomes a list",
        plain(sku=str), plain(sku=list[str]), {"sku": "a"}, {"sku": ["a"]},
        (f"data.sku was string, and is array now; {UPCAST}",), new_reads_old=False, old_reads_new=False,
    ),
    Change(
        "the items of a list are of another type",
        plain(ids=list[int]), plain(ids=list[str]), {"ids": [1]}, {"ids": ["x"]},
        (f"data.ids[] was integer, and is string now; {UPCAST}",), new_reads_old=False, old_reads_new=False,
    ),
    Change(
        "a list becomes a set",
        plain(ids=list[int]), plain(ids=frozenset[int]), {"ids": [1, 1]}, {"ids": [1]},
        (f"data.ids allows less than before: unique items was nothing, and is true now; {UPCAST}",),
    ),
    Change(
        "a tuple gets longer",
        plain(point=tuple[int, int]), plain(point=tuple[int, int, int]), {"point": [1, 2]}, {"point": [1, 2, 3]},
        (
            f"data.point allows more than before: max items was 2, and is 3 now; {UPCAST}",
            f"data.point allows less than before: min items was 2, and is 3 now; {UPCAST}",
        ),
        new_reads_old=False, old_reads_new=False,
    ),
    Change(
        "a place of a tuple is of another type",
        plain(point=tuple[int, int]), plain(point=tuple[int, str]), {"point": [1, 2]}, {"point": [1, "x"]},
        (f"data.point[1] was integer, and is string now; {UPCAST}",), new_reads_old=False, old_reads_new=False,
    ),
    Change(
        "the values of a mapping are of another type",
        plain(prices=dict[str, int]), plain(prices=dict[str, str]), {"prices": {"a": 1}}, {"prices": {"a": "x"}},
        (f"data.prices{{}} was integer, and is string now; {UPCAST}",), new_reads_old=False, old_reads_new=False,
    ),
    Change(
        "the keys of a mapping are of another type",
        plain(prices=dict[str, int]), plain(prices=dict[UUID, int]), {"prices": {"a": 1}}, {"prices": {ID: 1}},
        (f"each key of data.prices was string, and is string (uuid) now; {UPCAST}",), new_reads_old=False,
    ),
    Change(
        "a nested class becomes a mapping",
        lambda declare: {"size": declare("Size", height=int)}, plain(size=dict[str, int]),
        {"size": {"height": 1}}, {"size": {"width": 1}},
        (f"data.size was object with height, and is mapping now; {UPCAST}",), old_reads_new=False,
    ),
    Change(
        "a field of a nested class is removed",
        line(sku=str, quantity=int), line(sku=str), {"lines": [{"sku": "a", "quantity": 1}]}, {"lines": [{"sku": "a"}]},
        (f"data.lines[].quantity was removed; {UPCAST}",), old_reads_new=False,
    ),
    Change(
        "a field is added to a nested class without a default",
        line(sku=str), line(sku=str, quantity=int), {"lines": [{"sku": "a"}]}, {"lines": [{"sku": "a", "quantity": 1}]},
        (f"data.lines[].quantity was added without a default; {DEFAULT}",), new_reads_old=False,
    ),
    Change(
        "a union gains a class",
        paid_by(CARD, CASH), paid_by(CARD, CASH, ("voucher", {"code": str})),
        {"paid": {"kind": "cash"}}, {"paid": {"kind": "voucher", "code": "a"}},
        (f'data.paid may be object with kind "voucher" now; {UPCAST}',), old_reads_new=False,
    ),
    Change(
        "a union loses a class",
        paid_by(CARD, CASH), paid_by(CARD), {"paid": {"kind": "cash"}}, {"paid": {"kind": "card", "number": "1"}},
        (f'data.paid may not be object with kind "cash" any more; {UPCAST}',), new_reads_old=False,
    ),
    Change(
        "a class of a union has another discriminator",
        paid_by(CARD, CASH), paid_by(CARD, ("coins", NOTHING)), {"paid": {"kind": "cash"}}, {"paid": {"kind": "coins"}},
        (
            (
                'data.paid was object with kind "card" or object with kind "cash", '
                f'and is object with kind "card" or object with kind "coins" now; {UPCAST}'
            ),
        ),
        new_reads_old=False, old_reads_new=False,
    ),
    Change(
        "a field of one class of a union is of another type",
        paid_by(CARD, CASH), paid_by(("card", {"number": int}), CASH),
        {"paid": {"kind": "card", "number": "x"}}, {"paid": {"kind": "card", "number": 1}},
        (f"data.paid.number was string, and is integer now; {UPCAST}",), new_reads_old=False, old_reads_new=False,
    ),
    Change(
        "a class that only its fields tell from others gets a field with a default",
        either(Card={"number": str}, Cash={"change": int}),
        either(Card={"number": str, "owner": (str, "")}, Cash={"change": int}),
        {"by": {"number": "1"}}, {"by": {"number": "1", "owner": ""}},
        (
            (
                "data.by was object with change or object with number, "
                f"and is object with change or object with number, owner now; {UPCAST}"
            ),
        ),
    ),
    Change(
        "a key of a TypedDict need not be there",
        plain(at=Address), plain(at=LooseAddress), {"at": {"street": "a", "floor": 1}}, {"at": {"street": "a"}},
        (f"data.at.floor may be missing now; {UPCAST}",), old_reads_new=False,
    ),
]  # fmt: skip
