"""What a command needs beside the kit."""

from __future__ import annotations

from dddkit.exceptions import MissingDependencyError


def require(name: str, extra: str) -> None:
    """Raise unless a package is installed, whose name is that of its distribution.

    Raises:
        MissingDependencyError: it is not; with the extra that installs it.
    """
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        if error.name != name:  # it is installed, but its import failed
            raise
        raise MissingDependencyError(name, name, extra) from error
