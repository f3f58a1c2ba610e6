"""Running mypy as users do, as a program, and reading what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CONFIG = "[mypy]\nplugins = dddkit_mypy\nstrict = True\nshow_column_numbers = True\nshow_error_end = True\n"

_DIAGNOSTIC = re.compile(r"^(?P<path>[^:]+\.py):\d+:.* (?:error|note): ")


def run_mypy(directory: Path, *arguments: str, program: str = "mypy", syntax_errors: bool = False) -> str:
    """Run mypy in a directory; what it has to say, without the summary, sorted by place.

    mypy itself sorts by place, but the daemon by module. At syntax errors, mypy's status is 2.
    """
    run = subprocess.run(
        [sys.executable, "-m", program, *arguments], cwd=directory, capture_output=True, encoding="utf-8", check=False
    )
    said = run.stdout + run.stderr
    assert run.returncode in ((0, 1, 2) if syntax_errors else (0, 1)), said
    lines = [line for line in said.splitlines() if _DIAGNOSTIC.match(line)]
    others = [line for line in said.splitlines() if not _DIAGNOSTIC.match(line)]
    assert not [line for line in others if "INTERNAL ERROR" in line or "Traceback" in line], said
    if run.returncode:
        assert lines, said
    return "\n".join(sorted(lines))


def codes_in(said: str) -> list[str]:
    """The codes of the errors, in order of place."""
    return re.findall(r"error: .*\[([\w-]+)\]$", said, re.MULTILINE)
