"""What mypy reports of the examples of the rules: run as users run it, once for all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from dddkit_mypy._rule import Rule

_CONFIG: Final = """\
[mypy]
plugins = dddkit_mypy
strict = True
pretty = True
enable_error_code = {opt_in}

[mypy-dbos.*,sqlalchemy.*]
follow_imports = skip
"""
_WIDTH: Final = 88
"""How long the lines of a report may be."""


class Reported(NamedTuple):
    """The reports on the two examples of a rule, as mypy prints them; empty where it reports nothing."""

    bad: str
    good: str


def reports(rules: Iterable[Rule]) -> Mapping[str, Reported]:
    """Run mypy on the examples of some rules; return the reports by the code of the rule."""
    rules = tuple(rules)
    with TemporaryDirectory() as directory:
        for rule in rules:
            Path(directory, _file_of(rule)).write_text(rule.bad, encoding="utf-8")
            Path(directory, _corrected(rule)).write_text(rule.good, encoding="utf-8")
        opt_in = ", ".join(rule.code.code for rule in rules if not rule.code.default_enabled)
        Path(directory, "mypy.ini").write_text(_CONFIG.format(opt_in=opt_in), encoding="utf-8")
        said = _output_of_mypy(directory)
    return {rule.code.code: Reported(_about(_file_of(rule), said), _about(_corrected(rule), said)) for rule in rules}


def _file_of(rule: Rule) -> str:
    return f"{rule.module}.py"


def _corrected(rule: Rule) -> str:
    return f"{rule.module}_corrected.py"


def _output_of_mypy(directory: str) -> str:
    command = [sys.executable, "-m", "mypy", f"--cache-dir={os.devnull}", "."]
    environment = {**os.environ, "MYPY_FORCE_TERMINAL_WIDTH": str(_WIDTH)}
    run = subprocess.run(command, cwd=directory, env=environment, capture_output=True, encoding="utf-8", check=False)
    if run.returncode not in (0, 1):
        raise RuntimeError(run.stdout + run.stderr)
    return run.stdout


def _about(file: str, said: str) -> str:
    """Return the lines about a file: those that begin with its name, and what mypy indents or wraps below them."""
    lines: list[str] = []
    is_about = False
    for line in said.splitlines():
        if ".py:" in line.partition(" ")[0] or line.startswith("Found "):
            is_about = line.startswith(f"{file}:")
        if is_about:
            lines.append(line.rstrip())
    return "\n".join(lines)
