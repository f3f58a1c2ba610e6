"""The entry point: it starts the command, or says what is not installed."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Final, NoReturn

from dddkit.cli._failure import COULD_NOT_RUN, CommandError
from dddkit.cli._requirements import require
from dddkit.exceptions import MissingDependencyError

_NEEDED: Final = ("typer", "rich")


def main() -> NoReturn:
    """Run `dddkit` with the arguments of this process, and end it: 0 clean, 1 found something, 2 could not run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what a terminal cannot show must not end the command
            stream.reconfigure(errors="backslashreplace")
    try:
        for name in _NEEDED:
            require(name, "cli")
        from dddkit.cli._app import app

        app(prog_name="dddkit")
    except (CommandError, MissingDependencyError) as failure:
        print(f"dddkit: {failure}", file=sys.stderr)
    except OSError as error:
        print(f"dddkit: {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)
    sys.exit(COULD_NOT_RUN)
