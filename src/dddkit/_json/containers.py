"""What lists, sets, tuples and dicts are like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dddkit._json.forms import ARRAY, OBJECT
from dddkit._json.mismatch import Path, Problem, found, shown
from dddkit._json.shapes import CHANGED, DICT, Shape

__all__ = ["ListOf", "MappingOf", "TupleOf"]

# Any: a value may be of any class, which is what is found out here.


class ListOf(Shape):
    """A list, or another collection of any length: its class, and what its items are like."""

    form = ARRAY

    def __init__(self, declared: str, cls: type, item: Shape) -> None:
        self.declared = declared
        self._class: Any = cls
        self._item = item

    def fits(self, value: Any) -> bool:
        if type(value) is not self._class:
            return False
        item = self._item
        return item.classes.issuperset(map(type, value)) or all(map(item.fits, value))

    def is_meant(self, value: Any) -> bool:
        return type(value) is self._class

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        if not self.is_meant(value):
            yield path, found(value, self.declared)
            return
        for index, item in enumerate(value):
            yield from self._item.problems(item, (*path, str(index)))

    def differences(self, written: Any, read: Any, path: Path) -> Iterator[Problem]:
        if type(read) is not self._class or len(read) != len(written):
            yield path, CHANGED
            return
        pairs: Any = zip(written, read, strict=True)
        if issubclass(self._class, (set, frozenset)):
            if written != read:
                yield path, CHANGED
                return
            known = {item: item for item in read}
            pairs = ((item, known[item]) for item in written)
        for index, (before, after) in enumerate(pairs):
            yield from self._item.differences(before, after, (*path, str(index)))

    def drop_events(self, value: Any) -> None:
        for item in value:
            self._item.drop_events(item)


class TupleOf(Shape):
    """A tuple of a fixed length, or a named tuple."""

    form = ARRAY

    def __init__(self, declared: str, cls: type, names: Sequence[str]) -> None:
        self.declared = declared
        self._class: Any = cls
        self._names = names
        self.items: list[Shape] = []  # what refers to itself is completed later

    def fits(self, value: Any) -> bool:
        if type(value) is not self._class or len(value) != len(self.items):
            return False
        return all(shape.fits(item) for shape, item in zip(self.items, value, strict=True))

    def is_meant(self, value: Any) -> bool:
        return type(value) is self._class

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        if not self.is_meant(value) or len(value) != len(self.items):
            count = f" of {len(value)}" if self.is_meant(value) else ""
            yield path, found(value, self.declared).replace(", where", f"{count}, where", 1)
            return
        for name, shape, item in zip(self._names, self.items, value, strict=True):
            yield from shape.problems(item, (*path, name))

    def differences(self, written: Any, read: Any, path: Path) -> Iterator[Problem]:
        if type(read) is not self._class or len(read) != len(written):
            yield path, CHANGED
            return
        for name, shape, before, after in zip(self._names, self.items, written, read, strict=True):
            yield from shape.differences(before, after, (*path, name))

    def drop_events(self, value: Any) -> None:
        for shape, item in zip(self.items, value, strict=True):
            shape.drop_events(item)


class MappingOf(Shape):
    """A dict of any keys."""

    form = OBJECT

    def __init__(self, declared: str, key: Shape, value: Shape) -> None:
        self.declared = declared
        self._key = key
        self._value = value

    def fits(self, value: Any) -> bool:
        if type(value) is not DICT:
            return False
        shape = self._value
        if not shape.classes.issuperset(map(type, value.values())) and not all(map(shape.fits, value.values())):
            return False
        return self._key.classes.issuperset(map(type, value)) or all(map(self._key.fits, value))

    def is_meant(self, value: Any) -> bool:
        return type(value) is DICT

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        if type(value) is not DICT:
            yield path, found(value, self.declared)
            return
        for key, item in value.items():
            inner = (*path, shown(key))
            yield from self._key.problems(key, (*inner, "[key]"))
            yield from self._value.problems(item, inner)

    def differences(self, written: Any, read: Any, path: Path) -> Iterator[Problem]:
        if type(read) is not DICT or written.keys() != read.keys():
            yield path, CHANGED
            return
        known = {key: key for key in read}
        for key, item in written.items():
            inner = (*path, shown(key))
            yield from self._key.differences(key, known[key], (*inner, "[key]"))
            yield from self._value.differences(item, read[key], inner)

    def drop_events(self, value: Any) -> None:
        for item in value.values():
            self._value.drop_events(item)
