"""`dddkit check`: the rules of the mypy plugin, whatever type checker a project uses."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer

from dddkit.cli._failure import CLEAN, FOUND_SOMETHING, CommandError
from dddkit.cli._mypy import CACHE, Plan, build, open_project, require_mypy
from dddkit.cli._options import CacheFolder, NoCache, Python
from dddkit.cli._terminal import progress, say
from dddkit.cli._wording import did_you_mean

HELP: Final = """\
Check stories, aggregates, events and repositories, whatever type checker the project uses.

It runs mypy in this process, and shows only what the rules of dddkit's plugin report, and async stories that nobody \
awaits. It needs no configuration of mypy; where there is one, its paths, exclusions and error codes hold.

Exit codes: 0 nothing found, 1 something found, 2 it could not run.

\b
dddkit check
dddkit check src tests --enable dddkit-unlisted-step
dddkit check --format sarif > dddkit.sarif
dddkit check --baseline dddkit.json --write-baseline
"""

_SOURCES: Final = "Files and folders to check; without any, what mypy's configuration names, or the current folder."
_FORMAT: Final = "How to print what is found: text, json, sarif (for code scanning), or github (for workflows)."


class Format(str, Enum):
    """How diagnostics are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def check(
    paths: Annotated[list[str] | None, typer.Argument(metavar="[PATHS]...", help=_SOURCES)] = None,
    format_: Annotated[Format, typer.Option("--format", help=_FORMAT)] = Format.TEXT,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Report only what is not in this baseline.")
    ] = None,
    write_baseline: Annotated[
        bool,
        typer.Option(
            "--write-baseline", help="Write what is found in the checked files to the baseline, and end with 0."
        ),
    ] = False,
    enable: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="Switch an opt-in rule on, such as dddkit-unlisted-step. May be repeated."),
    ] = None,
    disable: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Switch a rule off. May be repeated.")
    ] = None,
    python: Python = None,
    cache_dir: CacheFolder = CACHE,
    no_cache: NoCache = False,
) -> None:
    """Check a project; see HELP."""
    if write_baseline and baseline is None:
        raise CommandError("--write-baseline needs the file to write: --baseline FILE")
    require_mypy()
    from dddkit.cli._check import FORMATS, Baseline, Findings, diagnostics_of

    known = None if baseline is None or write_baseline else Baseline.read(baseline)
    plan = Plan(
        paths=paths or [],
        enabled=_enabled(enable),
        disabled=_codes(disable),
        python=python,
        cache=None if no_cache else cache_dir,
    )
    with open_project(plan) as project:
        for warning in project.warnings:
            say(warning)
        with progress("Checking") as on_file:
            report = build(project, on_file)
        found = diagnostics_of(report, project.root)
    if baseline is not None and write_baseline:
        written = Baseline.of(baseline, found, report.with_imported)
        written.write()
        others = written.known.total() - len(found)
        of_others = f", and {others} of files that were not checked" if others else ""
        say(f"{baseline} holds {len(found)} of what was found{of_others}; commit it")
        raise typer.Exit(CLEAN)
    new, gone = (found, 0) if known is None else known.divide(found, report.with_imported)
    FORMATS[format_.value](Findings(new, len(report.files), len(found) - len(new)))
    if gone:
        say(f"{gone} of what {baseline} holds is not found any more; write it again with --write-baseline")
    raise typer.Exit(FOUND_SOMETHING if new else CLEAN)


def _enabled(names: list[str] | None) -> list[str]:
    """Return the codes to enable.

    Raises:
        CommandError: the code of all rules is among them, which enables none for mypy.
    """
    from dddkit_mypy._codes import CATALOGUE, PARENT

    if PARENT.code in (names or []):
        opt_in = ", ".join(code.code for code in CATALOGUE if not code.default_enabled)
        raise CommandError(f"{PARENT.code} switches no rule on; name each of the opt-in rules: {opt_in}")
    return _codes(names)


def _codes(names: list[str] | None) -> list[str]:
    """Return the codes of rules that were named.

    Raises:
        CommandError: there is no such rule.
    """
    from dddkit_mypy._codes import CATALOGUE, PARENT

    codes = [PARENT.code, *(code.code for code in CATALOGUE)]
    for name in names or []:
        if name not in codes:
            raise CommandError(f"there is no rule {name}{did_you_mean(name, codes)}")
    return names or []
