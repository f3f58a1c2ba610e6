"""What an object holds, taken apart: the later fate of the object does not change its description."""

from __future__ import annotations

import copyreg
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable
from enum import Enum
from functools import cached_property
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType, ModuleType, SimpleNamespace
from typing import Any, Final

from dddkit._annotations import is_class_var, own_annotations
from dddkit._core.copying import OUR_SLOTS, slots_of
from dddkit._core.identity import identity_of
from dddkit._core.recording import Recording, pending_events
from dddkit._markers import EntityMark

__all__ = ["NOTHING", "Description", "LeaveOut", "describe", "nothing_left_out", "repr_of"]

LeaveOut = Callable[[object], Collection[str]]
"""Says which fields of an object its description leaves out."""

NOTHING: Final = object()

_AS_THEY_ARE: Final = (Enum, type, FunctionType, BuiltinFunctionType, MethodType, ModuleType)
"""What has no fields that a test would compare."""

_NEWOBJ: Final[object] = getattr(copyreg, "__newobj__")  # noqa: B009  # checkers do not know it


class Description:
    """What one object holds, field by field. Descriptions may form cycles, as the objects do.

    Attributes:
        cls: the class of the object.
        value: the object itself, where nothing can change it: a number, a text, a time, a function.
        kind: the class by which such values are compared; None where their own `==` decides.
        items: what it holds in order.
        names: the names of its items, if it is a named tuple.
        members: what it holds as a set.
        pairs: what it holds as a dict; `ordered`, if their order counts.
        fields: its attributes, by name.
        identity: the identity of an entity; else None.
        text: how an object is shown that says itself how it is pickled: its items are what it says; else None.
    """

    __slots__ = ("cls", "fields", "identity", "items", "kind", "members", "names", "ordered", "pairs", "text", "value")

    def __init__(self, cls: type) -> None:
        self.cls: Final = cls
        self.value: Any = NOTHING
        self.kind: type | None = None
        self.items: list[Description] | None = None
        self.names: tuple[str, ...] = ()
        self.members: list[Description] | None = None
        self.pairs: list[tuple[Description, Description]] | None = None
        self.ordered = False
        self.fields: dict[str, Description] = {}
        self.identity: Any = None
        self.text: str | None = None


def nothing_left_out(_: object) -> Collection[str]:
    return ()


def describe(
    value: object, leave_out: LeaveOut = nothing_left_out, *, with_pending_events: bool = False
) -> Description:
    """Take an object apart: its fields, private and undeclared ones too, and what they hold.

    The versions of an aggregate are no fields, nor is what a `cached_property` remembers.
    """
    return _Describer(leave_out, with_pending_events=with_pending_events).describe(value)


class _Describer:
    """Describes each object once, also one that holds itself, and however deep it lies."""

    def __init__(self, leave_out: LeaveOut, *, with_pending_events: bool) -> None:
        self._leave_out: Final = leave_out
        self._with_pending_events: Final = with_pending_events
        # With the object: while it lives, no other gets its id.
        self._known: Final[dict[int, tuple[object, Description]]] = {}
        self._begun: Final[list[tuple[object, Description]]] = []

    def describe(self, value: object) -> Description:
        description = self._begin(value)
        while self._begun:  # and not by recursion, for which a list of a thousand linked objects is too deep
            self._complete(*self._begun.pop())
        return description

    def _begin(self, value: object) -> Description:
        """Return the description of an object, which may not say yet what it holds."""
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        begun = value, Description(_class_of(value))
        self._known[id(value)] = begun
        self._begun.append(begun)
        return begun[1]

    def _complete(self, value: object, description: Description) -> None:
        if value is None or isinstance(value, _AS_THEY_ARE) or _is_mock(value):
            description.value = value
            return
        described_by = self._describe_contents(description, value)
        self._describe_fields(description, value, described_by)
        if isinstance(value, EntityMark):
            description.identity = identity_of(value)

    def _describe_contents(self, description: Description, value: object) -> type:
        """Describe what the object holds beside its attributes; return the class that this says everything of."""
        held: Any = value  # of whatever
        if isinstance(value, (dict, MappingProxyType)):
            pairs: dict[object, object] = dict(held)
            description.pairs = [(self._begin(key), self._begin(found)) for key, found in pairs.items()]
            description.ordered = isinstance(value, OrderedDict)
            return OrderedDict if description.ordered else dict
        if (container := _base_of(value, list, tuple, deque)) is not None:
            description.items = self._begin_each(container.__iter__(value))
            description.names = getattr(held, "_fields", ()) if container is tuple else ()
            return container
        if (container := _base_of(value, set, frozenset)) is not None:
            description.members = self._begin_each(container.__iter__(value))
            return container
        if isinstance(value, bytearray):
            description.value, description.kind = bytes(value), bytes
            return bytearray
        kind = next((base for base in type(value).__mro__ if _holds_one_value(base)), None)
        if kind is not None:
            description.value, description.kind = value, kind
            return kind
        return self._describe_reduction(description, value)

    def _begin_each(self, values: Iterable[object]) -> list[Description]:
        return [self._begin(value) for value in values]

    def _describe_reduction(self, description: Description, value: object) -> type:
        """Describe what a compiled class keeps, as far as pickle would see it."""
        cls = type(value)
        if isinstance(value, BaseException):
            description.items = self._begin_each(value.args)
            return object
        reducing = next((base for base in cls.__mro__ if _says_how_it_is_pickled(base)), None)
        has_fields = hasattr(value, "__dict__") or bool(slots_of(cls))
        if isinstance(value, SimpleNamespace) or (reducing is None and has_fields):
            return object
        reduced = _reduced(value)
        if cls is object or reduced is None:
            description.value = value
            return reducing or object
        make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        contents: list[object] = [state, *(items or ()), *(pairs or ())]
        if make is _NEWOBJ and arguments == (cls,) and contents == [None]:
            if cls.__eq__ is not object.__eq__:
                description.value = value  # it shows nothing, and says itself what it equals
            return object
        description.text = repr_of(value)
        description.items = self._begin_each((make, arguments, *contents))
        return reducing or object

    def _describe_fields(self, description: Description, value: object, described_by: type) -> None:
        fields = dict(_attributes(value, described_by))
        for name in self._leave_out(value):
            fields.pop(name, None)
        if self._with_pending_events and isinstance(value, Recording):
            fields["get_events()"] = list(pending_events(value))
        description.fields = {name: self._begin(held) for name, held in fields.items()}


def _is_mock(value: object) -> bool:
    """Return whether it is a mock: all that it holds are the calls that it has got, and each look at it makes more."""
    mock = sys.modules.get("unittest.mock")  # where a test has made one
    return mock is not None and issubclass(type(value), mock.NonCallableMock)


def _says_how_it_is_pickled(cls: type) -> bool:
    """Return whether a compiled class does, or one of the standard library: what it keeps are no attributes."""
    found = [cls.__dict__[name] for name in ("__reduce_ex__", "__reduce__", "__getstate__") if name in cls.__dict__]
    return cls is not object and any(_is_of_python(cls) or not isinstance(one, FunctionType) for one in found)


def _reduced(value: object) -> tuple[Any, ...] | None:
    """Return what pickle would keep; None for what cannot be pickled, such as a lock, and for a global object."""
    try:
        reduced: Any = value.__reduce_ex__(4)
    except Exception:
        return None
    return None if isinstance(reduced, str) else reduced


def repr_of(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__qualname__}, whose repr raises {type(error).__name__}>"


def _is_of_python(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in sys.stdlib_module_names


def _base_of(value: object, *bases: type[Any]) -> type[Any] | None:
    return next((base for base in bases if isinstance(value, base)), None)


def _class_of(value: object) -> type:
    cls = type(value)
    # What is made while freezegun has stopped the clock gets a class of its own, and is a datetime for the test.
    return cls.__mro__[1] if cls.__module__ == "freezegun.api" else cls


def _holds_one_value(cls: type) -> bool:
    """Return whether it is a class of the standard library whose objects are one value: int, Decimal, UUID, Path."""
    compares: object = cls.__eq__
    hashes: object = cls.__hash__  # None, where objects can change
    return _is_of_python(cls) and compares is not object.__eq__ and hashes is not None


def _attributes(value: object, described_by: type) -> Iterable[tuple[str, object]]:
    """Yield the names and values of the attributes that an object of a class below this one has."""
    cls = type(value)
    below = cls.__mro__[: cls.__mro__.index(described_by)] if described_by in cls.__mro__ else cls.__mro__
    stored: dict[str, Any] = dict(getattr(value, "__dict__", {}))
    if below:
        for name, slot in slots_of(cls).items():
            if slot.__objclass__ in below:
                try:
                    stored[name] = slot.__get__(value)
                except AttributeError:
                    continue
    # What pydantic keeps of a model in dicts of their own.
    for part in ("__pydantic_extra__", "__pydantic_private__"):
        stored |= stored.get(part) or {}
    for name, held in stored.items():
        if not _is_bookkeeping(cls, name):
            yield name, held
    # A field may be read from elsewhere: a default of the class, the row of an object that an ORM loads.
    items: Collection[str] = getattr(value, "_fields", ()) if described_by is tuple else ()
    for base in below:
        for name, annotation in own_annotations(base).items():
            if name in stored or name in items or _is_bookkeeping(cls, name) or is_class_var(annotation, base):
                continue
            held = getattr(value, name, NOTHING)
            if held is not NOTHING:
                stored[name] = held
                yield name, held


def _is_bookkeeping(cls: type, name: str) -> bool:
    return (
        name in OUR_SLOTS
        or (name.startswith("__") and name.endswith("__"))
        or name.startswith("_sa_")  # SQLAlchemy's
        or isinstance(getattr(cls, name, None), cached_property)
    )
