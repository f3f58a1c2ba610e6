"""Simple stories are read in one pass, with the same result as on the general way, which all other stories go."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

import pytest

from typecheck_tests.running import run_mypy

HEAD: Final = """\
from abc import ABC, ABCMeta, abstractmethod
from collections.abc import Awaitable, Callable, AsyncIterator, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import *
from typing_extensions import TypeAlias
from dddkit.stories import I, Story, StoryState, compensates, steps, variable

CHARGE: Final = "a"
T = TypeVar("T")

class Mixin:
    def __init_subclass__(cls) -> None: ...

class Meta(ABCMeta): ...

class Shared(StoryState):
    order: int
    late: int = variable()
"""

SIMPLE_STEPS: Final = (
    "def {0}(self, state: State) -> None: {1}",
    "async def {0}(self, state: State) -> None: {1}",
)
OTHER_STEPS: Final = (
    "def {0}(self, state: State) -> int: return 1",
    "def {0}(self, state: State) -> Optional[int]: ...",
    "def {0}(self, state: State) -> Any: ...",
    "def {0}(self, state: State) -> NoReturn: raise ValueError",
    "def {0}(self, state: State) -> Iterator[None]: yield",
    "def {0}(self, state: State) -> None: yield",
    "def {0}(self, state: State) -> Awaitable[None]: ...",
    "async def {0}(self, state: State) -> int: return 1",
    "async def {0}(self, state: State) -> AsyncIterator[None]: yield",
    "async def {0}(self, state: State) -> None: yield",
    "def {0}(self, state): ...",
    "def {0}(self, state: int) -> None: ...",
    "def {0}(self, state: StoryState) -> None: ...",
    "def {0}(self, state: Optional[State]) -> None: ...",
    "def {0}(self, state: T) -> None: ...",
    "def {0}(self: T, state: State) -> None: ...",
    "def {0}(self: object, state: State) -> None: ...",
    "def {0}(self) -> None: ...",
    "def {0}(self, state: State, /) -> None: ...",
    "def {0}(self, state: State, x: int = 1) -> None: ...",
    "def {0}(self, state: State = State(order=1)) -> None: ...",
    "def {0}(self, *state: State) -> None: ...",
    "def {0}(self, *, state: State) -> None: ...",
    "@staticmethod\n    def {0}(state: State) -> None: ...",
    "@classmethod\n    def {0}(cls, state: State) -> None: ...",
    "@abstractmethod\n    def {0}(self, state: State) -> None: ...",
    "@property\n    def {0}(self) -> Callable[[object], None]: ...",
    "{0}: int = 3\n    def {0}(self, state: State) -> None: ...",
    "def {0}(self, state: State) -> None: ...\n    def {0}(self, state: State) -> None: ...",
    "if TYPE_CHECKING:\n        def {0}(self, state: State) -> None: ...",
    "{0}: Callable[[State], None]",
    "{0}: ClassVar[Callable[[object], None]] = print",
    "@staticmethod\n    def {0}(self, state: State) -> None: ...",
    "async def {0}(self, state: State) -> Awaitable[None]: ...",
    "def {0}(self, state: State) -> None: print(self.kept); self.kept = 1",
    "def {0}(self, state: State) -> Union[None, NoReturn]: ...",
    "{0}: 'Story0'",
    "{0} = lambda self, state: None",
    "class {0}: ...",
    "pass",
)
EXTRAS: Final = (
    "'a docstring'",
    "...",
    "field: int",
    "field: int = 3",
    "field: object = I.a",
    "a = None",
    "x, y = 1, 2",
    "__slots__ = ('a',)",
    "import os",
    "I",
    "I.a",
    "I._a",
    "I.mispelt",
    "I.State",
    "I.a.upper()",
    "I.a()",
    "I.a.b",
    "I.a >> I.b",
    "locals()['a'] = 1",
    "exec('I.a')",
    "@I.a\n    def _extra(self) -> None: ...",
    "[I.a for _ in range(2)]",
    "for name in ('a',): getattr(I, name)",
    "if TYPE_CHECKING: I.a",
    "assert I.a",
    "J = I\n    J.a",
    "from dddkit.stories import I as K\n    K.a",
    "I: ClassVar[Any] = steps()",
    "I: ClassVar[Any] = steps()\n    I.mispelt",
    "I: ClassVar[Story0] = steps()",
    "I: ClassVar[Mixin] = steps()",
    "def extra(self, state: State) -> None: ...",
    "def extra(self, state: State) -> int: ...",
    "def extra(self) -> int: return 1",
    "def extra(self) -> None: I.a",
    "def _extra(self, state: State) -> None: ...",
    "def _extra(self, state: object = I.a) -> None: ...",
    "@staticmethod\n    def extra(state: State) -> None: ...",
    "@final\n    def extra(self, state: State) -> None: ...",
    "@classmethod\n    def extra(cls, state: State) -> None: ...",
    """@overload
    def extra(self, state: State) -> None: ...
    @overload
    def extra(self) -> None: ...
    def extra(self, state: Any = 1) -> None: ...""",
    "@property\n    def total(self) -> int: return 1",
    "@property\n    def total(self, x: object = I.a) -> int: return 1",
    "def __call__(self, state: object) -> int: return 1",
    "def __init__(self) -> None: ...",
    "def __getattr__(self, name: str) -> int: ...",
    "class Nested: ...",
    "class Nested(Story):\n        I.a",
    "class Other(State): ...",
    "@compensates('a')\n    def undo(self, state: State) -> None: print(state.order)",
    "@compensates('a')\n    async def _undo(self, state: State) -> None: ...",
    "@compensates(CHARGE, even_if_failed=True)\n    def undo(self, state: State, /) -> None: ...",
    "@compensates('d')\n    def undo(self, state: State) -> None: ...",
    "@compensates('a')\n    def undo(self, state: State) -> int: return 1",
    "@compensates('a')\n    def undo(self, state: State) -> None: yield",
    "@compensates('a')\n    def undo(self, state: State) -> Awaitable[None]: ...",
    "@compensates('a')\n    def undo(self, state: StoryState) -> None: ...",
    "@compensates('a')\n    def undo(self, state: int) -> None: ...",
    "@compensates('a')\n    def undo(self) -> None: ...",
    "@compensates('a')\n    def undo(self, state): ...",
    "@compensates('a')\n    def b(self, state: State) -> None: ...",
    "@compensates(I.a)\n    def undo(self, state: State) -> None: ...",
    "@compensates(print)\n    def undo(self, state: State) -> None: ...",
    "@compensates(a)\n    def undo(self, state: State) -> None: ...",
    "@compensates('a')\n    @staticmethod\n    def undo(state: State) -> None: ...",
    "@staticmethod\n    @compensates('a')\n    def undo(state: State) -> None: ...",
    "@compensates('a')\n    @compensates('b')\n    def undo(self, state: State) -> None: ...",
    "if TYPE_CHECKING:\n        @compensates('a')\n        def undo(self, state: State) -> None: ...",
    """@compensates('a')
    def undo(self, state: State) -> None: ...
    @compensates('a')
    def undo_too(self, state: State) -> None: ...""",
    """@compensates('a')
    def undo(self, state: State) -> None: ...
    @compensates('b')
    async def undo_b(self, state: State) -> None: self.x = 1""",
)
SIMPLE_STATE: Final = "class State(StoryState):\n        order: int"
OTHER_STATES: Final = (
    "class State(StoryState):\n        order: int\n        late: int = variable()",
    "class State(StoryState):\n        order: int\n        def __init__(self, x: int) -> None: ...",
    "class State(StoryState, Generic[T]):\n        order: int",
    "class State(StoryState, metaclass=ABCMeta):\n        order: int",
    "@dataclass\n    class State(StoryState):\n        order: int",
    "class State(Shared): ...",
    "class State(Shared, Mixin): ...",
    "class State(SimpleNamespace):\n        order: int = 1\n        numbers: list[int] = []",
    "class State(Protocol):\n        order: int",
    "class State(NamedTuple):\n        order: int",
    "class State:\n        order: int",
    "State = Shared",
    "State: TypeAlias = Shared",
    "from typing import Any as State",
)
OTHER_BASES: Final = (
    "Story, ABC",
    "Story, Generic[T]",
    "Story, metaclass=ABCMeta",
    "Story, metaclass=Meta",
    "Mixin, Story",
    "Story, Mixin",
    "Story0",
    "Unknown",
)
USES: Final = """
def use_{0}() -> None:
    {0}()({0}.State(order=1))
    {0}()(1)
    {0}()(Story0.State(order=1))
    {0}()(state=1)
    {0}()()
    result = {0}()({0}.State())
    reveal_type({0}().__call__)
    reveal_type({0}()({0}.State(order=1)))
    sync: Callable[[Any], None] = {0}()
    asynchronous: Callable[[Any], Awaitable[None]] = {0}()
    {0}.I.a

async def await_{0}() -> None:
    await {0}()({0}.State(order=1))

class Overriding_{0}({0}):
    def a(self, state: int) -> None: ...

class Listing_{0}({0}):
    I.a
    async def a(self, state: {0}.State) -> None: ...
    def __call__(self, x: int, y: int) -> int: ...

class Reordering_{0}({0}):
    I.c
    I.b
    I.a
"""

STORIES: Final = 12
"""In a module."""

Oddities = tuple[str | None, str | None, str | None, str | None]
"""A step, something else in the body, the State, the bases: where None, the story is simple."""


def _single_oddities() -> list[Oddities]:
    return [
        *[(step, None, None, None) for step in OTHER_STEPS],
        *[(None, extra, None, None) for extra in EXTRAS],
        *[(None, None, state, None) for state in OTHER_STATES],
        *[(None, None, None, base) for base in OTHER_BASES],
    ]


def _mixed_oddities(random: Random) -> list[Oddities]:
    found: list[Oddities] = []
    for _ in range(8 * STORIES):
        one, other = random.choice(_single_oddities()), random.choice(_single_oddities())
        found.append((one[0] or other[0], one[1] or other[1], one[2] or other[2], one[3] or other[3]))
    return found


def _story(name: str, oddities: Oddities, random: Random) -> str:
    step, extra, state, base = oddities
    names = list("abc")
    odd = random.choice(names) if step is not None else None
    state = state or SIMPLE_STATE
    # Of a variable, one step may read what only a later one sets.
    does = ("print(state.late)", "state.late = 1") if "late" in state or "Shared" in state else ("print(state.order)",)
    methods = [
        (step if step and own == odd else random.choice(SIMPLE_STEPS)).format(own, random.choice(does)) for own in names
    ]
    listed = random.choice([*3 * [names], names[::-1], names[1:], [*names[1:], names[1]], []])
    body = [*[f"I.{own}" for own in listed], state, *methods]
    if extra is not None:
        body.insert(random.randint(0, len(body)), extra)
    decorator = "@dataclass(frozen=True)" if random.random() < 0.8 else "@final"
    return "\n".join([decorator, f"class {name}({base or 'Story'}):", *[f"    {part}" for part in body], ""])


def _module(oddities: list[Oddities], random: Random) -> str:
    text = (random.choice(["", "from __future__ import annotations\n"])) + HEAD
    simple = (None, None, None, None)
    for number, odd in enumerate([simple, *oddities]):
        text += _story(f"Story{number}", odd, random) + USES.format(f"Story{number}")
        local = _story("Local", odd, random).replace("\n", "\n    ")
        text += f"\ndef local_{number}() -> None:\n    {local}\n    reveal_type(Local()(1))\n\n"
    return text


def _importing(module: str, stories: int) -> str:
    """Return a module that uses the stories of another one, which mypy may know only from its cache."""
    text = f"import {module}\nfrom dddkit.stories import I\n"
    for number in range(stories):
        story = f"{module}.Story{number}"
        text += (
            f"class A{number}({story}): ...\nclass B{number}({story}):\n    I.a\nreveal_type(A{number}().__call__)\n"
        )
        text += f"reveal_type({story}()({story}.State(order=1)))\n"
    return text


COUNTING: Final = """
from pathlib import Path
from dddkit_mypy import plugin
from dddkit_mypy.stories import call_type

_read = call_type.read_simple_story

def read(info):
    found = _read(info)
    if found is not None:
        with Path(__file__).with_suffix(".txt").open("a") as file:
            file.write("x")
    return found

call_type.read_simple_story = read
"""
GENERAL: Final = """
from dddkit_mypy import _dispatch, plugin
from dddkit_mypy.stories import call_type

call_type.read_simple_story = lambda info: None
_dispatch.rules_to_ask = lambda ctx, story: None
"""


def _say(directory: Path, plugin: str, *arguments: str) -> str:
    config = directory / f"{plugin}.ini"
    config.write_text(
        f"[mypy]\nplugins = {directory / plugin}.py\nstrict = True\nwarn_unreachable = True\n"
        "enable_error_code = dddkit-repeated-step, dddkit-unlisted-step\n"
    )
    return run_mypy(directory, "--config-file", str(config), *arguments)


@pytest.mark.parametrize("seed", [None, *[pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2)]])
def test_simple_stories_give_what_the_general_way_gives(tmp_path: Path, seed: int | None) -> None:
    (tmp_path / "counting.py").write_text(COUNTING)
    (tmp_path / "general.py").write_text(GENERAL)
    random = Random(seed or 0)
    oddities = _single_oddities() if seed is None else _mixed_oddities(random)
    modules: list[str] = []
    for number in range(0, len(oddities), STORIES):
        part = oddities[number : number + STORIES]
        (tmp_path / f"stories{number}.py").write_text(_module(part, random))
        (tmp_path / f"importing{number}.py").write_text(_importing(f"stories{number}", len(part) + 1))
        modules += [f"stories{number}.py", f"importing{number}.py"]
    general = _say(tmp_path, "general", "--cache-dir=general", *modules)
    assert _say(tmp_path, "counting", "--cache-dir=simple", *modules) == general
    assert len((tmp_path / "counting.txt").read_text()) > 10
    importing = tmp_path / modules[1]
    importing.write_text(importing.read_text() + "\n")  # now mypy reads the stories from the cache
    general = _say(tmp_path, "general", "--cache-dir=general", *modules)
    assert _say(tmp_path, "counting", "--cache-dir=simple", *modules) == general
