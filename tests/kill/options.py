"""What the programs here read from their command lines."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

__all__ = ["positive"]

N = TypeVar("N", int, float)


def positive(kind: type[N]) -> Callable[[str], N]:
    """Return what reads a number: a run that kills nobody would find no problems."""

    def read(text: str) -> N:
        number = kind(text)
        if not number > 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return number

    read.__name__ = kind.__name__  # what argparse calls it where the text is no number
    return read
