"""mypy's cache sorts the names in a class and in a module: what a message names must not depend on their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from typecheck_tests.modes import Files, Histories, check
from typecheck_tests.running import CONFIG

HOUSE = """\
from abc import ABC
from dataclasses import dataclass
from types import SimpleNamespace
from dddkit.dataclasses import Aggregate, AggregateEvent, Entity, ValueObject
from dddkit.stories import I, Story, StoryState

class Steps(Story, ABC):
    class State(StoryState):
        n: int
    def second(self, state: State) -> None: ...
    def first(self, state: State) -> None: ...

@dataclass(kw_only=True)
class Room(Entity):
    id: int

@dataclass(kw_only=True)
class Area(Entity):
    id: int

@dataclass(frozen=True)
class Place(ValueObject):
    room: Room  # type: ignore[dddkit-value-object-entity]
    area: Area  # type: ignore[dddkit-value-object-entity]

@dataclass(kw_only=True)
class Basket(Aggregate):
    id: int
    class Opened(AggregateEvent): ...
    class Closed(AggregateEvent): ...

class Loose(SimpleNamespace):
    n: int
"""
LOOSE = """\
from house import Loose
from dddkit.stories import I, Story

class Second(Story):
    I.go
    State = Loose
    def go(self, state: Loose) -> None: ...

class First(Story):
    I.go
    State = Loose
    def go(self, state: Loose) -> None: ...
"""
USES = """\
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import NamedTuple
from house import Basket, Loose, Place, Steps
import loose
from dddkit.dataclasses import ChangesHandler, Entity, ValueObject

class Hollow(Steps): ...

@dataclass(frozen=True)
class Address(ValueObject):
    place: Place

class Rows(NamedTuple): ...

class RowsOf(ChangesHandler[Basket, Rows]):
    result_type = Rows
    @singledispatchmethod
    def handle_changes(self, event: object, aggregate: Basket) -> None:
        raise NotImplementedError

def use(state: Loose) -> None:
    print(state.missing)
"""
FILES = {"house.py": HOUSE, "loose.py": LOOSE, "uses.py": "print(1)\n"}
EDITS: Mapping[str, Files] = {"wrong uses": {"uses.py": USES}, "and one line below": {"uses.py": f"\n{USES}"}}
SHOWS: Final[Mapping[str, str]] = dict.fromkeys(
    ("dddkit-empty-story", "dddkit-value-object-entity", "dddkit-unhandled-event", "dddkit-undeclared-state"),
    "wrong uses",
)


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
def test_every_mode_names_the_same_where_names_are_in_another_order(edit: str, histories: Histories) -> None:
    check(histories(CONFIG, FILES, EDITS), edit, SHOWS)
