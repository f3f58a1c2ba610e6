"""The entry point: it starts the command, or says what is not installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from io import TextIOWrapper
from typing import Final

from dddkit._requirements import require
from dddkit.cli._failure import COULD_NOT_RUN, CommandError
from dddkit.cli._memory import is_held
from dddkit.exceptions import MissingDependencyError

_RUN_MYPY: Final = frozenset({"check", "draw"})
"""The commands that need mypy."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `dddkit`; return its exit code: 0 clean, 1 found something, 2 could not run.

    Args:
        arguments: None for those of this process. Then the process is the command's own, and may end here.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed before this process began
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # to the end of the process
        elif isinstance(stream, TextIOWrapper):  # what a terminal cannot show must not end the command
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except (CommandError, MissingDependencyError) as failure:
        _tell(str(failure))
        code = COULD_NOT_RUN
    except OSError as error:
        _tell(f"{error.filename or 'the output'}: {error.strerror}")
        code = COULD_NOT_RUN
    if arguments is None and is_held():
        os._exit(code)  # to free what mypy holds takes as long as a check; mypy itself ends like this
    return code


def _tell(text: str) -> None:
    with suppress(OSError):  # where stderr cannot be written, the exit code says it alone
        print(f"dddkit: {text}", file=sys.stderr, flush=True)


def _run(arguments: Sequence[str]) -> int:
    try:
        require("typer", "rich", extra="cli")
    except MissingDependencyError as missing:
        if _RUN_MYPY.isdisjoint(arguments[:1]) or find_spec("mypy") is not None:
            raise
        packages = f"{missing.install_package} mypy"  # both at once, or the reader would have to come twice
        raise MissingDependencyError(missing.package, packages, "cli,mypy") from missing
    from dddkit.cli._app import app

    try:
        app([*arguments], prog_name="dddkit")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else COULD_NOT_RUN
    return 0
