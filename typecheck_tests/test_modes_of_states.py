"""What a State is made of, and what steps do with it, is edited in one module and used in another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from typecheck_tests.modes import Histories, check
from typecheck_tests.running import CONFIG

ORDERS = """\
from types import SimpleNamespace
from dddkit.stories import StoryState, variable

class Order(StoryState):
    n: int = variable()

class Loose(SimpleNamespace):
    n: int
    m: int
"""
STEPS = """\
from types import SimpleNamespace
from dddkit.stories import I, Story
from orders import Loose, Order

class Steps(Story):
    I.set
    I.read
    State = Order
    def set(self, state: Order) -> None:
        state.n = 1
    def read(self, state: Order) -> None:
        print(state.n)

class Near(SimpleNamespace):
    n: int
    m: int

class Slack(Story):
    I.look
    State = Loose
    def look(self, state: Loose) -> None: ...

class Closer(Story):
    I.look
    State = Near
    class Nested(SimpleNamespace):
        n: int
    def look(self, state: Near) -> None: ...
"""
BETWEEN = "from steps import Steps\nfrom orders import Order\nclass Between(Steps): ...\n"
OUTER = """\
from between import Between
from dddkit.stories import I, Story
from orders import Order

class Outer(Between): ...

class Turned(Between):
    I.prepare
    I.read
    I.set
    def prepare(self, state: Order) -> None:
        state.n = 1

def local() -> Story:
    class Local(Between):
        def read(self, state: Order) -> None:
            print(state.n)
    return Local()
"""
USER = """\
import steps
from orders import Loose

def helper(state: Loose, near: steps.Near) -> None:
    state.n = state.m + near.m

class Helper:
    def help(self, nested: steps.Closer.Nested) -> None:
        nested.n = 2

nested: steps.Closer.Nested = steps.Closer.Nested(n=1)
print(nested.n)
"""
STATE_FILES = {"orders.py": ORDERS, "steps.py": STEPS, "between.py": BETWEEN, "outer.py": OUTER, "user.py": USER}
SETS = "        state.n = 1\n    def read"
BACKWARDS = STEPS.replace("I.set\n    I.read", "I.read\n    I.set")
# A daemon from a cache does not repeat the errors of modules that have not changed: where there are some, each edit
# mends them or touches their module.
STATE_EDITS: Mapping[str, Mapping[str, str | None]] = {
    "the base sets the variable no more": {"steps.py": STEPS.replace(SETS, "        print(1)\n    def read")},
    "and sets it where nobody can see": {"steps.py": STEPS.replace(SETS, "        print(state)\n    def read")},
    "and sets it too late": {
        "steps.py": STEPS.replace(SETS, "        print(state.n)\n        state.n = 1\n    def read")
    },
    "and as before": {"steps.py": STEPS},
    "the base lists its steps the other way round": {"steps.py": BACKWARDS},
    "and moves": {"steps.py": f"\n\n{BACKWARDS}"},
    "the variable becomes a field": {"orders.py": ORDERS.replace(" = variable()", "")},
    "and a variable of a State with a constructor": {
        "orders.py": ORDERS.replace("variable()", "variable()\n    def __init__(self) -> None: ...")
    },
    "and is as it was": {"orders.py": ORDERS, "steps.py": STEPS},
    "the outer story does not prepare": {"outer.py": OUTER.replace("        state.n = 1\n", "        print(1)\n")},
    "the class in the middle hands the state on": {
        "outer.py": OUTER,
        "between.py": BETWEEN.replace("...", "\n    def set(self, state: object) -> None:\n        print(state)"),
    },
    "and sets nothing": {"between.py": BETWEEN.replace("...", "\n    def set(self, state: object) -> None: ...")},
    "and sets too late": {
        "between.py": BETWEEN.replace("...", "\n    def set(self, state: Order) -> None:\n        state.n += 1")
    },
    "everything is as it was": STATE_FILES,
    "an attribute becomes a property": {
        "orders.py": ORDERS.replace("n: int = variable()", "@property\n    def n(self) -> int:\n        return 1"),
    },
    "namespaces lose an attribute": {
        "orders.py": ORDERS.replace("    m: int\n", ""),
        "steps.py": STEPS.replace("    n: int\n    m: int\n", "    n: int\n"),
    },
    "one is a State no more": {
        "orders.py": ORDERS.replace("    m: int\n", ""),
        "steps.py": STEPS.replace("State = Near", "State = Nested").replace("    n: int\n    m: int\n", "    n: int\n"),
        "user.py": f"{USER}\n",
    },
    "the one from elsewhere too": {
        "orders.py": ORDERS.replace("    m: int\n", ""),
        "steps.py": STEPS.replace("State = Loose", "State = Order").replace(": Loose)", ": Order)"),
    },
    "and is again": {"steps.py": STEPS},
    "and may have any": {
        "orders.py": ORDERS.replace("    m: int\n", "    def __init__(self) -> None: ...\n"),
        "user.py": f"{USER}\n\n",
    },
    "nobody imports the story": {
        "orders.py": ORDERS.replace("    m: int\n", ""),
        "user.py": "from orders import Loose\n\ndef helper(state: Loose) -> None:\n    state.n = state.m\n",
    },
    "and all is well": STATE_FILES,
}


SHOWS: Final = {
    "dddkit-state-order": "and sets it too late",
    "dddkit-undeclared-state": "namespaces lose an attribute",
}


@pytest.mark.slow
@pytest.mark.parametrize("edit", STATE_EDITS)
def test_every_mode_gives_the_result_of_a_cold_run_after_every_edit_of_a_state(edit: str, histories: Histories) -> None:
    check(histories(CONFIG, STATE_FILES, STATE_EDITS), edit, SHOWS)
