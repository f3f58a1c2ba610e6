"""The entry point: it starts the command, or says what is not installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from dddkit._requirements import require
from dddkit.cli._failure import COULD_NOT_RUN, CommandError
from dddkit.cli._memory import is_held
from dddkit.exceptions import MissingDependencyError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `dddkit`; return its exit code: 0 clean, 1 found something, 2 could not run.

    Args:
        arguments: None for those of this process. Then the process is the command's own, and may end here.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what a terminal cannot show must not end the command
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except (CommandError, MissingDependencyError) as failure:
        print(f"dddkit: {failure}", file=sys.stderr)
        code = COULD_NOT_RUN
    except OSError as error:
        print(f"dddkit: {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)
        code = COULD_NOT_RUN
    if arguments is None and is_held():
        sys.stderr.flush()
        os._exit(code)  # to free what mypy holds takes as long as a check; mypy itself ends like this
    return code


def _run(arguments: Sequence[str]) -> int:
    require("typer", "rich", extra="cli")
    from dddkit.cli._app import app

    try:
        app([*arguments], prog_name="dddkit")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else COULD_NOT_RUN
    return 0
