"""Cold, warm, parallel, with the old parser, in the daemon: the plugin says the same, edit after edit."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import ndiff
from pathlib import Path

import pytest

from typecheck_tests.modes import project
from typecheck_tests.running import CONFIG, codes_in

ROOT = """\
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from dddkit.stories import I, Story, StoryState

F = TypeVar("F", bound=Callable[..., Any])

def retry(times: int) -> Callable[[F], F]:
    raise NotImplementedError

class Root(Story):
    I.reserve
    class State(StoryState):
        order_id: int
    def reserve(self, state: State) -> None: ...
    def charge(self, state: State) -> None: ...
    @retry(3)
    def decorated(self, state: State) -> None: ...
"""
MIDDLE = "from root import Root\nclass Middle(Root): ...\n"
LEAF = """\
from dddkit.stories import I
from middle import Middle

class Leaf(Middle):
    I.reserve
    I.charge
    I.decorated

class Inherits(Middle): ...
"""
HOLDER = """\
from dataclasses import dataclass
from dddkit.stories import I, Story
from leaf import Inherits, Leaf

@dataclass
class Holder(Story):
    I.leaf
    leaf: Leaf
    class State(Leaf.State):
        note: str

def local() -> Story:
    class Local(Leaf):
        I.charge
        I.again
        def again(self, state: Leaf.State) -> None: ...
    Local()(1)
    return Local()

def early(story: Leaf, inherits: Inherits, holder: Holder, state: Holder.State) -> None:
    story(state)
    inherits(state)
    holder(state)
"""
STATES = """\
from typing import Protocol
from dddkit.stories import StoryState

class HasOrder(Protocol):
    order_id: int

class Base(StoryState):
    order_id: int

class Derived(Base):
    card: str

class Notify(Protocol):
    def __call__(self, state: HasOrder, /) -> None: ...
"""
PAYMENT = """\
from dddkit.stories import I, Story
from states import Base, HasOrder

class Pay(Story):
    I.capture
    class State(Base): ...
    def capture(self, state: HasOrder) -> None: ...
"""
SHOP = """\
from collections.abc import Callable
from dataclasses import dataclass
import states
from dddkit.stories import I, Story
from payment import Pay

@dataclass
class Shop(Story):
    I.check
    I.notify
    I.inject
    State = states.Derived
    notify: states.Notify
    inject: Callable[[states.Base], None]
    def check(self, state: states.HasOrder) -> None: ...

@dataclass
class Bill(Story):
    I.pay
    pay: Pay
    class State(Pay.State): ...

def sell(shop: Shop, bill: Bill) -> None:
    shop(1)
    bill(1)
"""
BARE = "from middle import Middle\nclass Bare(Middle): ...\n"
CALLER = "from bare import Bare\n\ndef call(story: Bare) -> None:\n    story(1)\n"
FILES = {
    "bare.py": BARE,
    "caller.py": CALLER,
    "states.py": STATES,
    "payment.py": PAYMENT,
    "shop.py": SHOP,
    "root.py": ROOT,
    "middle.py": MIDDLE,
    "leaf.py": LEAF,
    "holder.py": HOLDER,
}

EDITS: Mapping[str, Mapping[str, str | None]] = {
    "a step of the base is renamed": {"root.py": ROOT.replace("def charge", "def charge_card")},
    "and named back": {"root.py": ROOT},
    "a step of the base becomes async": {"root.py": ROOT.replace("def reserve", "async def reserve")},
    "and sync": {"root.py": ROOT},
    "a decorated step becomes async": {"root.py": ROOT.replace("def decorated", "async def decorated")},
    "and is not decorated any more": {
        "root.py": ROOT.replace("    @retry(3)\n", "").replace("def decorated", "async def decorated")
    },
    "and is sync again": {"root.py": ROOT},
    "the decorator changes what it decorates": {
        "root.py": ROOT.replace("Callable[[F], F]", "Callable[[F], Callable[[Any, Any], Awaitable[None]]]")
    },
    "and does not": {"root.py": ROOT},
    "a step takes more": {
        "root.py": ROOT.replace("def charge(self, state: State)", "def charge(self, state: State, n: int)")
    },
    "a step takes another state": {
        "root.py": ROOT.replace("def charge(self, state: State)", "def charge(self, state: int)")
    },
    "the State of the base is another one": {
        "root.py": ROOT.replace("class State(StoryState):\n        order_id: int", "State = int").replace(
            ": State)", ": int)"
        )
    },
    "and is as it was": {"root.py": ROOT},
    "the base lists another step": {"root.py": ROOT.replace("I.reserve", "I.charge\n    I.decorated")},
    "the base lists an unknown step": {"root.py": ROOT.replace("I.reserve", "I.reserv")},
    "the class in the middle gets a step in the way": {
        "root.py": ROOT,
        "middle.py": MIDDLE.replace(
            "...", "\n    async def charge(self, state: Root.State) -> None: ...  # type: ignore"
        ),
    },
    "and supplies names by hand": {"middle.py": MIDDLE.replace("...", "\n    def __init__(self) -> None: ...")},
    "the leaf lists what nobody has": {"leaf.py": LEAF.replace("I.charge", "I.chrge")},
    "while the class in the middle supplies none": {"middle.py": MIDDLE},
    "the leaf lists no step": {"leaf.py": LEAF.replace("    I.reserve\n    I.charge\n    I.decorated\n", "    pass\n")},
    "a step moves to the leaf": {
        "leaf.py": LEAF
        + "class Other(Leaf):\n    async def reserve(self, state: Middle.State) -> None: ...  # type: ignore\n"
    },
    "everything is as it was": FILES,
    "a protocol asks for more": {
        "states.py": STATES.replace("    order_id: int\n\nclass Base", "    order_id: int\n    more: int\n\nclass Base")
    },
    "a state derives from something else": {"states.py": STATES.replace("Derived(Base)", "Derived(StoryState)")},
    "an injected protocol becomes async": {"states.py": STATES.replace("def __call__", "async def __call__")},
    "an injected protocol takes more": {"states.py": STATES.replace("HasOrder, /", "HasOrder, more: int, /")},
    "an injected protocol cannot be called": {"states.py": STATES.replace("__call__", "call")},
    "the states are as they were": {"states.py": STATES},
    "a nested story becomes async": {"payment.py": PAYMENT.replace("def capture", "async def capture")},
    "a nested story has another State": {
        "payment.py": PAYMENT,
        "shop.py": SHOP.replace("class State(Pay.State): ...", "State = states.Derived"),
    },
    "which is the same after all": {"payment.py": PAYMENT.replace("class State(Base): ...", "State = Base")},
    "and is not": {"payment.py": PAYMENT.replace("class State(Base): ...", "State = int")},
    "a base of the nested State is another one": {
        "payment.py": PAYMENT.replace("class State(Base)", "class State(HasOrder)")
    },
    "and everything is as it was once more": FILES,
    "only the caller is edited": {
        "holder.py": HOLDER.replace("    holder(state)\n", "    holder(state)\n    print(holder(state))\n")
    },
    "a local story lists what it does not have": {"holder.py": HOLDER.replace("I.again", "I.agan")},
    "a local story gets an async step": {"holder.py": HOLDER.replace("def again", "async def again")},
    "a file of a story is removed": {"leaf.py": None},
    "and is back": {"leaf.py": LEAF},
}


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
BLOCK_CODES = {
    "dddkit-missing-identity",
    "dddkit-repository-parameters",
    "dddkit-undecorated-class",
    "dddkit-unfrozen-event",
    "dddkit-unfrozen-value-object",
    "dddkit-empty-story",
    "dddkit-unlisted-step",
    "dddkit-unhandled-event",
    "dddkit-changes-result",
}


def _disagreements(
    directory: Path, config: str, files: Mapping[str, str], edits: Mapping[str, Mapping[str, str | None]]
) -> tuple[str, set[str]]:
    """What some mode says and a cold run does not, after some edit; and the codes that cold runs have shown."""
    seen: set[str] = set()
    different: list[str] = []
    with project(directory, files, config) as under_edit:
        assert set(under_edit.said().values()) == {""}
        for name, edit in edits.items():
            under_edit.edit(edit)
            said = under_edit.said()
            expected = said.pop("cold")
            seen.update(codes_in(expected))
            different += [
                f"{name}, {mode}:\n{_compared(found, expected)}\n" for mode, found in said.items() if found != expected
            ]
    return "\n".join(different), seen


def _compared(found: str, expected: str) -> str:
    return "\n".join(line for line in ndiff(expected.splitlines(), found.splitlines()) if line[0] in "+-")


def test_every_mode_gives_the_result_of_a_cold_run_after_every_edit(tmp_path: Path) -> None:
    different, seen = _disagreements(tmp_path, CONFIG, FILES, EDITS)
    assert not different, different
    assert seen >= {"dddkit-unknown-step", "dddkit-step-signature", "dddkit-step-state", "unused-coroutine"}


def test_every_mode_agrees_about_building_blocks_after_every_edit(tmp_path: Path) -> None:
    config = BLOCK_CONFIG.replace("dddkit_mypy", "dddkit_mypy, pydantic.mypy", 1)
    different, seen = _disagreements(tmp_path, config, BLOCK_FILES, BLOCK_EDITS)
    assert not different, different
    assert seen >= BLOCK_CODES


@pytest.mark.parametrize("plugins", ["dddkit_mypy", "pydantic.mypy, dddkit_mypy"])
def test_every_mode_agrees_without_the_plugin_of_pydantic_and_after_it(tmp_path: Path, plugins: str) -> None:
    few = {
        name: BLOCK_EDITS[name]
        for name in (
            "models in functions and elsewhere thaw",
            "while what they stand beside loses its identity",
        )
    }
    config = BLOCK_CONFIG.replace("dddkit_mypy", plugins, 1)
    different, seen = _disagreements(tmp_path, config, BLOCK_FILES, few)
    assert not different, different
    assert seen >= {"dddkit-unfrozen-value-object", "dddkit-missing-identity", "dddkit-unhandled-event"}
