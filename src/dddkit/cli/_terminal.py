"""What is told beside the result of a command, on stderr: remarks, and progress where somebody watches."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.markup import escape


def say(text: str) -> None:
    """Say something that is no part of the result."""
    with suppress(OSError):  # where nobody can read it, the result is still the same
        Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(f"dddkit: {text}")


@contextmanager
def progress(doing: str) -> Generator[Callable[[str], None], None, None]:
    """Show that work goes on while the block runs, where stderr is a terminal.

    Yields:
        what is to be told what the work is at.
    """
    console = Console(stderr=True)
    is_watched = console.file.isatty()  # FORCE_COLOR, which CI sets, makes rich take a file for a terminal
    if not is_watched or not console.is_terminal or console.is_dumb_terminal:
        yield lambda at: None
        return
    with console.status(f"{escape(doing)} ...") as status:

        def show(at: str) -> None:
            shown = os.path.relpath(at) if os.path.isabs(at) else at
            status.update(f"{escape(doing)} [dim]{escape(shown)}[/dim]")

        yield show
