"""What steps accept, the fields that stories declare and the attributes they assign are edited in other modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from typecheck_tests.modes import Histories, check
from typecheck_tests.running import CONFIG

STATES = """\
from typing import Generic, NamedTuple, TypedDict, TypeVar

T = TypeVar("T")

class Line(TypedDict):
    sku: str

class Pair(NamedTuple):
    first: int

class Box(Generic[T]):
    def __init__(self, item: T) -> None:
        self.item = item
"""
HOUSE = """\
from dddkit.stories import I, Story
from states import Box, Line, Pair

class House(Story):
    I.set
    I.read
    total = 0
    def set(self, state: int) -> None: ...
    def read(self, state: int) -> None:
        print(self.total)

class Base(Story):
    I.read
    def read(self, state: object) -> None: ...

class Lines(Story):
    I.add
    State = Line
    def add(self, state: Line) -> None: ...

class Pairs(Story):
    I.add
    State = Pair
    def add(self, state: Pair) -> None: ...

class Boxes(Story):
    I.add
    State = Box
    def add(self, state: Box[int]) -> None: ...
"""
BETWEEN = "from house import Base, House\nclass Between(House): ...\nclass Middle(Base): ...\n"
OUTER = """\
from between import Between, Middle

class Outer(Between):
    I.set
    I.read
    I.look
    def look(self, state: int) -> None:
        print(self.total)

class Own(Middle):
    limit: int = 1
""".replace("from between", "from dddkit.stories import I\nfrom between")
USER = """\
from between import Between
from house import Boxes, Lines, Pairs
from outer import Outer
from states import Box, Pair

def run(outer: Outer, between: Between) -> None:
    outer(1)
    between(1)
    Lines()({"sku": ""})
    Pairs()(Pair(1))
    Boxes()(Box(1))
"""
FILES = {"states.py": STATES, "house.py": HOUSE, "between.py": BETWEEN, "outer.py": OUTER, "user.py": USER}
SETTING = HOUSE.replace(
    "def set(self, state: int) -> None: ...", "def set(self, state: int) -> None:\n        self.total = state"
)
EDITS: Mapping[str, Mapping[str, str | None]] = {
    "a step of the base assigns what others read": {"house.py": SETTING},
    "and what it alone reads": {"house.py": SETTING.replace("print(self.total)", "print(state)"), "outer.py": OUTER},
    "and nothing": {"house.py": HOUSE},
    "a base declares a field": {
        "house.py": HOUSE.replace(
            "    I.read\n    def read(self, state: object)", "    gateway: int\n    def read(self, state: object)"
        )
    },
    "and its child lists the steps": {"outer.py": OUTER.replace("    limit: int = 1", "    I.read")},
    "and sets the field": {"outer.py": OUTER.replace("    limit: int = 1", "    I.read\n    gateway = 1")},
    "and the base has it no more": {"house.py": HOUSE, "outer.py": OUTER},
    "a step accepts something else": {"house.py": HOUSE.replace("read(self, state: int)", "read(self, state: str)")},
    "and anything": {"house.py": HOUSE.replace("state: int", "state: object")},
    "the base has a State": {
        "house.py": HOUSE.replace("    total = 0", "    total = 0\n    State = str").replace(
            "state: int", "state: object"
        )
    },
    "and all is as it was": FILES,
    "states change": {
        "states.py": STATES.replace("sku: str", "number: int")
        .replace("first: int", "first: str")
        .replace("item: T", "item: list[T]")
    },
    "and are as they were": FILES,
}
SHOWS: Final = {
    "dddkit-story-attribute": "a step of the base assigns what others read",
    "dddkit-undecorated-class": "and its child lists the steps",
    "dddkit-story-state": "a step accepts something else",
}


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
def test_every_mode_gives_the_result_of_a_cold_run_after_every_edit_of_attributes(
    edit: str, histories: Histories
) -> None:
    check(histories(CONFIG, FILES, EDITS), edit, SHOWS)
