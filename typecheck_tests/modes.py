"""A project under edit, checked in every mode mypy has; each must say what a cold run says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from difflib import ndiff
from pathlib import Path
from typing import Final

from mypy.version import __version__ as mypy_version

from typecheck_tests.running import CONFIG, codes_in, run_mypy

_MYPY_2: Final = int(mypy_version.partition(".")[0]) >= 2
_FINE_GRAINED: Final = ("--cache-fine-grained", "--no-sqlite-cache")


class Project:
    """Files in a directory, and a cache for each mode that keeps one."""

    def __init__(self, root: Path, files: Mapping[str, str], config: str = CONFIG) -> None:
        self.root = root
        self.source = root / "source"
        self.source.mkdir(parents=True)
        (self.source / "mypy.ini").write_text(config)
        self._seed = root / "seed"
        self._clock = 1_000_000_000
        self.edit({"seed.py": "import dddkit.dataclasses, dddkit.pydantic, dddkit.stories\n"})
        run_mypy(self.source, "--cache-dir", str(self._seed), "seed.py")
        self.edit({"seed.py": None, **files})
        self._daemons: list[Path] = []

    def edit(self, files: Mapping[str, str | None]) -> None:
        """Write files, or remove them. mypy reads times in whole seconds, so every edit gets one of its own."""
        self._clock += 10
        for name, content in files.items():
            path = self.source / name
            if content is None:
                path.unlink()
            else:
                path.write_text(content)
                os.utime(path, (self._clock, self._clock))

    def said(self) -> dict[str, str]:
        """What each mode says."""
        modes: dict[str, Callable[[], str]] = {
            "cold": self.cold,
            "warm": lambda: self._run(self._cache("warm")),
            "daemon": self.daemon,
            "daemon from a cache": self._from_cache,
        }
        if _MYPY_2:
            modes |= {
                "parallel, cold": lambda: self._run(self._cache("parallel-cold", fresh=True), "-n", "2"),
                "parallel, warm": lambda: self._run(self._cache("parallel"), "-n", "2"),
                "old parser": lambda: self._run(self._cache("old-parser", fresh=True), "--no-native-parser"),
            }
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # each has a cache of its own
            running = {mode: pool.submit(run) for mode, run in modes.items()}
        return {mode: run.result() for mode, run in running.items()}

    def cold(self) -> str:
        """What a run says that knows the standard library and dddkit from a cache, and no module of the project."""
        return self._run(self._cache("cold", fresh=True))

    def daemon(self, *, syntax_errors: bool = False) -> str:
        """What a daemon says that has seen every state of the project it was asked about."""
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
        """A daemon that starts now, from what a plain run has cached of the state before the edit."""
        cache = self.root / "fine-grained"
        known = cache.exists()
        said = self._ask("from-cache", cache, *_FINE_GRAINED, "--use-fine-grained-cache") if known else None
        self._stop(self.root / "from-cache.json")
        plain = run_mypy(self.source, "--cache-dir", str(cache), *_FINE_GRAINED, ".")
        return plain if said is None else said

    def _stop(self, status: Path) -> None:
        command = [sys.executable, "-m", "mypy.dmypy", "--status-file", str(status), "stop"]
        subprocess.run(command, cwd=self.source, capture_output=True, check=False)

    def close(self) -> None:
        """Stop the daemons."""
        for status in self._daemons:
            if status.exists():
                self._stop(status)


@contextmanager
def project(root: Path, files: Mapping[str, str], config: str = CONFIG) -> Generator[Project]:
    """A project, whose daemons are stopped in the end."""
    made = Project(root, files, config)
    try:
        yield made
    finally:
        made.close()


def disagreements(
    directory: Path, config: str, files: Mapping[str, str], edits: Mapping[str, Mapping[str, str | None]]
) -> tuple[str, set[str]]:
    """What some mode says and a cold run does not, after some edit; and the codes that cold runs have shown."""
    seen: set[str] = set()
    different: list[str] = []
    with project(directory, files, config) as under_edit:
        assert set(under_edit.said().values()) == {""}
        for name, edit in edits.items():
            under_edit.edit(edit)
            said = under_edit.said()
            expected = said.pop("cold")
            seen.update(codes_in(expected))
            different += [
                f"{name}, {mode}:\n{_compared(found, expected)}\n" for mode, found in said.items() if found != expected
            ]
    return "\n".join(different), seen


def _compared(found: str, expected: str) -> str:
    return "\n".join(line for line in ndiff(expected.splitlines(), found.splitlines()) if line[0] in "+-")
