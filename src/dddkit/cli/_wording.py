"""Words that several commands use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


def did_you_mean(name: str, names: Iterable[str], places: Mapping[str, str] | None = None) -> str:
    """Return a question that ends a message about a name that does not exist; empty where no other is like it.

    Args:
        name: what does not exist.
        names: what does.
        places: what to call them in the question; None: by their names.
    """
    found = get_close_matches(name, [*names], n=1)
    return f"; did you mean {places[found[0]] if places else found[0]}?" if found else ""


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, as in "1 file" and "2 files"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
