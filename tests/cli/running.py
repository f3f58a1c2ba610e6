"""The command in this process: what it prints, and its exit code."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from dddkit.cli import main


class Run(NamedTuple):
    """What one call of the command has come to."""

    code: int
    out: str
    err: str


def run(*arguments: str | Path, folder: Path) -> Run:
    """Run `dddkit` with these arguments in a folder."""
    out, err = io.StringIO(), io.StringIO()
    with _as_it_was(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        os.chdir(folder)
        code = main([*map(str, arguments)])
    return Run(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _as_it_was() -> Generator[None, None, None]:
    """Undo what a process of its own would not leave behind."""
    here, path, modules, limit = os.getcwd(), [*sys.path], {*sys.modules}, sys.getrecursionlimit()
    try:
        yield
    finally:
        os.chdir(here)
        sys.path[:] = path
        sys.setrecursionlimit(limit)
        os.environ.pop("MYPY_CONFIG_FILE_DIR", None)
        for name in {*sys.modules} - modules:
            if getattr(sys.modules[name], "__file__", None) and "/pytest-" in str(sys.modules[name].__file__):
                del sys.modules[name]
