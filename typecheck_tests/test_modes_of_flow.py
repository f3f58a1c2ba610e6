"""What decides about reads of a state is edited in one module and used in another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from typecheck_tests.modes import Histories, check
from typecheck_tests.running import CONFIG

MANAGERS = """\
from collections.abc import Iterator
from contextlib import contextmanager

class Base:
    def __enter__(self) -> None: ...
    def __exit__(self, *error: object) -> bool | None: ...
    async def __aenter__(self) -> None: ...
    async def __aexit__(self, *error: object) -> None: ...

@contextmanager
def generated() -> Iterator[None]:
    yield
"""
DERIVED = "from managers import Base\nclass Timer(Base): ...\nclass Holder:\n    timer: Timer\n"
ORDERS = """\
from types import SimpleNamespace
from dddkit.stories import StoryState, variable

class Order(StoryState):
    paid: bool = False
    receipt: str = variable()
    total: int = variable()

NAMES = ["a"]

class Loose(SimpleNamespace):
    n: int
"""
PROTOCOLS = """\
from typing import Protocol, runtime_checkable

@runtime_checkable
class HasM(Protocol):
    m: int
"""
STEPS = """\
from dataclasses import dataclass
from types import SimpleNamespace
from derived import Timer
from managers import generated
from dddkit.stories import I, Story
from orders import NAMES, Loose, Order
from protocols import HasM

@dataclass
class Steps(Story):
    I.set
    I.read
    I.sum
    timer: Timer
    State = Order
    def read(self, state: Order) -> None:
        if state.paid:
            print(state.receipt)
    def set(self, state: Order) -> None:
        state.receipt = "paid"
        state.paid = True
    def sum(self, state: Order) -> None:
        state.total = 1

class Slack(Story):
    I.look
    State = Loose
    def look(self, state: Loose) -> None:
        if isinstance(state, HasM):
            print(state.m)
        with generated():
            print(state.n)

class Named(Story):
    I.look
    class State(SimpleNamespace):
        names = NAMES[0]
        all: object = NAMES
    def look(self, state: State) -> None: ...
"""
OUTER = """\
from dddkit.stories import I
from steps import Slack, Steps
from orders import Loose, Order

class Turned(Steps):
    I.read
    I.set
    I.sum

class Timed(Steps):
    I.time
    I.sum
    def time(self, state: Order) -> None:
        print(state.paid)

def made() -> Loose:
    match Slack.State(n=1):
        case Loose(n=1) as found:
            return found
    return Loose(n=2)
"""
FILES = {
    "managers.py": MANAGERS,
    "derived.py": DERIVED,
    "orders.py": ORDERS,
    "protocols.py": PROTOCOLS,
    "steps.py": STEPS,
    "outer.py": OUTER,
}
IN_TIMER = OUTER.replace("        print(state.paid)\n", "        with self.timer:\n            print(state.total)\n")
SWALLOWING = MANAGERS.replace(
    "def __exit__(self, *error: object) -> bool | None", "def __exit__(self, *error: object) -> bool"
)
EDITS: Mapping[str, Mapping[str, str | None]] = {
    "a read comes under a manager of another module": {"outer.py": IN_TIMER},
    "and moves": {"outer.py": f"\n{IN_TIMER}"},
    "the base of the manager swallows": {"managers.py": SWALLOWING},
    "and lets through again": {"managers.py": MANAGERS},
    "the manager itself swallows": {
        "derived.py": DERIVED.replace(
            "Timer(Base): ...", "Timer(Base):\n    def __exit__(self, *error: object) -> bool: ..."
        )
    },
    "and is as it was": {"derived.py": DERIVED, "outer.py": OUTER},
    "nobody raises the flag": {"steps.py": STEPS.replace("        state.paid = True\n", "")},
    "somebody does": {
        "steps.py": STEPS.replace(
            "        state.total = 1\n", "        state.total = 1\n        state.paid = True\n"
        ).replace("        state.paid = True\n    def", "    def")
    },
    "and no longer": {"steps.py": STEPS.replace("        state.paid = True\n", "")},
    "the State may set it itself": {
        "orders.py": ORDERS.replace(
            "    total: int = variable()\n",
            "    total: int = variable()\n    @classmethod\n    def made(cls) -> 'Order':\n        return cls()\n",
        )
    },
    "and answers only": {
        "orders.py": ORDERS.replace(
            "    total: int = variable()\n",
            "    total: int = variable()\n    def made(self) -> int:\n        return 1\n",
        )
    },
    "the story has a call of its own": {
        "orders.py": ORDERS,
        "steps.py": STEPS.replace("        state.paid = True\n", "").replace(
            "class Slack", "    def __call__(self, state: Order) -> None: ...\n\nclass Slack"
        ),
    },
    "all is well": FILES,
    "a namespace loses what others give": {"orders.py": ORDERS.replace("    n: int\n", "    m: int\n")},
    "it has it again": {"orders.py": ORDERS, "steps.py": f"{STEPS}\n", "outer.py": f"{OUTER}\n"},
    "a protocol loses a member": {"protocols.py": PROTOCOLS.replace("m: int", "k: int")},
    "and is no protocol": {"protocols.py": "class HasM:\n    k: int\n"},
    "all is well again": FILES,
    "a default of another module is one list": {
        "steps.py": STEPS.replace("        all: object = NAMES\n", "        all = NAMES\n")
    },
    "and one string": {"orders.py": ORDERS.replace('NAMES = ["a"]', 'NAMES = "a"')},
    "and a list again": {"orders.py": ORDERS, "steps.py": STEPS.replace("all: object = NAMES", "all = NAMES")},
    "everything is as it was": FILES,
}
SHOWS: Final = {
    "dddkit-state-order": "a read comes under a manager of another module",
    "dddkit-undeclared-state": "a namespace loses what others give",
    "dddkit-mutable-default": "a default of another module is one list",
}


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
def test_fp7_fp11_fp16_every_mode_gives_the_result_of_a_cold_run(edit: str, histories: Histories) -> None:
    check(histories(CONFIG, FILES, EDITS), edit, SHOWS)
