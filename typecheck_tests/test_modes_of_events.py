"""What decides about an event, a broker, a descriptor or a configuration is edited two modules away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from typecheck_tests.modes import Histories, check
from typecheck_tests.running import CONFIG

HOUSE = """\
from __future__ import annotations
from typing import Generic, TypeVar
from pydantic import BaseModel, ConfigDict
from dddkit import pydantic
from dddkit.dataclasses import Aggregate, AggregateEvent, EventBroker

T = TypeVar("T")

class Column(Generic[T]):
    def __get__(self, instance: object, owner: object) -> T:
        raise NotImplementedError

class Told(AggregateEvent):
    def __post_init__(self) -> None:
        print("told")

class Basket(Aggregate):
    id: Column[int]
    class Changed(AggregateEvent): ...
    class Other: ...
    def __init__(self) -> None: ...

class Added(Basket.Changed): ...

class Open(BaseModel):
    model_config = ConfigDict(frozen=True)

class Bus:
    def __call__(self, event: object, /) -> None: ...
"""
BETWEEN = """\
from __future__ import annotations
import house

class Told(house.Told): ...
class Basket(house.Basket): ...
class Added(house.Added): ...
class Open(house.Open): ...
class Bus(house.Bus): ...
"""
USES = """\
from __future__ import annotations
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import NamedTuple
from dddkit import pydantic
from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler, Repository
import between

class Baskets(Repository[between.Basket, int]): ...

class Order(Aggregate):
    def tell(self) -> None:
        between.Told()

class Model(pydantic.Aggregate):
    def tell(self) -> None:
        between.Told()

class Opened(pydantic.AggregateEvent, between.Open): ...

class Rows(NamedTuple): ...

class RowsOf(ChangesHandler[between.Basket, Rows]):
    result_type = Rows
    @singledispatchmethod
    def handle_changes(self, event: object, aggregate: between.Basket) -> None:
        raise NotImplementedError
    @handle_changes.register
    def _(self, event: between.Added, aggregate: between.Basket) -> None: ...

async def publish(bus: between.Bus) -> None:
    bus(1)

def local() -> None:
    class Near(Aggregate):
        def tell(self) -> None:
            between.Told()
    class LocalOpened(pydantic.AggregateEvent, between.Open): ...
"""
FILES = {"house.py": HOUSE, "between.py": BETWEEN, "uses.py": USES}
_TOLD = HOUSE.replace('    def __post_init__(self) -> None:\n        print("told")\n', "    ...\n")

EDITS: Mapping[str, Mapping[str, str | None]] = {
    "making an event has no effect, and the identity is read as another type": {
        "house.py": _TOLD.replace("object) -> T:", "object) -> str:")
    },
    "the base of an event and the class of a broker change, a configuration thaws": {
        "house.py": HOUSE.replace("Added(Basket.Changed)", "Added(AggregateEvent)")
        .replace("class Bus:", "class Bus(EventBroker):")
        .replace("    def __call__(self, event: object, /) -> None: ...", "    ...")
        .replace("frozen=True", "frozen=False")
    },
    "the events are no events, and the broker is called by hand": {
        "house.py": _TOLD.replace("Told(AggregateEvent)", "Told").replace("Added(Basket.Changed)", "Added"),
    },
    "nothing but what publishes": {
        "house.py": HOUSE.replace("class Bus:", "class Bus(EventBroker):").replace(
            "    def __call__(self, event: object, /) -> None: ...", "    ..."
        ),
        "uses.py": "import between\n\nasync def publish(bus: between.Bus) -> None:\n    await bus(1)\n",
    },
    "and without await, a line below": {
        "uses.py": "import between\n\nasync def publish(bus: between.Bus) -> None:\n\n    bus(1)\n",
    },
    "and awaited, as it was": {
        "uses.py": "import between\n\nasync def publish(bus: between.Bus) -> None:\n    await bus(1)\n",
    },
    "everything is as it was": FILES,
}
SHOW: Final = {
    "dddkit-dropped-event": "making an event has no effect, and the identity is read as another type",
    "dddkit-repository-parameters": "making an event has no effect, and the identity is read as another type",
    "dddkit-unhandled-event": "the base of an event and the class of a broker change, a configuration thaws",
    "dddkit-unawaited-publish": "the base of an event and the class of a broker change, a configuration thaws",
    "dddkit-unfrozen-event": "the base of an event and the class of a broker change, a configuration thaws",
}


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
def test_every_mode_agrees_about_events_after_every_edit(edit: str, histories: Histories) -> None:
    # In models inside functions that the daemon analyses again, pydantic's plugin leaves untyped methods.
    config = CONFIG.replace("dddkit_mypy", "dddkit_mypy, pydantic.mypy", 1) + "disable_error_code = no-untyped-def\n"
    check(histories(config, FILES, EDITS), edit, SHOW)
