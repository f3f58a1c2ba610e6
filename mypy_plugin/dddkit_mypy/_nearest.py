"""Which name a misspelt one was meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_MANY: Final = 100
"""difflib takes 10 µs for each name, and there may be as many misspelt ones."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that is most like another one, if any is.

    Of many names, only those are compared that begin and end as it does, and none if these are many.
    """
    others = [*names]
    if len(others) > _MANY:
        others = [other for other in others if other[0] == name[0] and other[-1] == name[-1]]
        if len(others) > _MANY:
            return None
    found = get_close_matches(name, others, n=1)
    return found[0] if found else None
