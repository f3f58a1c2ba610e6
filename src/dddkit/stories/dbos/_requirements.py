"""What this package needs beside the kit; imported before everything else in it."""

from __future__ import annotations

from dddkit.exceptions import MissingDependencyError

for _name in ("dbos", "pydantic"):
    try:
        __import__(_name)
    except ModuleNotFoundError as error:
        if error.name != _name:  # it is installed, but its import failed
            raise
        raise MissingDependencyError(_name, _name, "dbos") from error
