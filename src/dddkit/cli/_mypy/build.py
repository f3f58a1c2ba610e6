"""One run of mypy, and what it has found."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError
from typing import TYPE_CHECKING, Any, Final

from dddkit.cli._failure import CommandError
from dddkit.cli._memory import hold
from dddkit.cli._mypy.project import Project

if TYPE_CHECKING:
    from mypy.build import BuildResult, State

_DEPTH: Final = 2**14
"""How deep mypy may recurse; it sets the same where it is a program of its own."""


@dataclass(frozen=True)
class Report:
    """What a run of mypy has found."""

    errors: Sequence[dict[str, Any]]
    """As mypy's JSON has them; `file` is relative to the root of the project."""
    result: BuildResult
    files: Set[Path]
    """The files that were checked because they were asked for."""
    with_imported: Set[Path]
    """These, and the files that they import, where mypy reports what it finds there."""


def build(project: Project, on_file: Callable[[str], None] = lambda file: None) -> Report:
    """Have mypy check a project, in its root.

    Args:
        project: what to check.
        on_file: is told each file that mypy has checked; of those that the cache has, none.

    Raises:
        CommandError: mypy cannot check the code: a syntax error, a module twice, a plugin that is missing, a program
            in the place of Python.
    """
    from mypy.build import build as build_with_mypy
    from mypy.errors import CompileError

    lines: list[str] = []

    def take(file: str | None, messages: list[str], is_serious: bool) -> None:
        lines.extend(messages)
        if file is not None:
            on_file(file)

    sys.setrecursionlimit(max(_DEPTH, sys.getrecursionlimit()))
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            result = build_with_mypy([*project.sources], project.options, None, take, project.fscache, printed, printed)
    except CompileError as error:
        raise CommandError(_cannot_check([*lines, *error.messages])) from error
    except CalledProcessError as error:  # mypy asks the Python of the project where its packages are
        raise CommandError(
            f"{project.options.python_executable} does not say where its packages are; name a Python with --python"
        ) from error
    except SystemExit as end:  # an error of mypy itself
        raise CommandError(_cannot_check([*lines, *printed.getvalue().splitlines()])) from end
    except _errors_of_cache() as error:
        raise CommandError(
            f"the cache in {project.options.cache_dir} cannot be used: {error}; remove it, name another folder with "
            "--cache-dir, or use --no-cache"
        ) from error
    hold(result)
    close = getattr(result.manager.metastore, "close", None)  # not in mypy 1.19
    if close is not None:
        close()
    _require_kit(result, project)
    errors = [json.loads(line) for line in lines]
    if syntax := [error for error in errors if error["code"] == "syntax" and error["severity"] == "error"]:
        raise CommandError(_cannot_check([json.dumps(error) for error in syntax]))
    sources = {source.module for source in project.sources}  # where the configuration names modules, without paths
    files = frozenset(_files(project, [result.graph[name] for name in sources if name in result.graph]))
    imported = _files(project, [state for state in result.graph.values() if not state.ignore_all])
    return Report(errors, result, files, files.union(imported))


def _files(project: Project, states: Sequence[State]) -> Iterator[Path]:
    for state in states:
        if state.path is not None and os.path.isfile(state.path):  # a package without `__init__.py` is a folder
            yield project.root / state.path


def _errors_of_cache() -> tuple[type[Exception], ...]:
    """Return what mypy raises where it cannot open or write its cache: that is a database, in newer versions."""
    try:
        from sqlite3 import Error
    except ImportError:
        return ()
    return (Error,)


def _require_kit(result: BuildResult, project: Project) -> None:
    """Raise where the code imports the kit and mypy does not find it: no rule would report anything."""
    missing = [name for name in result.manager.missing_modules if name.partition(".")[0] == "dddkit"]
    if missing and "dddkit" not in result.graph:
        raise CommandError(
            f"mypy does not find {missing[0]} for {project.options.python_executable}; install dddkit there, name the "
            "Python of the project with --python, or let the configuration of mypy follow the import"
        )


def _cannot_check(lines: Sequence[str]) -> str:
    shown = [_shown(line) for line in lines]
    return "\n  ".join(["mypy cannot check the code:", *[line for line in shown if line]])


def _shown(line: str) -> str:
    try:
        error = json.loads(line)
    except ValueError:
        return line
    hint = f" ({error['hint']})" if error["hint"] else ""
    return f"{error['file']}:{error['line']}: {error['message']}{hint}"
