"""How diagnostics are printed: as text, JSON, or commands of GitHub's workflows."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from dddkit.cli._check.diagnostics import Diagnostic, files_of
from dddkit.cli._check.sarif import sarif_log
from dddkit.cli._root import root_of_repository
from dddkit.cli._wording import counted


@dataclass(frozen=True)
class Findings:
    """What is to be printed."""

    diagnostics: Sequence[Diagnostic]
    checked: int
    """How many files were checked."""
    known: int = 0
    """How many more a baseline holds."""


def print_text(findings: Findings) -> None:
    """Print a line for each, as mypy does, and what they sum up to."""
    console = Console(highlight=False, soft_wrap=True)
    for found in findings.diagnostics:
        shown = relative_to_here(found.file)
        console.print(
            Text.assemble(
                (f"{shown}:{found.line}:{found.column}", "bold"),
                ": ",
                (f"{found.severity}:", "bold red" if found.severity == "error" else "bold blue"),
                f" {found.message}  ",
                (f"[{found.code}]", "yellow"),
            )
        )
        for line in (found.hint or "").splitlines():
            console.print(Text.assemble((f"{shown}:{found.line}:{found.column}", "bold"), f": note: {line}"))
    console.print(_summary(findings))


def _summary(findings: Findings) -> Text:
    checked = counted(findings.checked, "file")
    beside = f", beside {findings.known} in the baseline" if findings.known else ""
    if not findings.diagnostics:
        return Text(f"Nothing found in {checked}{beside}", "green")
    found, files = len(findings.diagnostics), files_of(findings.diagnostics)
    problems = counted(found, "problem")
    return Text(f"Found {problems} in {counted(files, 'file')} (checked {checked}){beside}", "bold red")


def print_json(findings: Findings) -> None:
    """Print one list with an object for each."""
    _write(
        [
            {
                "file": relative_to_here(found.file),
                "line": found.line,
                "column": found.column,
                "end_line": found.end_line,
                "end_column": found.end_column,
                "code": found.code,
                "severity": found.severity,
                "message": found.message,
                "hint": found.hint,
                "url": found.url,
            }
            for found in findings.diagnostics
        ]
    )


def print_sarif(findings: Findings) -> None:
    """Print a log in the Static Analysis Results Interchange Format, for GitHub's code scanning and others."""
    _write(sarif_log(findings.diagnostics, root_of_repository(Path.cwd())))


def print_github(findings: Findings) -> None:
    """Print the commands by which a GitHub workflow shows each beside its line."""
    root = root_of_repository(Path.cwd())
    for found in findings.diagnostics:
        level = "error" if found.severity == "error" else "notice"
        place = {
            "file": relative_to(root, found.file),
            "line": found.line,
            "endLine": found.end_line,
            "col": found.column,
            "endColumn": found.end_column,
            "title": found.code,
        }
        properties = ",".join(f"{name}={_escaped(str(value), '%', ':', ',')}" for name, value in place.items())
        text = found.message if found.hint is None else f"{found.message}\n{found.hint}"
        print(f"::{level} {properties}::{_escaped(text, '%')}")


def _escaped(text: str, *special: str) -> str:
    """Escape what GitHub's workflow commands reserve."""
    reserved = re.compile(f"[{re.escape(''.join(special))}\\r\\n]")
    return reserved.sub(lambda match: f"%{ord(match[0]):02X}", text)


FORMATS: Final[Mapping[str, Callable[[Findings], None]]] = {
    "text": print_text,
    "json": print_json,
    "sarif": print_sarif,
    "github": print_github,
}


def relative_to_here(file: Path) -> str:
    """Return a file as the user calls it who is in the current folder."""
    return relative_to(Path.cwd(), file)


def relative_to(folder: Path, file: Path) -> str:
    """Return a file as seen from a folder, with slashes; as it is where no relative path leads there."""
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError:  # on another drive
        return file.as_posix()


def _write(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
