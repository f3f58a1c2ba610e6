"""Cold, warm, parallel, with the old parser, in the daemon: the plugin reports the same, edit after edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from typecheck_tests.modes import Histories, check
from typecheck_tests.running import CONFIG

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
    Local()(Local.State(order_id=1))
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
from typing import Any
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

def sell(shop: Shop, bill: Bill, state: Any) -> None:
    shop(state)
    bill(state)
"""
BARE = "from middle import Middle\nclass Bare(Middle): ...\n"
CALLER = "from bare import Bare\n\ndef call(story: Bare) -> None:\n    story(story.State(order_id=1))\n"
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


NAMESPACES = """\
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

class Order(SimpleNamespace):
    items: Sequence[int] = ()
    notes: list[int]

class Rush(Order):
    hurry: bool = True
"""
PLACING = """\
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from namespaces import Order
from dddkit.stories import I, Story

def log(function: Callable[[Any, Order], None]) -> Callable[[Any, Order], None]:
    return function

class Placing(Story):
    I.place
    def check(self, state: Order) -> None: ...
    def place(self, state: Order) -> None: ...
    @log
    def logged(self, state: Order) -> None: ...
"""
ORDERS = """\
from abc import ABCMeta
import namespaces
from dddkit.stories import I
from placing import Placing

class Place(Placing):
    I.check
    I.place
    I.logged
    State = namespaces.Rush

class Inherits(Placing): ...

class Meta(ABCMeta): ...

class Made(Placing, metaclass=Meta):
    I.check
    I.logged

class Outer:
    class Inner(Place, metaclass=Meta): ...
"""
CALLS = """\
from orders import Place
from namespaces import Rush

def call(story: Place, state: Rush) -> None:
    story(state)
"""
STATE_FILES = {"namespaces.py": NAMESPACES, "placing.py": PLACING, "orders.py": ORDERS, "calls.py": CALLS}
_REPLACING = "    def __init__(self, **given: Any) -> None:\n        self.items = []\n"
STATE_EDITS: Mapping[str, Mapping[str, str | None]] = {
    "a default of a base becomes mutable": {"namespaces.py": NAMESPACES.replace("()", "[]")},
    "and is replaced by hand": {"namespaces.py": NAMESPACES.replace("()", "[]") + _REPLACING},
    "no default is mutable": {"namespaces.py": NAMESPACES},
    "a step of the base returns a value": {
        "placing.py": PLACING.replace("Order) -> None: ...", "Order) -> int: return 1")
    },
    "and an awaitable": {
        "placing.py": PLACING.replace(
            "check(self, state: Order) -> None: ...", "check(self, state: Order) -> Awaitable[None]: raise ValueError"
        )
    },
    "in a story that becomes async": {
        "placing.py": PLACING.replace(
            "check(self, state: Order) -> None: ...", "check(self, state: Order) -> Awaitable[None]: raise ValueError"
        ).replace("def place", "async def place")
    },
    "and a generator": {"placing.py": PLACING.replace("-> None: ...", "-> Any: yield")},
    "its decorator returns a value": {
        "placing.py": PLACING.replace("Order], None]:\n", "Order], int]:\n").replace(
            "return function", "return function  # type: ignore"
        )
    },
    "no step returns anything": {"placing.py": PLACING},
    "the State is not what it is called with": {
        "namespaces.py": NAMESPACES,
        "orders.py": ORDERS.replace("namespaces.Rush", "int"),
    },
    "and is again": {"orders.py": ORDERS},
    "what it is called with derives from something else": {
        "namespaces.py": NAMESPACES + "class Quick(Rush): ...\n",
        "orders.py": ORDERS.replace("Rush", "Quick"),
    },
    "and from the State": {
        "namespaces.py": NAMESPACES.replace("class Rush(Order)", "class Quick(Order): ...\nclass Rush(Quick)")
    },
    "a call by hand": {
        "orders.py": ORDERS,
        "placing.py": PLACING + "    def __call__(self, state: int, /) -> None: ...\n",
    },
}


SHOWS: Final = {
    "dddkit-unknown-step": "a step of the base is renamed",
    "dddkit-step-signature": "a step takes more",
    "dddkit-step-state": "a step takes another state",
    "unused-coroutine": "a step of the base becomes async",
}
STATES_SHOW: Final = {
    "dddkit-mutable-default": "a default of a base becomes mutable",
    "dddkit-step-return": "a step of the base returns a value",
    "dddkit-story-state": "the State is not what it is called with",
    "unused-coroutine": "in a story that becomes async",
}


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
def test_every_mode_gives_the_result_of_a_cold_run_after_every_edit(edit: str, histories: Histories) -> None:
    check(histories(CONFIG, FILES, EDITS), edit, SHOWS)


FEW_SHOW: Final = {code: SHOWS[code] for code in ("unused-coroutine", "dddkit-step-state")}
FEW_EDITS: Final = {name: EDITS[name] for name in FEW_SHOW.values()}


@pytest.mark.slow
@pytest.mark.parametrize("edit", FEW_EDITS)
@pytest.mark.parametrize("plugins", ["dddkit_mypy, pydantic.mypy", "pydantic.mypy, dddkit_mypy"])
def test_every_mode_agrees_beside_the_plugin_of_pydantic(edit: str, plugins: str, histories: Histories) -> None:
    config = CONFIG.replace("dddkit_mypy", plugins)
    seen = check(histories(config, FILES, FEW_EDITS), edit, FEW_SHOW)
    assert seen == {code for code, name in FEW_SHOW.items() if name == edit}


@pytest.mark.slow
@pytest.mark.parametrize("edit", STATE_EDITS)
def test_every_mode_agrees_on_the_states_and_results_of_other_modules(edit: str, histories: Histories) -> None:
    check(histories(CONFIG, STATE_FILES, STATE_EDITS), edit, STATES_SHOW)
