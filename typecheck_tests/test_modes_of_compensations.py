"""Steps, compensations and the mixins that bring them are edited in one module and used in another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from typecheck_tests.modes import Histories, check
from typecheck_tests.running import CONFIG

NAMES = 'from typing import Final\n\nCHARGE: Final = "charge"\n'
MIXINS = """\
from dddkit.stories import compensates
from names import CHARGE

class Refunding:
    @compensates(CHARGE)
    def refund(self, state: object) -> None: ...

class Plain: ...
"""
STORIES = """\
from dddkit.stories import I, Story, StoryState, compensates, variable

class Order(StoryState):
    number: int
    receipt: str = variable()

class Shop(Story):
    I.reserve
    I.charge
    State = Order
    def reserve(self, state: Order) -> None: ...
    @compensates(reserve)
    def release(self, state: Order) -> None:
        print(state.number)
    def charge(self, state: Order) -> None:
        state.receipt = "paid"

class Bare(Story):
    I.charge
    def charge(self, state: object) -> None: ...
"""
CHILDREN = """\
from mixins import Plain, Refunding
from stories import Bare, Order, Shop
from dddkit.stories import I, Story, compensates

class Refunded(Refunding, Shop): ...

class Child(Shop):
    @compensates("charge")
    def give_back(self, state: Order) -> None: ...

class Turned(Shop):
    I.charge
    I.reserve

class Own(Plain, Story):
    I.charge
    def charge(self, state: Order) -> None: ...

class Undoing(Bare):
    @compensates(Bare.charge)
    def undo(self, state: object) -> None: ...
"""
CALLS = """\
from children import Child, Own, Refunded, Turned, Undoing
from stories import Order

def call(order: Order) -> None:
    Refunded()(order)
    Child()(order)
    Turned()(order)
    Own()(order)
    Undoing()(order)
"""
FILES = {
    "names.py": NAMES,
    "mixins.py": MIXINS,
    "stories.py": STORIES,
    "children.py": CHILDREN,
    "calls.py": CALLS,
}
READING = STORIES.replace("print(state.number)", "print(state.receipt)")
EDITS: Mapping[str, Mapping[str, str | None]] = {
    "a step of the base has another name": {
        "stories.py": STORIES.replace("I.charge\n    State", "I.bill\n    State").replace(
            "def charge(self, state: Order)", "def bill(self, state: Order)"
        )
    },
    "and the old one again": {"stories.py": STORIES},
    "a compensation of the mixin becomes async": {"mixins.py": MIXINS.replace("def refund", "async def refund")},
    "and takes another state": {"mixins.py": MIXINS.replace("state: object", "state: int")},
    "and none": {"mixins.py": MIXINS.replace(", state: object", "")},
    "and is hidden": {"mixins.py": MIXINS.replace("    @compensates", "    @property\n    @compensates")},
    "and is no compensation": {"mixins.py": MIXINS.replace("    @compensates(CHARGE)\n", "")},
    "and is one again": {"mixins.py": MIXINS},
    "a mixin without any gets one": {
        "mixins.py": MIXINS.replace(
            "class Plain: ...",
            'class Plain:\n    @compensates("charge")\n    async def undo(self, state: str) -> None: ...',
        )
    },
    "a mixin has two": {
        "mixins.py": MIXINS.replace(
            "\nclass Plain", '    @compensates("charge")\n    def b(self, state: object) -> None: ...\n\nclass Plain'
        )
    },
    "and one": {"mixins.py": MIXINS},
    "the constant names another step": {"names.py": NAMES.replace('"charge"', '"nothing"')},
    "and the right one": {"names.py": NAMES},
    "the base gets a compensation": {
        "stories.py": STORIES.replace(
            "\nclass Bare",
            '    @compensates("charge")\n    async def refund_all(self, state: Order) -> None: ...\n\nclass Bare',
        )
    },
    "the child lists it": {
        "children.py": CHILDREN.replace("    I.reserve\n", "    I.reserve\n    I.refund_all\n"),
        "calls.py": f"{CALLS}\n",  # a daemon that starts from a cache is silent about modules that it does not check
    },
    "and the base loses it": {"stories.py": STORIES},
    "and the child does not list it": {"children.py": CHILDREN},
    "an undo reads what a later step sets": {"stories.py": READING},
    "and it moves": {"stories.py": f"\n{READING}"},
    "and no longer": {"stories.py": STORIES},
    "it compensates the other step": {
        "stories.py": READING.replace("    @compensates(reserve)\n", '    @compensates("charge")\n')
    },
    "also when that has failed": {
        "stories.py": READING.replace(
            "    @compensates(reserve)\n", '    @compensates("charge", even_if_failed=True)\n'
        )
    },
    "all is well": FILES,
    "the override becomes async": {
        "children.py": CHILDREN.replace(
            "    I.charge\n    I.reserve\n",
            "    I.charge\n    I.reserve\n    async def release(self, state: Order) -> None: ...\n",
        )
    },
    "the step of the base becomes a field": {
        "stories.py": STORIES.replace("    def charge(self, state: object) -> None: ...", "    charge = print")
    },
    "everything is as it was": FILES,
}
SHOWS: Final = {
    "dddkit-compensation": "a step of the base has another name",
    "unused-coroutine": "a compensation of the mixin becomes async",
    "dddkit-state-order": "an undo reads what a later step sets",
}


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
def test_every_mode_gives_the_result_of_a_cold_run(edit: str, histories: Histories) -> None:
    check(histories(CONFIG, FILES, EDITS), edit, SHOWS)
