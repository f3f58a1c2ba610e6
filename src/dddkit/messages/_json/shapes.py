"""What values of a field are like: whether one fits, and whether what was read is the same.

pydantic writes what it is given, and warns of some mistakes: None in an int, and a subclass in a field, pass. So every
value is looked at before it is written. The quick answer comes first, the precise one with its path only if it is no.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from operator import attrgetter
from typing import Any, Final

from dddkit._core.recording import Recording
from dddkit.messages._json.forms import ANY, ARRAY, NOTHING, OBJECT, Form, can_read
from dddkit.messages._json.mismatch import Path, Problem, class_text, found

__all__ = [
    "Custom",
    "ListOf",
    "MappingOf",
    "NamedValues",
    "Record",
    "Scalar",
    "Shape",
    "TupleOf",
    "UnionOf",
    "may_read",
]

# Any: a value may be of any class, which is what is found out here.

_CHANGED: Final = "would read back as another value"


class Shape:
    """What the values of one type are like."""

    declared: str
    """The type, for messages."""
    form: Form = ANY
    classes: frozenset[type] = frozenset()
    """A value of exactly such a class fits, whatever it is."""

    def fits(self, value: Any) -> bool:
        """Return whether the value can be written."""
        raise NotImplementedError

    def is_meant(self, value: Any) -> bool:
        """Return whether, of the members of a union, the value is of this one, though it may not fit."""
        return self.fits(value)

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        """Yield why the value cannot be written."""
        raise NotImplementedError

    def differences(self, written: Any, read: Any, path: Path) -> Iterator[Problem]:
        """Yield where what was read is not what was written, which fits."""
        raise NotImplementedError

    def drop_events(self, value: Any) -> None:
        """Clear what the aggregates in a value have recorded."""


class Scalar(Shape):
    """A value without parts."""

    def __init__(
        self,
        declared: str,
        form: Form,
        *classes: type,
        like: Callable[[Any], bool] | None = None,
        refusal: Callable[[Any], str | None] | None = None,
        late: bool = False,
        same: Callable[[Any, Any], bool] | None = None,
    ) -> None:
        """Describe it.

        Args:
            declared: the type, for messages.
            form: what its JSON is.
            classes: of which its values are, exactly.
            like: whether a value of another class counts as one of them.
            refusal: why one of its values cannot be written.
            late: nothing is lost if the refusal is asked only when writing has failed.
            same: whether a value of one of the classes has come back.
        """
        self.declared = declared
        self.form = form
        self._exact = frozenset(classes)
        self._like = like
        self._refusal = refusal
        self._same = same
        if refusal is None or late:
            self.classes = self._exact

    def as_key(self) -> Scalar:
        """Return the same for keys, whose refusals are asked at once: pydantic replaces what it cannot write."""
        key = copy(self)
        if self._refusal is not None:
            key.classes = frozenset()
        return key

    def fits(self, value: Any) -> bool:
        if type(value) in self.classes:
            return True
        return self.is_meant(value) and (self._refusal is None or self._refusal(value) is None)

    def is_meant(self, value: Any) -> bool:
        return type(value) in self._exact or (self._like is not None and self._like(value))

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        if not self.is_meant(value):
            yield path, found(value, self.declared)
        elif self._refusal is not None and (reason := self._refusal(value)):
            yield path, reason

    def differences(self, written: Any, read: Any, path: Path) -> Iterator[Problem]:
        is_same = written == read or (written != written and read != read)
        if is_same and type(written) in self._exact:
            is_same = type(read) is type(written) and (self._same is None or self._same(written, read))
        if not is_same:
            yield path, _CHANGED


class Custom(Shape):
    """A value of a type that says itself how it is written and read; only reading tells whether it comes back."""

    def __init__(self, declared: str) -> None:
        self.declared = declared

    def fits(self, value: Any) -> bool:
        return True

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        return iter(())

    def differences(self, written: Any, read: Any, path: Path) -> Iterator[Problem]:
        if type(read) is not type(written) or read != written or _state(read) != _state(written):
            yield path, _CHANGED


def _state(value: Any) -> dict[str, Any]:
    state: dict[str, Any] = getattr(value, "__dict__", {})
    return state


class ListOf(Shape):
    """A list, or another collection of any length: its class, and what its items are like."""

    form = ARRAY

    def __init__(self, declared: str, cls: type, item: Shape) -> None:
        self.declared = declared
        self._class = cls
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
            yield path, _CHANGED
            return
        pairs: Any = zip(written, read, strict=True)
        if issubclass(self._class, (set, frozenset)):
            if written != read:
                yield path, _CHANGED
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
        self._class = cls
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
            yield path, _CHANGED
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
        if type(value) is not dict:
            return False
        shape = self._value
        if not shape.classes.issuperset(map(type, value.values())) and not all(map(shape.fits, value.values())):
            return False
        return self._key.classes.issuperset(map(type, value)) or all(map(self._key.fits, value))

    def is_meant(self, value: Any) -> bool:
        return type(value) is dict

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        if type(value) is not dict:
            yield path, found(value, self.declared)
            return
        for key, item in value.items():
            inner = (*path, _shown(key))
            yield from self._key.problems(key, (*inner, "[key]"))
            yield from self._value.problems(item, inner)

    def differences(self, written: Any, read: Any, path: Path) -> Iterator[Problem]:
        if type(read) is not dict or written.keys() != read.keys():
            yield path, _CHANGED
            return
        known = {key: key for key in read}
        for key, item in written.items():
            inner = (*path, _shown(key))
            yield from self._key.differences(key, known[key], (*inner, "[key]"))
            yield from self._value.differences(item, read[key], inner)

    def drop_events(self, value: Any) -> None:
        for item in value.values():
            self._value.drop_events(item)


def _shown(key: object) -> str:
    return str(key).encode(errors="replace").decode()


class NamedValues(Shape):
    """A TypedDict."""

    form = OBJECT

    def __init__(self, declared: str) -> None:
        self.declared = declared
        self.fields: dict[str, Shape] = {}
        self.required: frozenset[str] = frozenset()

    def fits(self, value: Any) -> bool:
        return (
            type(value) is dict
            and self.required <= value.keys() <= self.fields.keys()
            and all(self.fields[name].fits(item) for name, item in value.items())
        )

    def is_meant(self, value: Any) -> bool:
        return type(value) is dict

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        if type(value) is not dict:
            yield path, found(value, self.declared)
            return
        for name in sorted(self.required - value.keys()):
            yield (*path, name), f"is missing, and {self.declared} requires it"
        for name, item in value.items():
            if name in self.fields:
                yield from self.fields[name].problems(item, (*path, name))
            else:
                yield (*path, _shown(name)), f"{self.declared} declares no such key"

    def differences(self, written: Any, read: Any, path: Path) -> Iterator[Problem]:
        if type(read) is not dict or written.keys() != read.keys():
            yield path, _CHANGED
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
        self._class = cls
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
        for item, (classes, fits) in zip(values, self._checks):  # noqa: B905  # costs a third of the loop; made equal
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
            yield path, _CHANGED
            return
        for name, shape in self.fields.items():
            yield from shape.differences(getattr(written, name), getattr(read, name), (*path, name))
        for name in sorted(self._undeclared(written) - self._undeclared(read)):
            yield (*path, name), _NO_FIELD

    def drop_events(self, value: Any) -> None:
        if isinstance(value, Recording):
            value.clear_events()
        for name, shape in self.fields.items():
            shape.drop_events(getattr(value, name))

    def _of_another_class(self, value: object) -> str:
        if isinstance(value, self._class):
            return f"is a {class_text(type(value))}, and would read back as the {self.declared} that is declared"
        return found(value, self.declared)

    def _undeclared(self, value: Any) -> set[str]:
        """Return the attributes that are no field, without what a cached property keeps."""
        names: set[str] = set(getattr(value, "__dict__", ())) - self.fields.keys()
        return {name for name in names if not hasattr(getattr(self._class, name, None), "__get__")}


_NO_FIELD: Final = "is no field, and would not be written; declare it as one, or use functools.cached_property"


class UnionOf(Shape):
    """One of several types, whose JSON is told apart."""

    def __init__(self, members: list[Shape]) -> None:
        self.declared = " | ".join(dict.fromkeys(member.declared for member in members))
        self.members = members
        self.classes = frozenset[type]().union(*(member.classes for member in members))
        self.form = NOTHING
        for member in members:
            self.form |= member.form

    def fits(self, value: Any) -> bool:
        return any(member.fits(value) for member in self.members)

    def is_meant(self, value: Any) -> bool:
        return any(member.is_meant(value) for member in self.members)

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        if self.fits(value):
            # It may be refused later, as a text that UTF-8 does not have.
            member = next(member for member in self.members if member.fits(value))
            yield from member.problems(value, path)
            return
        meant = [member for member in self.members if member.is_meant(value)]
        if len(meant) == 1:
            yield from meant[0].problems(value, path)
        else:
            yield path, found(value, self.declared)

    def differences(self, written: Any, read: Any, path: Path) -> Iterator[Problem]:
        member = next(member for member in self.members if member.fits(written))
        yield from member.differences(written, read, path)

    def drop_events(self, value: Any) -> None:
        for member in self.members:
            if member.fits(value):
                member.drop_events(value)
                return


def may_read(reader: Shape, writer: Shape) -> bool:
    """Return whether one type could take what another has written: objects by their names, and what these hold."""
    if not can_read(reader.form, writer.form):
        return False
    if not isinstance(reader, (Record, NamedValues)) or not isinstance(writer, (Record, NamedValues)):
        return True
    if not reader.required <= writer.fields.keys():
        return False
    always = writer.required if isinstance(writer, NamedValues) else writer.fields.keys()
    return all(can_read(reader.fields[name].form, writer.fields[name].form) for name in always & reader.fields.keys())


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _slots(cls: type) -> tuple[str, ...]:
    slots: Any = cls.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)
