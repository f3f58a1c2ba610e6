"""Runs of mypy as a program, as users run it, and their diagnostics."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

CONFIG = "[mypy]\nplugins = dddkit_mypy\nstrict = True\nshow_column_numbers = True\nshow_error_end = True\n"

WITHOUT_DBOS = "[mypy-dbos.*,sqlalchemy.*]\nfollow_imports = skip\n"
"""More of a configuration, its last part: for modules with durable stories, that mypy need not read all of DBOS."""

_DIAGNOSTIC = re.compile(r"^(?P<path>[^:]+\.py):\d+:.* (?:error|note): ")


def run_mypy(directory: Path, *arguments: str, program: str = "mypy", syntax_errors: bool = False) -> str:
    """Run mypy in a directory; return its diagnostics, without the summary, sorted by location.

    mypy itself sorts by location, but the daemon by module. At syntax errors, the status of mypy is 2.
    """
    run = _run(directory, program, arguments)
    for pause in (1, 2, 4, 8):  # mypy gives its workers 3 s to start, which is too little on a busy machine
        if "Failed to establish connection with worker" in run.stderr:
            time.sleep(pause)
            run = _run(directory, program, arguments)
    said = run.stdout + run.stderr
    assert run.returncode in ((0, 1, 2) if syntax_errors else (0, 1)), said
    lines = [line for line in said.splitlines() if _DIAGNOSTIC.match(line)]
    others = [line for line in said.splitlines() if not _DIAGNOSTIC.match(line)]
    assert not [line for line in others if "INTERNAL ERROR" in line or "Traceback" in line], said
    if run.returncode:
        assert lines, said
    return "\n".join(sorted(lines))


def _run(directory: Path, program: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", program, *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, encoding="utf-8", check=False)


def codes_in(said: str) -> list[str]:
    """Return the codes of the errors, sorted by location."""
    return re.findall(r"error: .*\[([\w-]+)\]$", said, re.MULTILINE)
