"""Frozen in effect: the base that comes last decides, and a configuration that is merged or copied."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from dddkit.pydantic import AggregateEvent, DomainEvent, ValueObject

LOOSE = ConfigDict(extra="ignore")
HOUSE: ConfigDict = {"str_strip_whitespace": True, "frozen": True}


class Loose(BaseModel):
    model_config = ConfigDict(frozen=False, populate_by_name=True)


class House(BaseModel):
    model_config = HOUSE


class LastDecides(Loose, DomainEvent):
    n: int


class Merged(AggregateEvent):
    model_config = ConfigDict(**LOOSE, frozen=True)

    n: int


class Either(AggregateEvent):
    model_config = LOOSE | HOUSE

    n: int


class Mixed(House, ValueObject):
    n: int


class Inherits(Mixed):
    model_config = LOOSE

    m: int = 0


events: list[Any] = [LastDecides(n=1), Merged(n=1), Either(n=1), Mixed(n=1), Inherits(n=1)]
for event in events:
    try:
        event.n = 2
    except ValidationError:
        pass
    else:
        raise AssertionError(event)
