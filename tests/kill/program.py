"""How the programs here begin and end, and what they leave."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["kept", "run_program"]


def run_program(main: Callable[[Sequence[str]], int]) -> None:
    """Run it with the arguments of this process, whose exit code is what it returns. SIGTERM ends its blocks."""
    signal.signal(signal.SIGTERM, _end)  # the folder of the run and its processes would be left
    sys.exit(main(sys.argv[1:]))


def _end(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)  # as a shell says it


def kept(folder: Path) -> Path:
    """Copy the folder of a run, which ends with it; return where to."""
    return Path(shutil.copytree(folder, tempfile.mkdtemp(prefix="dddkit-killed-"), dirs_exist_ok=True))
