"""Cold, warm, parallel, with the old parser, in the daemon: the plugin says the same, edit after edit."""

from __future__ import annotations

from collections.abc import Mapping
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


def _disagreements(
    directory: Path,
    config: str,
    edits: Mapping[str, Mapping[str, str | None]],
    files: Mapping[str, str] = FILES,
) -> tuple[str, set[str]]:
    """What some mode says and a cold run does not, after some edit; and the codes that cold runs have shown."""
    seen: set[str] = set()
    different: list[str] = []
    with project(directory, files, config) as under_edit:
        assert under_edit.cold() == ""
        assert set(under_edit.others().values()) == {""}
        for name, edit in edits.items():
            under_edit.edit(edit)
            expected = under_edit.cold()
            seen.update(codes_in(expected))
            different += [
                f"{name}, {mode}:\n{said or 'nothing'}\ncold:\n{expected or 'nothing'}\n"
                for mode, said in under_edit.others().items()
                if said != expected
            ]
    return "\n".join(different), seen


def test_every_mode_gives_the_result_of_a_cold_run_after_every_edit(tmp_path: Path) -> None:
    different, seen = _disagreements(tmp_path, CONFIG, EDITS)
    assert not different, different
    assert seen >= {"dddkit-unknown-step", "dddkit-step-signature", "dddkit-step-state", "unused-coroutine"}


@pytest.mark.parametrize("plugins", ["dddkit_mypy, pydantic.mypy", "pydantic.mypy, dddkit_mypy"])
def test_every_mode_agrees_beside_the_plugin_of_pydantic(tmp_path: Path, plugins: str) -> None:
    few = {name: EDITS[name] for name in ("a step of the base becomes async", "a step takes another state")}
    different, seen = _disagreements(tmp_path, CONFIG.replace("dddkit_mypy", plugins), few)
    assert not different, different
    assert seen == {"unused-coroutine", "dddkit-step-state"}


def test_every_mode_gives_the_result_of_a_cold_run_after_every_edit_of_a_state(tmp_path: Path) -> None:
    different, seen = _disagreements(tmp_path, CONFIG, STATE_EDITS, STATE_FILES)
    assert not different, different
    assert seen >= {"dddkit-state-order", "dddkit-undeclared-state"}
