"""What is shown of all that mypy has found: the rules of the plugin, and async stories that nobody awaits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dddkit.cli._mypy import Report

_RULES: Final = "https://mom1.github.io/dddkit/rules.html"
UNAWAITED: Final = frozenset({"unused-coroutine", "unused-awaitable"})
"""What mypy calls its own diagnostics of an async story that nobody awaits."""


@dataclass(frozen=True, order=True)
class Diagnostic:
    """One thing that was found. Lines and columns count from one, and the end is behind the last character."""

    file: Path
    line: int
    column: int
    end_line: int
    end_column: int
    code: str
    message: str
    hint: str | None = None
    severity: str = "error"

    @property
    def url(self) -> str:
        """Where the rule is explained."""
        return url_of(self.code)

    @property
    def gist(self) -> str:
        """The message without what changes when other lines come and go."""
        return re.sub(r"\bline \d+", "line N", self.message)


def diagnostics_of(report: Report, root: Path) -> list[Diagnostic]:
    """Return what is to be shown of a report, sorted; each file as an absolute path."""
    from dddkit.cli._mypy.plugin import MARK

    marked = {_location(error) for error in report.errors if error["message"] == MARK or MARK in (error["hint"] or "")}
    return sorted(
        _diagnostic(error, root, MARK)
        for error in report.errors
        if error["message"] != MARK and _is_shown(error["code"] or "", _location(error) in marked)
    )


def _location(error: Mapping[str, Any]) -> tuple[str, int, int]:
    return error["file"], error["line"], error["column"]


def _is_shown(code: str, is_marked: bool) -> bool:
    return code.startswith("dddkit-") or (code in UNAWAITED and is_marked)


def _diagnostic(error: Mapping[str, Any], root: Path, mark: str) -> Diagnostic:
    line, column = max(error["line"], 1), max(error["column"] + 1, 1)
    hints = [text for text in (error["hint"] or "").splitlines() if text != mark]
    return Diagnostic(
        root / error["file"],
        line,
        column,
        max(error.get("end_line", line), line),  # not in mypy 1.19
        max(error.get("end_column", column) + 1, 2),
        error["code"],
        error["message"],
        "\n".join(hints) or None,
        error["severity"],
    )


def url_of(code: str) -> str:
    """Return where a code is explained."""
    if code.startswith("dddkit-"):
        return f"{_RULES}#{code}"
    return f"https://mypy.readthedocs.io/en/stable/_refs.html#code-{code}"


def files_of(diagnostics: Sequence[Diagnostic]) -> int:
    """Return how many files they are in."""
    return len({diagnostic.file for diagnostic in diagnostics})
