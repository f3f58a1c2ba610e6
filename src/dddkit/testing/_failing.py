"""The text of a failed assertion."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from dddkit._core.identity import snake_case
from dddkit.testing._differences import Difference, Wording
from dddkit.testing._rendering import short_name

__all__ = ["failure", "path_of"]

_MOST_LINES: Final = 20


def path_of(value: object) -> str:
    """Return what the outermost object is called: `order` for an Order, `actual` for what has no fields."""
    if hasattr(value, "__dict__") or hasattr(type(value), "__slots__"):
        return snake_case(short_name(type(value)).rpartition(".")[2].partition("[")[0])
    return "actual"


def failure(summary: str, found: Iterable[Difference], wording: Wording | None = None) -> AssertionError:
    """Return the error whose text begins with the summary, with a line for each difference."""
    found = iter(found)
    lines = [f"  at {difference.tell(wording or Wording())}" for difference in islice(found, _MOST_LINES)]
    if more := sum(1 for _ in found):
        lines.append(f"  and {more} more")
    return AssertionError("\n".join((summary, *lines)))
