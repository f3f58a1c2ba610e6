"""A project under edit, checked in every mode mypy has; each must say what a cold run says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mypy.version import __version__ as mypy_version

from typecheck_tests.running import CONFIG, run_mypy

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
        self.edit({"seed.py": "import dddkit.stories\n"})
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

    def cold(self) -> str:
        """A run that knows the standard library and dddkit from a cache, and no module of the project."""
        return self._run(self._cache("cold", fresh=True))

    def others(self) -> dict[str, str]:
        """What the other modes say, by mode."""
        said = {"warm": self._run(self._cache("warm"))}
        if _MYPY_2:
            said["parallel, cold"] = self._run(self._cache("parallel-cold", fresh=True), "-n", "2")
            said["parallel, warm"] = self._run(self._cache("parallel"), "-n", "2")
            said["old parser"] = self._run(self._cache("old-parser", fresh=True), "--no-native-parser")
        said["daemon"] = self.daemon()
        said["daemon from a cache"] = self._from_cache()
        return said

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
