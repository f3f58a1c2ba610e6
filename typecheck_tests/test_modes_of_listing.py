"""Every mode agrees on what stubs, decorators and class variables of other modules make of a list of steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from typecheck_tests.modes import Histories, check
from typecheck_tests.running import CONFIG

STUB = """\
from collections.abc import Awaitable
from dddkit.stories import I, Story, StoryState

class Order(StoryState):
    order_id: int

class Stub(Story):
    State = Order
    def reserve(self, state: Order) -> None: ...

class Mixin:
    def wait(self, state: Order) -> Awaitable[None]: ...
"""
BASES = """\
from abc import ABC
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ClassVar, TypeVar
from stub import Mixin, Order
from dddkit.stories import I, Story

F = TypeVar("F", bound=Callable[..., Any])

def traced(function: F) -> F:
    return function

def original(state: Order, n: int) -> int:
    return 1

def check(state: Order) -> None: ...

class House(Story, ABC):
    @traced
    def charge(self, state: Order) -> None: ...

class Wrapped(Story):
    I.check
    State = Order
    check: ClassVar[Callable[[Order], None]] = staticmethod(check)
    @wraps(original)
    def again(self, state: Order) -> None: ...
    async def late(self, state: Order) -> None: ...

class Defines(Story):
    locals()["made"] = check

class Pay(Story):
    I.capture
    def capture(self, state: Order) -> None: ...
"""
LEAVES = """\
from dataclasses import dataclass
from bases import Defines, House, Pay, Wrapped
from stub import Mixin, Order, Stub
from dddkit.stories import I, Story

class Inherits(Stub):
    def helper(self, state: Order) -> None: ...

class Waits(Mixin, Story):
    I.wait
    State = Order

class Hollow(House):
    I.charge

class Again(Wrapped):
    I.check
    I.again
    I.late

class Made(Defines):
    I.made

@dataclass
class Pays(Story):
    I.pay
    pay: Pay
    State = Order
"""
USES = """\
from leaves import Again, Inherits, Waits
from stub import Order

async def use(inherits: Inherits, waits: Waits, again: Again, state: Order) -> None:
    await inherits(state)
    await waits(state)
    await again(state)
"""
FILES = {"stub.pyi": STUB, "bases.py": BASES, "leaves.py": LEAVES, "uses.py": USES}
HOLLOW = LEAVES.replace("class Hollow(House):\n    I.charge\n", "class Hollow(House): ...\n")
MISUSED = LEAVES.replace("    I.pay\n", "    I.pay.capture\n")

EDITS: Mapping[str, Mapping[str, str | None]] = {
    "the stub lists a step": {"stub.pyi": STUB.replace("    State = Order\n", "    I.reserve\n    State = Order\n")},
    "and does not": {"stub.pyi": STUB},
    "a static method takes more": {
        "bases.py": BASES.replace("Callable[[Order], None]", "Callable[[Order, int], None]")
    },
    "a wrapped step takes more": {
        "bases.py": BASES.replace("again(self, state: Order)", "again(self, state: Order, n: int)")
    },
    "a wrapped step takes another state": {
        "bases.py": BASES.replace("again(self, state: Order)", "again(self, state: int)")
    },
    "an async step returns an awaitable": {
        "bases.py": BASES.replace("late(self, state: Order) -> None", "late(self, state: Order) -> Awaitable[None]")
    },
    "and nothing": {"bases.py": BASES},
    "the base defines nothing through locals": {"bases.py": BASES.replace('locals()["made"] = check', "made = None")},
    "nor at all": {"bases.py": BASES.replace('locals()["made"] = check', "pass")},
    "a story has only the decorated method of its base": {"bases.py": BASES, "leaves.py": HOLLOW},
    "whose decorator returns a value": {
        "bases.py": BASES.replace("(function: F) -> F:\n", "(function: F) -> Callable[[Any, Order], int]:\n")
    },
    "and nothing any more": {"bases.py": BASES},
    "a name is asked for an attribute": {"leaves.py": MISUSED},
    "of what is no story": {"bases.py": BASES.replace("Pay(Story):\n    I.capture\n", "Pay:\n")},
    "everything is as it was": FILES,
    "what waits comes from no stub": {
        "leaves.py": LEAVES.replace("class Waits(Mixin, Story):", "class Waits(Story):")
        + "    def other(self, state: Order) -> None: ...\n"
    },
}
SHOWS: Final = {
    "misc": "the stub lists a step",
    "dddkit-step-signature": "a static method takes more",
    "dddkit-step-state": "a wrapped step takes another state",
    "dddkit-step-return": "an async step returns an awaitable",
    "dddkit-unknown-step": "nor at all",
    "dddkit-empty-story": "a story has only the decorated method of its base",
}


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
def test_every_mode_agrees_on_lists_of_steps(edit: str, histories: Histories) -> None:
    check(histories(CONFIG, FILES, EDITS), edit, SHOWS)
