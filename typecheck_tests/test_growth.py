"""The work of the plugin grows with the code that it reads, and not faster.

Calls are counted, since clocks differ from run to run. Calls of difflib count too, where names are compared.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from typecheck_tests.running import CONFIG

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
_LOOSE: Final = """\
from types import SimpleNamespace
from dddkit.stories import I, Story

class Loose(Story):
    I.a
    class State(SimpleNamespace):
        n: int
    def a(self, state: State) -> None:
        print(hasattr(state, "m"))
"""
_TYPED: Final = """\
from dddkit.stories import I, Story, StoryState, variable

class Base(Story):
    I.a
    I.b
    class State(StoryState):
        n: int = 0
        v: int = variable()
    def a(self, state: State) -> None:
        print(1)
"""
_STORY: Final = """\
class Story{0}(Story):
    I.a
    I.b
    class State(StoryState):
        v: int = variable()
    def a(self, state: State) -> None:
        print(state.v)
    def b(self, state: State) -> None:
        state.v = 1
"""
_DEFAULTS: Final = """\
from types import SimpleNamespace
from dddkit.stories import I, Story

NAMES = ["a"]
"""
_DEFAULT: Final = """\
class Story{0}(Story):
    I.a
    class State(SimpleNamespace):
        names: list[str] = NAMES
    def a(self, state: State) -> None: ...
"""


def _lines(line: str, size: int) -> str:
    return "".join(f"        {line.format(number)}\n" for number in range(size))


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
    depth = 15
    blocks: list[str] = []
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
    names = "".join(f"    field_{index}_name: int\n" for index in range(number))
    uses = "".join(f"    print(state.feild_{index}_name)\n" for index in range(0, number, 10))
    return (
        f"{HEAD}class Many(SimpleNamespace):\n{names}class UsesMany(Story):\n    I.use\n    State = Many\n"
        f"    def use(self, state: Many) -> None: ...\n"
        f"@dataclass(frozen=True)\nclass Wide(ValueObject):\n{names}def look(state: Many) -> None:\n{uses}"
    )


def _value_objects_in_a_ring(number: int) -> str:
    values = "".join(
        f"@dataclass(frozen=True)\nclass Ring{index}(ValueObject):\n    held: tuple[Ring{(index + 1) % number}, ...]\n"
        for index in range(number)
    )
    return f"from __future__ import annotations\n{HEAD}{values}"


def _models(number: int) -> str:
    """pydantic models that hold each other, the outermost first: the plugin checks them after their analysis."""
    models = "".join(
        f"class Model{index}(pydantic.ValueObject):\n    number: int\n    held: Model{index - 1} | None\n"
        for index in range(number, 0, -1)
    )
    first = "class Model0(pydantic.ValueObject):\n    number: int\n"
    return f"from __future__ import annotations\nfrom dddkit import pydantic\n{models}{first}"


def _handlers_that_lack_one(number: int) -> str:
    handler = """
class Changes{0}(ChangesHandler[Basket, Rows]):
    result_type = Rows
    rows: list[int]
    def _clear_state(self) -> None:
        self.rows = []
    @singledispatchmethod
    def handle_changes(self, event: AggregateEvent, aggregate: Basket) -> None:
        raise NotImplementedError
"""
    return _events(1) + "".join(handler.format(index) for index in range(number))


def _loose(line: str) -> Callable[[int], str]:
    return lambda number: _LOOSE + _lines(line, number)


def _typed(line: str, first: str = "") -> Callable[[int], str]:
    return lambda number: _TYPED + first + _lines(line, number)


def _terms(start: str, term: str) -> Callable[[int], str]:
    return lambda number: f"{start}        print({' + '.join([term] * number)})\n"


PROGRAMS: Final[Mapping[str, tuple[Callable[[int], str], int]]] = {
    "stories": (_stories, 10),
    "stories that are in the wrong order": (_wrong_orders, 10),
    "steps": (_steps, 20),
    "injected steps": (_injected_steps, 20),
    "accesses": (_accesses, 25),
    "a sum": (_sum, 60),
    "branches": (_nested_ifs, 3),
    "events and handlers": (_events, 10),
    "handlers that lack one": (_handlers_that_lack_one, 10),
    "blocks and repositories": (_blocks, 10),
    "value objects in a ring": (_value_objects_in_a_ring, 10),
    "models": (_models, 10),
    "fields": (_fields, 50),
    "reads of a name that is asked for": (_loose("print(state.m)"), 50),
    "reads of undeclared names": (_loose("print(state.u{0})"), 25),
    "assignments": (_loose("state.m = 1"), 50),
    "reads in lambdas": (_loose("print(lambda: state.m)"), 50),
    "constructions": (_loose("Loose.State(u{0}=1)"), 25),
    "a sum in a namespace": (_terms(_LOOSE, "state.m"), 100),
    "a sum in a story with variables": (_terms(_TYPED, "state.n"), 100),
    "flags": (_typed("if state.n: print(state.v)"), 50),
    "local variables": (_typed("x0 += x0", "        x0 = state.n\n"), 50),
    "stories with a wrong order": (lambda number: _TYPED + "".join(_STORY.format(n) for n in range(number)), 10),
    "defaults behind a name": (lambda number: _DEFAULTS + "".join(_DEFAULT.format(n) for n in range(number)), 10),
}
"""Each with a size from which on the calls grow with it."""

_COUNT: Final = """\
import json
import sys
from collections import Counter
from mypy.main import main

calls = Counter()

def count(frame, event, argument):
    if event == "call":
        code = frame.f_code
        if "dddkit_mypy" in code.co_filename or "difflib" in code.co_filename:
            calls[f"{code.co_filename}:{code.co_firstlineno} {code.co_name}"] += 1

sys.setprofile(count)
try:
    main(args=sys.argv[1:], clean_exit=True)
except SystemExit:
    pass
sys.setprofile(None)
print("calls:", json.dumps(calls))
"""


def _calls(directory: Path, sources: Mapping[str, str], cache: Path) -> dict[str, int]:
    """Return how often a run of mypy calls each function; what a generator yields counts as a call too."""
    directory.mkdir()
    shutil.copytree(cache, directory / "cache")
    (directory / "mypy.ini").write_text(CONFIG)
    for name, source in sources.items():
        (directory / f"{name.replace(' ', '_')}.py").write_text(source)
    command = [sys.executable, "-c", _COUNT, "--cache-dir=cache", "."]
    run = subprocess.run(command, cwd=directory, capture_output=True, encoding="utf-8", check=True)
    assert "internal" not in run.stdout.lower(), run.stdout
    calls: dict[str, int] = json.loads(run.stdout.rpartition("calls:")[2])
    return calls


FACTOR: Final = 6
"""Work that is quadratic takes 16 times as long for 4 times the code."""
FEW: Final = 300
"""So many calls more are no matter of growth."""


def _growing_too_fast(directory: Path, programs: Mapping[str, tuple[Callable[[int], str], int]], cache: Path) -> object:
    small, large = (
        _calls(directory / str(times), {name: make(times * size) for name, (make, size) in programs.items()}, cache)
        for times in (1, 4)
    )
    found = {name: (small.get(name, 0), count) for name, count in large.items()}
    return {name: counts for name, counts in found.items() if counts[1] > FACTOR * counts[0] + FEW}


def test_fp20_the_calls_of_each_function_grow_with_the_code(tmp_path: Path, known_packages: Path) -> None:
    assert not _growing_too_fast(tmp_path, PROGRAMS, known_packages)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_fp20_four_times_the_code_is_four_times_the_calls(name: str, tmp_path: Path, known_packages: Path) -> None:
    make, size = PROGRAMS[name]
    assert not _growing_too_fast(tmp_path, {name: (make, 4 * size)}, known_packages)
