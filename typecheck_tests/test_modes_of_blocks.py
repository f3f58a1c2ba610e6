"""What building blocks inherit and hold is edited in one module and used in others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from typecheck_tests.modes import Histories, check
from typecheck_tests.running import CONFIG

# What the building blocks inherit, two modules away: each edit changes something about most of them at once.

HOUSE = """\
from __future__ import annotations
from abc import ABC
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import NamedTuple
from dddkit import dataclasses, pydantic
from dddkit.dataclasses import AggregateEvent, ChangesHandler
from dddkit.stories import I, Story, StoryState

@dataclass(kw_only=True)
class Numbered(dataclasses.Entity, ABC):
    id: int

class NumberedModel(pydantic.Entity, ABC):
    id: int

@dataclass(kw_only=True)
class Root(dataclasses.Aggregate):
    id: int
    class Created(AggregateEvent): ...

class Plain: ...
class PlainEvent: ...
class PlainModel(pydantic.DomainEvent): ...

class Process(Story, ABC):
    I.run
    I.audit
    class State(StoryState):
        order_id: int
    def run(self, state: State) -> None: ...
    def audit(self, state: State) -> None: ...

class Rows(NamedTuple):
    new: list[int]
    note: str = ""

class RowsOf(ChangesHandler[Root, Rows], ABC):
    result_type = Rows
    def _clear_state(self) -> None:
        self.new: list[int] = []
    @singledispatchmethod
    def handle_changes(self, event: object, aggregate: Root) -> None:
        raise NotImplementedError
    @handle_changes.register
    def _(self, event: Root.Created, aggregate: Root) -> None: ...
"""
BETWEEN = """\
from abc import ABC
from dataclasses import dataclass
import house

class Numbered(house.Numbered): ...
class NumberedModel(house.NumberedModel): ...
@dataclass(kw_only=True)
class Root(house.Root): ...
class Plain(house.Plain): ...
class PlainEvent(house.PlainEvent): ...
class PlainModel(house.PlainModel): ...
class Process(house.Process, ABC): ...
class RowsOf(house.RowsOf, ABC): ...
"""
BLOCKS = """\
from dataclasses import dataclass
from dddkit.dataclasses import InMemoryRepository, Repository, ValueObject
from dddkit.pydantic import ValueObject as Model
import between

@dataclass(kw_only=True)
class Item(between.Numbered):
    sku: str
class ItemModel(between.NumberedModel):
    sku: str
class Roots(Repository[between.Root, int]): ...
class Note(between.Plain):
    text: str
@dataclass
class Happened(between.PlainEvent): ...
class HappenedModel(between.PlainModel):
    cents: int
class Run(between.Process): ...
class Audit(between.Process):
    def audit(self, state: between.Process.State) -> None: ...
class Write(between.RowsOf): ...

def local() -> None:
    class LocalModel(between.NumberedModel):
        sku: str
    class Money(Model):
        cents: int
    class LocalRoots(InMemoryRepository[between.Root, int]): ...
    class LocalWrite(between.RowsOf): ...
    class LocalRun(between.Process): ...

class Holder:
    def method(self) -> None:
        class InMethod(between.NumberedModel):
            sku: str
"""
BLOCK_FILES = {"house.py": HOUSE, "between.py": BETWEEN, "blocks.py": BLOCKS}
# An opt-in code for all modules at once crashes `dmypy run`, which looks it up before it loads plugins. And in models
# inside functions that the daemon analyses again, pydantic's plugin leaves untyped methods, with ours or without.
BLOCK_CONFIG = (
    CONFIG
    + "disable_error_code = no-untyped-def\n"
    + "[mypy-blocks,between]\nenable_error_code = dddkit-unlisted-step\n"
)
_WITHOUT_IDENTITIES = HOUSE.replace("Entity, ABC):\n    id: int", "Entity, ABC): ...").replace(
    "Created(AggregateEvent): ...", "Created(AggregateEvent): ...\n    class Closed(AggregateEvent): ..."
)
_OF_ANOTHER_KIND = (
    HOUSE.replace("class Root(dataclasses.Aggregate):\n    id: int", "class Root(dataclasses.Aggregate):\n    id: str")
    .replace("class Plain:", "class Plain(dataclasses.ValueObject):")
    .replace("class PlainEvent:", "class PlainEvent(dataclasses.DomainEvent):")
    .replace("    I.audit\n", "")
    .replace("new: list[int]\n    note", "new: list[int]\n    old: list[int]\n    note")
)
_WITHOUT_STEPS = (
    HOUSE.replace("    I.run\n    I.audit\n", "")
    .replace("    @handle_changes.register\n    def _(self, event: Root.Created, aggregate: Root) -> None: ...\n", "")
    .replace("self.new: list[int] = []", "pass")
)
_THAWED = BLOCKS.replace("PlainModel):", "PlainModel, frozen=False):").replace("(Model):", "(Model, frozen=False):")

BLOCK_EDITS: Mapping[str, Mapping[str, str | None]] = {
    "identities are gone, an event is new": {"house.py": _WITHOUT_IDENTITIES},
    "other kinds of classes, another identity, a field more": {"house.py": _OF_ANOTHER_KIND},
    "as they were, but no steps, no handler, nothing that sets the field": {"house.py": _WITHOUT_STEPS},
    "models in functions and elsewhere thaw": {"house.py": HOUSE, "blocks.py": _THAWED},
    "while what they stand beside loses its identity": {"house.py": _WITHOUT_IDENTITIES},
    "the classes in between break, and the identity is another field": {
        "house.py": HOUSE.replace("    class Created", "    key: dataclasses.Identity[str]\n    class Created"),
        "between.py": BETWEEN.replace("(house.NumberedModel): ...", "(house.PlainModel): ...").replace(
            "(house.RowsOf, ABC): ...", "(house.RowsOf, ABC):\n    result_type: type[house.Rows]"
        ),
    },
    "everything is as it was": BLOCK_FILES,
}
BLOCKS_SHOW: Final = {
    "dddkit-missing-identity": "identities are gone, an event is new",
    "dddkit-repository-parameters": "other kinds of classes, another identity, a field more",
    "dddkit-undecorated-class": "other kinds of classes, another identity, a field more",
    "dddkit-unfrozen-event": "other kinds of classes, another identity, a field more",
    "dddkit-unfrozen-value-object": "models in functions and elsewhere thaw",
    "dddkit-empty-story": "as they were, but no steps, no handler, nothing that sets the field",
    "dddkit-unlisted-step": "other kinds of classes, another identity, a field more",
    "dddkit-unhandled-event": "identities are gone, an event is new",
    "dddkit-changes-result": "other kinds of classes, another identity, a field more",
}


@pytest.mark.slow
@pytest.mark.parametrize("edit", BLOCK_EDITS)
def test_every_mode_agrees_about_building_blocks_after_every_edit(edit: str, histories: Histories) -> None:
    config = BLOCK_CONFIG.replace("dddkit_mypy", "dddkit_mypy, pydantic.mypy", 1)
    check(histories(config, BLOCK_FILES, BLOCK_EDITS), edit, BLOCKS_SHOW)


FEW_EDITS: Final = {
    name: BLOCK_EDITS[name]
    for name in (
        "models in functions and elsewhere thaw",
        "while what they stand beside loses its identity",
    )
}
FEW_SHOW: Final = {
    "dddkit-unfrozen-value-object": "models in functions and elsewhere thaw",
    "dddkit-missing-identity": "while what they stand beside loses its identity",
    "dddkit-unhandled-event": "while what they stand beside loses its identity",
}


@pytest.mark.slow
@pytest.mark.parametrize("edit", FEW_EDITS)
@pytest.mark.parametrize("plugins", ["dddkit_mypy", "pydantic.mypy, dddkit_mypy"])
def test_every_mode_agrees_without_the_plugin_of_pydantic_and_after_it(
    edit: str, plugins: str, histories: Histories
) -> None:
    config = BLOCK_CONFIG.replace("dddkit_mypy", plugins, 1)
    check(histories(config, BLOCK_FILES, FEW_EDITS), edit, FEW_SHOW)
