"""States of durable stories, and the classes in their fields, are edited in one module and made durable in another.

Without the daemon: after the first edit it takes half a minute to load what DBOS imports, with the plugin or without.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from typecheck_tests.modes import Project
from typecheck_tests.running import CONFIG, WITHOUT_DBOS, codes_in, run_mypy

TYPES: Final = """\
from dataclasses import dataclass
from typing import Annotated, Any
from pydantic import Field, PlainSerializer
from dddkit import dataclasses, pydantic

Given = int
Judged = str

@dataclass
class Line(dataclasses.Entity):
    id: int
    label: str = ""

class Note(pydantic.Entity):
    id: int
    text: str = ""

class Client: ...
"""
STATES: Final = """\
from typing import Annotated, Any
from pydantic import PlainSerializer
from dddkit.stories import StoryState
from types_ import Client, Given, Judged, Line, Note

class Base(StoryState):
    number: int

class Order(Base):
    lines: list[Line]
    notes: dict[str, Note]
    given: Given
    judged: Judged
    value: int
"""
STORIES: Final = """\
from dddkit.stories import I, Story
from states import Base, Order

class Checkout(Story):
    I.charge
    State = Order
    def charge(self, state: Order) -> None: ...

class Small(Story):
    I.charge
    State = Base
    def charge(self, state: Base) -> None: ...
"""
MADE: Final = """\
from typing import Any
from dddkit.stories.dbos import Durable
from stories import Checkout, Small

def make() -> tuple[Durable[Any], ...]:
    return Durable(Checkout(), name="checkout"), Durable(Small(), name="small")
"""
FILES: Final[Mapping[str, str]] = {
    "types_.py": TYPES,
    "states.py": STATES,
    "stories.py": STORIES,
    "made.py": MADE,
}
_EXCLUDED: Final = TYPES.replace('text: str = ""', 'text: str = Field("", exclude=True)')
EDITS: Final[Mapping[str, Mapping[str, str | None]]] = {
    "a field of the base is anything": {"states.py": STATES.replace("number: int", "number: Any")},
    "and is not judged": {"states.py": STATES.replace("number: int", "number: Annotated[Any, PlainSerializer(str)]")},
    "and is anything again": {"states.py": STATES.replace("number: int", "number: Any")},
    "and a number": {"states.py": STATES},
    "an entity has a private field": {
        "types_.py": f"{TYPES}\nclass Other(Note): ...\n".replace(
            '    text: str = ""', '    text: str = ""\n    _read: bool = False'
        )
    },
    "and excludes one instead": {"types_.py": _EXCLUDED},
    "and includes it": {"types_.py": TYPES},
    "an entity leaves a field out of its constructor": {
        "types_.py": TYPES.replace('label: str = ""', 'label: str = dataclasses_field(init=False, default="")').replace(
            "from dataclasses import dataclass", "from dataclasses import dataclass, field as dataclasses_field"
        )
    },
    "and becomes an aggregate": {
        "types_.py": TYPES.replace("class Line(dataclasses.Entity)", "class Line(dataclasses.Aggregate)")
    },
    "and an entity": {"types_.py": TYPES},
    "a class gets a constructor": {
        "types_.py": TYPES.replace("class Client: ...", "class Client:\n    def __init__(self) -> None: ..."),
        "states.py": STATES.replace("value: int", "value: Client"),
    },
    "and loses it": {"types_.py": TYPES},
    "an alias stands for anything": {"types_.py": TYPES.replace("Given = int", "Given = Any")},
    "the state becomes another class": {
        "types_.py": TYPES,
        "stories.py": STORIES.replace("State = Order", "class State(Order):\n        a: object").replace(
            "state: Order", "state: State"
        ),
    },
    "and is as it was": FILES,
}
REPORTED: Final = {
    "a field of the base is anything",
    "and is anything again",
    "an entity has a private field",
    "and excludes one instead",
    "an entity leaves a field out of its constructor",
    "and becomes an aggregate",
    "a class gets a constructor",
    "the state becomes another class",
}


@pytest.mark.slow
def test_a_run_with_a_cache_gives_the_result_of_a_cold_run(tmp_path: Path) -> None:
    seed = tmp_path / "seed"
    seed.mkdir()
    (seed / "mypy.ini").write_text(CONFIG + WITHOUT_DBOS)
    (seed / "seed.py").write_text("import dddkit.dataclasses, dddkit.pydantic, dddkit.stories.dbos\n")
    run_mypy(seed, "--cache-dir=cache", "seed.py")
    project = Project(tmp_path / "project", FILES, CONFIG + WITHOUT_DBOS, seed / "cache")
    assert (project.cold(), project.warm()) == ("", "")
    reported: set[str] = set()
    for name, files in EDITS.items():
        project.edit(files)
        cold, warm = project.cold(), project.warm()
        assert warm == cold, name
        assert set(codes_in(cold)) <= {"dddkit-durable-state"}, cold
        if cold:
            reported.add(name)
    assert reported == REPORTED
