"""Measurements in new processes: the time of imports, and of mypy with the plugin and without."""

from __future__ import annotations

import atexit
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.contest import OURS, PREDECESSOR
from benchmarks.harness import Ratio, ratio_of
from benchmarks.mixed_stories import HOUSE, mixed_stories

__all__ = [
    "IMPORTS",
    "PLUGIN",
    "Import",
    "Plugin",
    "cpu_seconds",
    "measured_import",
    "measured_plugin",
    "mypy_seconds",
    "stories_for_mypy",
]


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """How much more CPU time mypy takes with the plugin, without a cache, in per cent, over the stories of a corpus."""

    key: str
    what: str
    must: float
    stretch: float | None = None
    files: Callable[[], Mapping[str, str]]
    """Return the sources by the names of their files."""


@dataclass(frozen=True, kw_only=True)
class Import:
    """How much more CPU time one import takes than another, in milliseconds."""

    key: str
    what: str
    must: float | None = None
    stretch: float | None = None
    over: str
    statements: Mapping[str, str]


IMPORTS: Final[list[Import]] = [
    Import(
        key="import-stories",
        what="import dddkit.stories, net of a bare interpreter",
        must=30,
        stretch=3,
        over="pass",
        statements={
            OURS: "import dddkit.stories",
            PREDECESSOR: "import dddkit.stories",
            "typing_extensions alone": "import typing_extensions",
            "pyee": "import pyee",
            "blinker": "import blinker",
            "stories": "import stories",
        },
    ),
    Import(
        key="import-dataclasses",
        what="import dddkit.dataclasses, net",
        must=30,
        stretch=24,
        over="pass",
        statements={OURS: "import dddkit.dataclasses", PREDECESSOR: "import dddkit.dataclasses"},
    ),
    Import(
        key="import-plugin",
        what="import dddkit_mypy and make the plugin, over mypy itself: all that it costs a run with a cache",
        must=13,
        over="import mypy.main\n"
        "from mypy.options import Options\n"
        "from mypy.version import __version__\n"
        "options = Options()",
        statements={
            OURS: "import mypy.main, dddkit_mypy\n"
            "from mypy.options import Options\n"
            "from mypy.version import __version__\n"
            "options = Options()\n"
            "dddkit_mypy.plugin(__version__)(options)"
        },
    ),
    Import(
        key="import-pydantic",
        what="import dddkit.pydantic, over pydantic itself",
        must=25,
        over="import pydantic\nclass Model(pydantic.BaseModel):\n    field: int",  # loads more of pydantic
        statements={OURS: "import dddkit.pydantic", PREDECESSOR: "import dddkit.pydantic"},
    ),
]


def cpu_seconds(command: Sequence[str], **environment: str) -> float:
    """Run a command; return its CPU seconds, user and system together."""
    # Users have compiled files, so this machine's setting must not turn them off.
    known = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env={**known, "PYTHONPYCACHEPREFIX": _compiled_files(), **environment},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed:\n{done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@cache
def _compiled_files() -> str:
    folder = tempfile.mkdtemp(prefix="benchmarks-")
    atexit.register(shutil.rmtree, folder)
    return folder


def measured_import(contest: Import, name: str, *, rounds: int = 31) -> Ratio:
    """Return how many milliseconds more this import takes than the other one, measured interleaved."""
    commands = [[sys.executable, "-c", text] for text in (contest.over, contest.statements[name])]
    for command in commands:
        cpu_seconds(command)  # writes the compiled files
    random, net = Random(5), list[float]()
    for _ in range(rounds):
        order = [0, 1]
        random.shuffle(order)
        taken = {number: cpu_seconds(commands[number]) for number in order}
        net.append(1000 * (taken[1] - taken[0]))
    return ratio_of(net)


def stories_for_mypy(number: int, steps: int = 10) -> str:
    """Return the source of a module with this number of stories."""
    listed = "\n".join(f"    I.step_{step}" for step in range(steps))
    methods = "\n".join(f"    def step_{step}(self, state: State) -> None: ..." for step in range(steps))
    story = f"""
@dataclass(frozen=True, slots=True)
class Story{{}}(Story):
{listed}

    class State(StoryState):
        order_id: int

{methods}
"""
    head = "from dataclasses import dataclass\nfrom dddkit.stories import I, Story, StoryState\n"
    return head + "".join(story.replace("Story{}", f"Story{index}") for index in range(number))


def _simple_files(number: int = 1000) -> dict[str, str]:
    """Return the sources of this number of simple stories; real projects have several modules."""
    return {f"stories_{index}.py": stories_for_mypy(min(number, 100)) for index in range(max(1, number // 100))}


def _mixed_files() -> dict[str, str]:
    """Return the sources of 500 stories that use all that stories can."""
    return {"house.py": HOUSE} | {f"stories_{index}.py": mixed_stories(50) for index in range(10)}


PLUGIN: Final = (
    Plugin(
        key="plugin-simple",
        what="mypy with the plugin, over mypy without: 1,000 stories of 10 steps, no cache, CPU time",
        must=5,
        stretch=0.2,
        files=_simple_files,
    ),
    Plugin(
        key="plugin-mixed",
        what=(
            "the same for 500 stories with mixins, decorated, injected and nested steps, generic bases, aliased and "
            "inherited States, properties, variables"
        ),
        must=8,
        files=_mixed_files,
    ),
)


def measured_plugin(contest: Plugin, *, rounds: int = 41) -> Ratio:
    """Return the extra CPU time of mypy with the plugin, without a cache, in per cent, for this corpus."""
    more: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        commands = _mypy_commands(Path(folder), contest.files())
        command = {how: [*line, f"--cache-dir={os.devnull}"] for how, line in commands.items()}
        cpu_seconds(command["with"])  # writes the compiled files
        for number_of_round in range(rounds):
            order = ("with", "without") if number_of_round % 2 else ("without", "with")
            taken = {how: cpu_seconds(command[how]) for how in order}
            more.append(100 * (taken["with"] / taken["without"] - 1))
    return ratio_of(more)


def _mypy_commands(folder: Path, sources: Mapping[str, str]) -> dict[str, list[str]]:
    """Write the sources to the folder; return the commands that check them with the plugin and without."""
    for name, text in sources.items():
        (folder / name).write_text(text)
    files = sorted(str(folder / name) for name in sources)
    commands: dict[str, list[str]] = {}
    for how, plugins in (("with", "plugins = dddkit_mypy\n"), ("without", "")):
        config = folder / f"{how}.ini"
        config.write_text(f"[mypy]\nstrict = true\n{plugins}")
        commands[how] = [sys.executable, "-m", "mypy", "--config-file", str(config), *files]
    return commands


def mypy_seconds(number: int, *, rounds: int, report: Callable[[str], object]) -> dict[str, list[float]]:
    """Return the CPU seconds of mypy for this number of stories: cold and warm, with the plugin and without."""
    taken: dict[str, list[float]] = {f"{heat}, {how}": [] for heat in ("cold", "warm") for how in ("with", "without")}
    with tempfile.TemporaryDirectory() as folder:
        commands = _mypy_commands(Path(folder), _simple_files(number))
        for number_of_round in range(rounds):
            for how in ("with", "without") if number_of_round % 2 else ("without", "with"):
                cache = Path(folder) / f"cache-{how}-{number_of_round}"
                for heat in ("cold", "warm"):
                    taken[f"{heat}, {how}"].append(cpu_seconds([*commands[how], "--cache-dir", str(cache)]))
            report(f"mypy over {number:,} stories, round {number_of_round + 1} of {rounds}")
    return taken
