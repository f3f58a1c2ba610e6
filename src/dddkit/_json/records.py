"""What objects with fields are like: dataclasses, pydantic models, TypedDicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, Final

from dddkit._json.forms import OBJECT
from dddkit._json.mismatch import Path, Problem, class_text, found, shown
from dddkit._json.shapes import CHANGED, DICT, Shape
from dddkit._markers import AggregateMark

__all__ = ["NamedValues", "Record"]

# Any: a value may be of any class, which is what is found out here.


class NamedValues(Shape):
    """A TypedDict."""

    form = OBJECT

    def __init__(self, declared: str) -> None:
        self.declared = declared
        self.fields: dict[str, Shape] = {}
        self.required: frozenset[str] = frozenset()

    def fits(self, value: Any) -> bool:
        return (
            type(value) is DICT
            and self.required <= value.keys() <= self.fields.keys()
            and all(self.fields[name].fits(item) for name, item in value.items())
        )

    def is_meant(self, value: Any) -> bool:
        return type(value) is DICT

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        if type(value) is not DICT:
            yield path, found(value, self.declared)
            return
        for name in sorted(self.required - value.keys()):
            yield (*path, name), f"is missing, and {self.declared} requires it"
        for name, item in value.items():
            if name in self.fields:
                yield from self.fields[name].problems(item, (*path, name))
            else:
                yield (*path, shown(name)), f"{self.declared} declares no such key"

    def differences(self, written: Any, read: Any, path: Path) -> Iterator[Problem]:
        if type(read) is not DICT or written.keys() != read.keys():
            yield path, CHANGED
            return
        for name, item in written.items():
            yield from self.fields[name].differences(item, read[name], (*path, name))

    def drop_events(self, value: Any) -> None:
        for name, item in value.items():
            self.fields[name].drop_events(item)


class Record(Shape):
    """An object of a class with fields: a dataclass, or a pydantic model."""

    form = OBJECT

    def __init__(self, cls: type) -> None:
        self.declared = class_text(cls)
        self._class: Any = cls
        self.fields: dict[str, Shape] = {}
        self.required: frozenset[str] = frozenset()

    def complete(self, fields: dict[str, Shape], required: frozenset[str], *, sets_more: bool) -> None:
        """Add what is known only now, since a class may refer to itself.

        Args:
            fields: by name.
            required: those without a default.
            sets_more: making an object may set other attributes, which need not be written.
        """
        self.fields = fields
        self.required = required
        self._sets_more = sets_more
        self._checks = [(shape.classes, shape.fits) for shape in fields.values()]
        only = tuple(next(iter(classes)) for classes, _ in self._checks if len(classes) == 1)
        self._only_classes = only if len(only) == len(fields) else None  # where each field has one
        self._values_of: Callable[[Any], tuple[Any, ...]] = _getter(list(fields))
        slots = {name for base in self._class.__mro__ for name in _slots(base)}
        self._in_dictionary = len(fields.keys() - slots) if self._class.__dictoffset__ else None

    def fits(self, value: Any) -> bool:
        if type(value) is not self._class:
            return False
        try:
            values = self._values_of(value)
        except AttributeError:
            return False
        if self._only_classes is None or tuple(map(type, values)) != self._only_classes:
            for item, (classes, fits) in zip(values, self._checks):  # noqa: B905  # costs a third of it; made equal
                if type(item) not in classes and not fits(item):
                    return False
        if self._in_dictionary is None or self._sets_more or len(value.__dict__) == self._in_dictionary:
            return True
        return not self._undeclared(value)

    def is_meant(self, value: Any) -> bool:
        return type(value) is self._class

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        if not self.is_meant(value):
            yield path, self._of_another_class(value)
            return
        for name, shape in self.fields.items():
            try:
                item = getattr(value, name)
            except AttributeError:
                yield (*path, name), "is not set"
            else:
                yield from shape.problems(item, (*path, name))
        if not self._sets_more:
            for name in sorted(self._undeclared(value)):
                yield (*path, name), _NO_FIELD

    def differences(self, written: Any, read: Any, path: Path) -> Iterator[Problem]:
        if type(read) is not self._class:
            yield path, CHANGED
            return
        pairs = zip(self.fields.items(), self._values_of(written), self._values_of(read), strict=True)
        for (name, shape), before, after in pairs:
            if type(before) in shape.classes and type(after) is type(before) and before == after:
                continue  # the quick answer to most
            yield from shape.differences(before, after, (*path, name))
        if self._in_dictionary is not None and len(written.__dict__) != self._in_dictionary:
            for name in sorted(self._undeclared(written) - self._undeclared(read)):
                yield (*path, name), _NO_FIELD

    def drop_events(self, value: Any) -> None:
        if isinstance(value, AggregateMark):
            events: Any = value
            events.clear_events()
        for name, shape in self.fields.items():
            shape.drop_events(getattr(value, name))

    def _of_another_class(self, value: object) -> str:
        if isinstance(value, self._class):
            return f"is a {class_text(type(value))}, and would read back as the {self.declared} that is declared"
        return found(value, self.declared)

    def _undeclared(self, value: Any) -> set[str]:
        """Return the attributes that are no field, without what a cached property keeps."""
        kept: dict[str, Any] = getattr(value, "__dict__", {})
        names = kept.keys() - self.fields.keys()
        return {name for name in names if not hasattr(getattr(self._class, name, None), "__get__")}


_NO_FIELD: Final = "is no field, and would not be written; declare it as one, or use functools.cached_property"


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _slots(cls: type) -> tuple[str, ...]:
    slots: Any = cls.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)
