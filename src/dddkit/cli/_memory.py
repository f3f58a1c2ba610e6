"""What a command leaves to the end of the process, as freeing it takes long."""

from __future__ import annotations

from typing import Final

_held: Final[list[object]] = []


def hold(value: object) -> None:
    """Keep an object, in the place of the one before."""
    _held[:] = [value]


def is_held() -> bool:
    """Whether there is something that the end of the process would free."""
    return bool(_held)
