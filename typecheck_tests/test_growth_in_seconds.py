"""The work of the plugin grows with the code that it reads, and not faster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from typecheck_tests.running import CONFIG, run_mypy

# Adds up the CPU time that mypy spends in the plugin. It counts less noise than two whole runs of mypy would.
TIMING: Final = """
import functools
import time
from pathlib import Path

from dddkit_mypy import _plugin

spent, depth = 0, 0


def timed(function):
    @functools.wraps(function)
    def run(*args):
        global spent, depth
        if depth:
            return hooked(function(*args))
        begun, depth = time.thread_time_ns(), 1
        try:
            return hooked(function(*args))
        finally:
            depth = 0
            spent += time.thread_time_ns() - begun
            Path(__file__).with_suffix(".txt").write_text(str(spent))

    return run


def hooked(found):
    return timed(found) if callable(found) and not isinstance(found, type) and hasattr(found, "__code__") else found


class Timed(_plugin.DDDKitPlugin):
    pass


for name in dir(_plugin.DDDKitPlugin):
    if name in ("_store", "_generate_call", "_check_without_hook", "_check_after_body", "_prepare") or (
        name in _plugin.DDDKitPlugin.__dict__ and name.startswith("get_")
    ):
        setattr(Timed, name, timed(getattr(_plugin.DDDKitPlugin, name)))


def plugin(version):
    return Timed
"""
HEAD: Final = """\
from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatchmethod
from types import SimpleNamespace
from typing import NamedTuple

from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler, Repository, ValueObject
from dddkit.stories import I, Story, StoryState, variable


class Order(StoryState):
    order_id: int
    total: int = 0


class Loose(SimpleNamespace):
    known: int


class Uses(Story):
    I.use
    State = Loose

    def use(self, state: Loose) -> None: ...


"""


def _stories(number: int) -> str:
    """Stories that are wrong, each in the same way: messages look for names that are near."""
    story = """
@dataclass
class Story{0}(Story):
    I.first
    I.second
    I.thrid

    class State(Order):
        found: int = variable()

    first: Callable[[State], None]

    def second(self, state: State) -> None:
        print(state.found)

    def third(self, state: State) -> None:
        state.found = 1
"""
    return HEAD + "".join(story.format(index) for index in range(number))


def _wrong_orders(number: int) -> str:
    """Stories whose steps read too early, beside others."""
    story = """
class Story{0}(Story):
    I.reads
    I.sets

    class State(Order):
        found: int = variable()

    def reads(self, state: State) -> None:
        print(state.found)

    def sets(self, state: State) -> None:
        state.found = 1
"""
    return HEAD + "".join(story.format(index) for index in range(number))


def _steps(number: int) -> str:
    fields = "".join(f"        found_{index}: int = variable()\n" for index in range(number))
    listed = "".join(f"    I.step_{index}\n" for index in range(number))
    steps = "".join(
        f"    def step_{index}(self, state: State) -> None:\n        state.found_{index} = state.total\n"
        for index in range(number)
    )
    return f"{HEAD}class Long(Story):\n{listed}    class State(Order):\n{fields}{steps}"


def _injected_steps(number: int) -> str:
    listed = "".join(f"    I.step_{index}\n" for index in range(number))
    steps = "".join(f"    step_{index}: Callable[[int], None]\n" for index in range(number))
    return f"{HEAD}@dataclass\nclass Long(Story):\n{listed}    State = Order\n{steps}"


def _accesses(number: int) -> str:
    return f"{HEAD}def use(state: Loose) -> None:\n" + "    state.unknown = state.other\n" * number


def _sum(number: int) -> str:
    return f"{HEAD}def use(state: Loose) -> None:\n    print({' + '.join(['state.unknown'] * number)})\n"


def _nested_ifs(number: int) -> str:
    """Deep nesting, in a story whose steps set variables."""
    depth, blocks = 15, []
    for _ in range(number):
        blocks += [f"        {'    ' * level}if state.total:\n" for level in range(depth)]
        blocks.append(f"        {'    ' * depth}state.found = state.total\n")
    return (
        f"{HEAD}class Deep(Story):\n    I.sets\n    class State(Order):\n        found: int = variable()\n"
        f"    def sets(self, state: State) -> None:\n{''.join(blocks)}"
    )


def _events(number: int) -> str:
    events = "".join(
        f"    @dataclass(frozen=True, kw_only=True)\n    class Event{index}(AggregateEvent):\n        number: int\n"
        for index in range(number)
    )
    adds = "".join(f"        self.add_event(self.Event{index}(number=1))\n" for index in range(number))
    handlers = "".join(
        f"    @handle_changes.register\n"
        f"    def _(self, event: Basket.Event{index}, aggregate: Basket) -> None:\n        self.rows.append(1)\n"
        for index in range(0, number, 2)
    )
    return (
        f"{HEAD}@dataclass(kw_only=True)\nclass Basket(Aggregate):\n    basket_id: int\n{events}"
        f"    def fill(self) -> None:\n{adds}"
        f"class Rows(NamedTuple):\n    rows: list[int]\n"
        f"class Changes(ChangesHandler[Basket, Rows]):\n    result_type = Rows\n    rows: list[int]\n"
        f"    def _clear_state(self) -> None:\n        self.rows = []\n"
        f"    @singledispatchmethod\n"
        f"    def handle_changes(self, event: AggregateEvent, aggregate: Basket) -> None:\n"
        f"        raise NotImplementedError\n{handlers}"
    )


def _blocks(number: int) -> str:
    """Value objects that hold each other, aggregates, repositories and a wide union."""
    made = [HEAD, "@dataclass(frozen=True)\nclass Value0(ValueObject):\n    number: int\n"]
    for index in range(1, number):
        made.append(  # noqa: PERF401  # one text of several lines
            f"@dataclass(frozen=True)\nclass Value{index}(ValueObject):\n    held: Value{index - 1} | None\n"
            f"@dataclass(kw_only=True)\nclass Item{index}(Aggregate):\n    item_id: int\n    value: Value{index}\n"
            f"class Items{index}(Repository[Item{index}, str]): ...\n"
        )
    union = " | ".join(f"Value{index}" for index in range(number))
    made.append(f"@dataclass(frozen=True)\nclass Wide(ValueObject):\n    held: {union}\n")
    return "".join(made)


def _fields(number: int) -> str:
    """A namespace and a value object with many fields, of which code misspells as many."""
    names = "".join(f"    name_{index}: int\n" for index in range(number))
    uses = "".join(f"    print(state.nmae_{index})\n" for index in range(0, number, 20))
    return (
        f"{HEAD}class Many(SimpleNamespace):\n{names}class UsesMany(Story):\n    I.use\n    State = Many\n"
        f"    def use(self, state: Many) -> None: ...\n"
        f"@dataclass(frozen=True)\nclass Wide(ValueObject):\n{names}def look(state: Many) -> None:\n{uses}"
    )


PROGRAMS: Final[dict[str, tuple[Callable[[int], str], int]]] = {
    "stories": (_stories, 40),
    "stories that are in the wrong order": (_wrong_orders, 40),
    "steps": (_steps, 60),
    "injected steps": (_injected_steps, 60),
    "accesses": (_accesses, 250),
    "a sum": (_sum, 60),
    "branches": (_nested_ifs, 10),
    "events and handlers": (_events, 40),
    "blocks and repositories": (_blocks, 40),
    "fields": (_fields, 60),
}
"""Each with the size that it is measured at first."""
QUICK: Final = ("injected steps",)
FACTOR: Final = 7
"""Work that is quadratic takes 16 times as long for 4 times the code; some is constant, and clocks are not exact."""


def _seconds_in_plugin(directory: Path, source: str) -> float:
    (directory / "timing.py").write_text(TIMING)
    (directory / "mypy.ini").write_text(CONFIG.replace("dddkit_mypy", "timing.py"))
    (directory / "program.py").write_text(source)
    run_mypy(directory, "--cache-dir=cache", "program.py")
    return int((directory / "timing.txt").read_text()) / 1e9


KNOWN: Final = {
    "fields": "each misspelt name is compared with all names of its class",
    "blocks and repositories": "a value object is followed through all that it holds, once for each that holds it",
}


def _marks(name: str) -> list[pytest.MarkDecorator]:
    marks = [] if name in QUICK else [pytest.mark.slow]
    return marks + ([pytest.mark.xfail(reason=KNOWN[name], strict=False)] if name in KNOWN else [])


@pytest.mark.parametrize("program", [pytest.param(name, marks=_marks(name)) for name in PROGRAMS])
def test_fp20_four_times_the_code_is_no_more_than_four_times_the_work(tmp_path: Path, program: str) -> None:
    source, number = PROGRAMS[program]
    _seconds_in_plugin(tmp_path, HEAD)  # caches what the programs import
    few, many = (min(_seconds_in_plugin(tmp_path, source(times * number)) for _ in range(2)) for times in (1, 4))
    assert many < FACTOR * few, (few, many)
