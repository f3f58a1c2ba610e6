"""`dddkit events`: the contracts of events, kept in a lock file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from dddkit._requirements import require
from dddkit.cli._failure import FOUND_SOMETHING, CommandError
from dddkit.cli._importing import imported
from dddkit.cli._terminal import say

if TYPE_CHECKING:
    from dddkit.messages import EventCatalog

_LOCK_FILE: Final = Path("events.lock.json")

Catalog: TypeAlias = Annotated[
    str, typer.Argument(metavar="MODULE[:NAME]", help="The EventCatalog, such as shop.messages:catalog.")
]
LockFile: TypeAlias = Annotated[Path, typer.Option("--file", metavar="FILE", help="The lock file.")]

events = typer.Typer(
    name="events",
    help="Keep the contracts of events: their names, versions and fields, in a lock file under version control.",
    no_args_is_help=True,
)


@events.command("lock")
def lock(catalog: Catalog, file: LockFile = _LOCK_FILE) -> None:
    """Write what the events are to the lock file; commit it.

    Refused where a change would break those who read the events, and its version is as before: 1, with a line for each.
    """
    found = _catalog(catalog)
    from dddkit.messages import lock_events

    _require_readable(catalog, file)
    try:
        lock_events(found, file)
    except ValueError as error:
        typer.echo(_with_command(str(error), catalog, file))
        raise typer.Exit(FOUND_SOMETHING) from None
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}") from None
    say(f"{file} holds the events of {catalog}; commit it")


@events.command("check")
def check(catalog: Catalog, file: LockFile = _LOCK_FILE) -> None:
    """Check that the events are those of the lock file: 0 if they are, else 1, with a line for each difference."""
    found = _catalog(catalog)
    from dddkit.messages import check_events

    _require_readable(catalog, file)
    try:
        check_events(found, file)
    except AssertionError as error:
        typer.echo(_with_command(str(error), catalog, file))
        raise typer.Exit(FOUND_SOMETHING) from None


@events.command("list")
def list_(catalog: Catalog) -> None:
    """List the events: the type that their messages have, and the class."""
    entries = sorted(
        (entry.name, entry.type, f"{entry.event_class.__module__}.{entry.event_class.__qualname__}")
        for entry in _catalog(catalog)._entries()  # pyright: ignore[reportPrivateUsage]  # for the packages of the kit
    )
    width = max((len(type_) for _, type_, _ in entries), default=0)
    for _, type_, event_class in entries:
        typer.echo(f"{type_:{width}}  {event_class}")


def _catalog(place: str) -> EventCatalog:
    require("pydantic", extra="pydantic")
    from dddkit.messages import EventCatalog

    return imported(place, EventCatalog)


def _require_readable(catalog: str, file: Path) -> None:
    """Raise unless the file is a lock file, or is yet to be written."""
    from dddkit.messages._lock import lock_file

    try:
        lock_file.read(file)
    except lock_file.LockFileError as error:
        raise CommandError(_with_command(str(error), catalog, file)) from None


def _with_command(said: str, catalog: str, file: Path) -> str:
    """Return what the kit says, with the command in place of the function."""
    command = f"dddkit events lock {catalog}" + ("" if file == _LOCK_FILE else f" --file {file}")
    return said.replace("run lock_events", f"run {command}")
