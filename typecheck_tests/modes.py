"""A project that is edited, checked in every mode of mypy: each mode must print what a cold run prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from difflib import ndiff
from pathlib import Path
from typing import Final, TypeAlias

from mypy.version import __version__ as mypy_version

from typecheck_tests.running import codes_in, run_mypy

_MYPY_2: Final = int(mypy_version.partition(".")[0]) >= 2
_AT_ONCE: Final = max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
"""How many modes run at the same time: where tests run in parallel, each worker has a part of the processors."""
_FINE_GRAINED: Final = ("--cache-fine-grained", "--no-sqlite-cache")

Files: TypeAlias = Mapping[str, str | None]
"""The contents of files by name; None removes one."""

SeededCaches: TypeAlias = Callable[[str], Path]
"""Give the cache that a project with a configuration starts from."""


def seeded_cache(directory: Path, config: str) -> Path:
    """Make a cache of the standard library and dddkit, for `Project` to copy: it saves most of each run."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "mypy.ini").write_text(config)
    (directory / "seed.py").write_text("import dddkit.dataclasses, dddkit.pydantic, dddkit.stories\n")
    run_mypy(directory, "--cache-dir=cache", "seed.py")
    return directory / "cache"


class Project:
    """Files in a directory, and a cache for each mode that keeps one."""

    def __init__(self, root: Path, files: Files, config: str, seed: Path) -> None:
        self.root = root
        self.source = root / "source"
        self.source.mkdir(parents=True)
        (self.source / "mypy.ini").write_text(config)
        self._seed = seed
        self._clock = 1_000_000_000
        self._daemons: list[Path] = []
        self.edit(files)

    def edit(self, files: Files) -> None:
        """Write files, or remove them. mypy reads times in whole seconds, so each edit has a time of its own."""
        self._clock += 10
        for name, content in files.items():
            path = self.source / name
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_text(content)
                os.utime(path, (self._clock, self._clock))

    def said(self) -> dict[str, str]:
        """Return what each mode prints."""
        modes: dict[str, Callable[[], str]] = {"cold": self.cold, **self._with_memory()}
        if _MYPY_2:
            modes |= {
                "parallel, cold": lambda: self._run(self._cache("parallel-cold", fresh=True), "-n", "2"),
                "old parser": lambda: self._run(self._cache("old-parser", fresh=True), "--no-native-parser"),
            }
        return self._at_once(modes)

    def prepared(self) -> dict[str, str]:
        """Let the modes that keep something see the present state; return what they print."""
        return self._at_once(self._with_memory())

    def _with_memory(self) -> dict[str, Callable[[], str]]:
        modes: dict[str, Callable[[], str]] = {
            "warm": self.warm,
            "daemon": self.daemon,
            "daemon from a cache": self._from_cache,
        }
        if _MYPY_2:
            modes["parallel, warm"] = lambda: self._run(self._cache("parallel"), "-n", "2")
        return modes

    @staticmethod
    def _at_once(modes: Mapping[str, Callable[[], str]]) -> dict[str, str]:
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # each mode has a cache of its own
            running = {mode: pool.submit(run) for mode, run in modes.items()}
        return {mode: run.result() for mode, run in running.items()}

    def cold(self) -> str:
        """Return what a run prints whose cache has the standard library and dddkit, and no module of the project."""
        return self._run(self._cache("cold", fresh=True))

    def warm(self) -> str:
        """Return what a run prints whose cache has every state of the project so far."""
        return self._run(self._cache("warm"))

    def daemon(self, *, syntax_errors: bool = False) -> str:
        """Return what a daemon prints that has seen every state of the project so far."""
        return self._ask("daemon", self._cache("daemon"), syntax_errors=syntax_errors)

    def _cache(self, mode: str, *, fresh: bool = False) -> Path:
        path = self.root / mode
        if fresh and path.exists():
            shutil.rmtree(path)
        if not path.exists():
            shutil.copytree(self._seed, path)
        return path

    def _run(self, cache: Path, *flags: str) -> str:
        return run_mypy(self.source, "--cache-dir", str(cache), *flags, ".")

    def _ask(self, name: str, cache: Path, *flags: str, syntax_errors: bool = False) -> str:
        status = self.root / f"{name}.json"
        if status not in self._daemons:
            self._daemons.append(status)
        options = ("--status-file", str(status), "run", "--", "--cache-dir", str(cache), *flags, ".")
        return run_mypy(self.source, *options, program="mypy.dmypy", syntax_errors=syntax_errors)

    def _from_cache(self) -> str:
        """Start a daemon from what a run has cached of the state before the edit; return what it prints."""
        cache = self.root / "fine-grained"
        known = cache.exists()
        said = self._ask("from-cache", cache, *_FINE_GRAINED, "--use-fine-grained-cache") if known else None
        self._stop(self.root / "from-cache.json")
        without_daemon = run_mypy(self.source, "--cache-dir", str(cache), *_FINE_GRAINED, ".")
        return without_daemon if said is None else said

    def _stop(self, status: Path) -> None:
        command = [sys.executable, "-m", "mypy.dmypy", "--status-file", str(status), "stop"]
        subprocess.run(command, cwd=self.source, capture_output=True, check=False)

    def close(self) -> None:
        """Stop the daemons."""
        for status in self._daemons:
            if status.exists():
                self._stop(status)


class History:
    """A project that is edited again and again: a daemon and the caches know the states it has been in."""

    def __init__(self, directory: Path, config: str, files: Mapping[str, str], edits: Mapping[str, Files], seed: Path):
        self._files = files
        self.edits = edits
        self._names = list(edits)
        self._next: int | None = None
        self.project = Project(directory, {}, config, seed)

    def after(self, name: str) -> dict[str, str]:
        """Make an edit; return what each mode prints.

        Tests run in the order of the edits, as a rule. Where one does not follow on the test before it (it was chosen
        by hand, or another worker had that one), every mode first sees the two states before the edit: with one alone,
        a new daemon lacks a diagnostic after the edit "and is again" of test_modes_of_states.py.
        """
        index = self._names.index(name)
        if index != self._next:
            self.project.edit(self._before(max(index - 1, 0)))
            before = self.project.prepared()
            if not index:
                assert set(before.values()) == {""}, before
            else:
                self.project.edit(self.edits[self._names[index - 1]])
                self.project.prepared()
        self._next = index + 1
        self.project.edit(self.edits[name])
        return self.project.said()

    def _before(self, index: int) -> Files:
        every: list[Files] = [self._files, *self.edits.values()]
        state: dict[str, str | None] = dict.fromkeys(name for files in every for name in files)
        for files in every[: index + 1]:
            state.update(files)
        return state


Histories: TypeAlias = Callable[[str, Mapping[str, str], Mapping[str, Files]], History]
"""Give the history of a project with a configuration, its files and its edits."""


def check(history: History, edit: str, shows: Mapping[str, str]) -> set[str]:
    """Make an edit, and compare what the modes print with what a cold run prints.

    `shows` has the codes that the project must show at least, each with an edit that shows it.

    Returns:
        The codes that a cold run shows.
    """
    assert {*shows.values()} <= {*history.edits}
    seen = compare(history.after(edit))
    assert seen >= {code for code, name in shows.items() if name == edit}, seen
    return seen


def compare(said: dict[str, str]) -> set[str]:
    """Compare what the modes print with what a cold run prints; return the codes that this shows."""
    expected = said.pop("cold")
    different = [f"{mode}:\n{_compared(found, expected)}\n" for mode, found in said.items() if found != expected]
    assert not different, "\n".join(different)
    return set(codes_in(expected))


def _compared(found: str, expected: str) -> str:
    return "\n".join(line for line in ndiff(expected.splitlines(), found.splitlines()) if line[0] in "+-")
