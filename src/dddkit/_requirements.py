"""What a part of the kit needs beside the kit."""

from __future__ import annotations

from dddkit.exceptions import MissingDependencyError


def require(*packages: str, extra: str) -> None:
    """Raise unless these packages are installed; the name of each is that of its distribution.

    Raises:
        MissingDependencyError: one is not; with the extra that installs it.
    """
    for name in packages:
        try:
            __import__(name)
        except ModuleNotFoundError as error:
            if error.name != name:  # it is installed, but its import failed
                raise
            raise MissingDependencyError(name, name, extra) from error
