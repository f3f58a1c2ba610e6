"""The command line: which commands there are."""

from __future__ import annotations

from typing import Annotated

import typer

from dddkit import __version__
from dddkit.cli.check import HELP, check
from dddkit.cli.draw import HELP as HELP_ON_DRAW
from dddkit.cli.draw import draw
from dddkit.cli.events import events

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich")


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"dddkit {__version__}")
        raise typer.Exit


@app.callback()
def dddkit(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version, and exit.")
    ] = False,
) -> None:
    """Check stories, aggregates, events and repositories; draw them; keep the contracts of events."""


app.command(help=HELP)(check)
app.command(help=HELP_ON_DRAW)(draw)
app.add_typer(events)
