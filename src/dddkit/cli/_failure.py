"""How a command ends that cannot do its work."""

from __future__ import annotations

from typing import Final

CLEAN: Final = 0
FOUND_SOMETHING: Final = 1
COULD_NOT_RUN: Final = 2


class CommandError(Exception):
    """A command cannot do its work; its text is all that the user sees, and the exit code is 2."""
