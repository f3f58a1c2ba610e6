"""What a project has for each of its classes, and finds for those that derive from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Final, Generic, TypeVar

from mypy.nodes import TypeInfo

T = TypeVar("T")


class ByClass(Generic[T]):
    """Things by the class that each is for."""

    def __init__(self, things: Iterable[T], class_of: Callable[[T], TypeInfo]) -> None:
        self._things: Final[dict[TypeInfo, list[tuple[int, T]]]] = {}
        for number, one in enumerate(things):
            self._things.setdefault(class_of(one), []).append((number, one))

    def of(self, info: TypeInfo) -> list[T]:
        """Return what there is for a class or for a base of it, in the order of the source."""
        found = [one for base in info.mro for one in self._things.get(base, ())]
        return [one for _, one in sorted(found, key=itemgetter(0))]
