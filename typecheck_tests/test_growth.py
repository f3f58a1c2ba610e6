"""The work of the plugin grows with the code that it reads, and not with the square of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

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


def _modules(size: int) -> dict[str, str]:
    return {
        "reads of a name that is asked for": _LOOSE + _lines("print(state.m)", size),
        "reads of undeclared names": _LOOSE + _lines("print(state.u{0})", size),
        "assignments": _LOOSE + _lines("state.m = 1", size),
        "reads in lambdas": _LOOSE + _lines("print(lambda: state.m)", size),
        "constructions": _LOOSE + _lines("Loose.State(u{0}=1)", size),
        "a sum": _LOOSE + f"        print({' + '.join(['state.m'] * size)})\n",
        "a sum in a story with variables": _TYPED + f"        print({' + '.join(['state.n'] * size)})\n",
        "flags": _TYPED + _lines("if state.n: print(state.v)", size),
        "local variables": _TYPED + "        x0 = state.n\n" + _lines("x{0} = x{0} + 1", 1) + _lines("x0 += x0", size),
        "stories with a wrong order": _TYPED + "".join(_STORY.format(number) for number in range(size // 10)),
        "defaults behind a name": _DEFAULTS + "".join(_DEFAULT.format(number) for number in range(size // 10)),
    }


_COUNT: Final = """\
import sys
from mypy.main import main

calls = 0
def count(frame, event, argument):
    global calls
    if event == "call" and "dddkit_mypy" in frame.f_code.co_filename:
        calls += 1

sys.setprofile(count)
try:
    main(args=sys.argv[1:], clean_exit=True)
except SystemExit:
    pass
sys.setprofile(None)
print("calls:", calls)
"""


def _calls(directory: Path, sources: Iterable[str], cache: Path) -> int:
    """Return how many functions of the plugin a run of mypy calls; what a generator yields counts as a call too."""
    directory.mkdir()
    shutil.copytree(cache, directory / "cache")
    (directory / "mypy.ini").write_text("[mypy]\nplugins = dddkit_mypy\n")
    for number, source in enumerate(sources):
        (directory / f"source{number}.py").write_text(source)
    command = [sys.executable, "-c", _COUNT, "--cache-dir=cache", "."]
    run = subprocess.run(command, cwd=directory, capture_output=True, encoding="utf-8", check=True)
    assert "internal" not in run.stdout.lower(), run.stdout
    return int(run.stdout.rpartition("calls:")[2])


def test_fp20_the_work_grows_with_the_code(tmp_path: Path, known_packages: Path) -> None:
    small, large = (_calls(tmp_path / str(size), _modules(size).values(), known_packages) for size in (100, 400))
    assert large < 6 * small, (small, large)


@pytest.mark.slow
@pytest.mark.parametrize("kind", _modules(1))
def test_fp20_four_times_the_code_is_four_times_the_work(kind: str, tmp_path: Path, known_packages: Path) -> None:
    small, large = (_calls(tmp_path / str(size), [_modules(size)[kind]], known_packages) for size in (1_000, 4_000))
    assert large < 6 * small, (small, large)
