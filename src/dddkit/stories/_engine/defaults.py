"""The default of a State's field: shared by all objects, or copied for each of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from copy import copy, deepcopy
from functools import partial
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MemberDescriptorType, MethodType, ModuleType
from typing import Any, Final

from dddkit._markers import AggregateMark, EntityMark

__all__ = ["Default", "default_of", "is_plainly_mutable"]

_ATOMS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})
"""The types of most defaults, whose objects nobody can change; decided without looking further."""

_SHARED: Final = (type, FunctionType, BuiltinFunctionType, MethodType, ModuleType, MappingProxyType, partial)
_COLLECTIONS: Final = (tuple, frozenset, list, set, deque)


def default_of(value: object) -> object:
    """Return what the class keeps of a default: a `Default`, or the value itself where no object can change it."""
    return value if type(value) in _ATOMS else Default(value)


class Default:
    """A default, and which parts of it all objects share, as the first object finds out.

    The first object and not the class statement, since copying may run code that the module defines further below.

    Attributes:
        value: the default as it was written.
    """

    __slots__ = ("_is_shared", "_shared_parts", "value")

    def __init__(self, value: object) -> None:
        self.value: Final = value
        self._is_shared: bool | None = None
        self._shared_parts: dict[int, object] = {}

    def for_object(self) -> object:
        """Return the value for a new object: a deep copy if it can change and can be copied, else the value itself."""
        if self._is_shared is None:
            shared: dict[int, object] = {}
            _collect_shared(self.value, shared, set())
            self._shared_parts = shared
            self._is_shared = id(self.value) in shared or not _can_change(self.value, set())
        return self.value if self._is_shared else deepcopy(self.value, self._shared_parts.copy())

    def __reduce__(self) -> tuple[type[Default], tuple[object]]:
        return Default, (self.value,)  # the ids of the parts mean nothing in another process


def is_plainly_mutable(value: object) -> bool:
    """Whether it is a value that can change and nobody means to share: an unhashable one, or an entity."""
    if type(value) in _ATOMS or isinstance(value, _SHARED):
        return False
    if _is_entity(value) or not _is_hashable(value):
        return True
    return issubclass(type(value), (tuple, frozenset)) and any(map(is_plainly_mutable, _parts_of(value)))


def _can_change(value: object, seen: set[int]) -> bool:
    """Whether an object could see what another one does to the value: by itself, or by a part that its hash covers."""
    if type(value) in _ATOMS or isinstance(value, _SHARED) or id(value) in seen:
        return False
    seen.add(id(value))
    if _is_entity(value) or not _is_hashable(value):
        return True
    if type(value).__hash__ is object.__hash__:
        return _has_attributes(value)
    return any(_can_change(part, seen) for part in _parts_of(value))


def _collect_shared(value: object, shared: dict[int, object], seen: set[int]) -> None:
    """Find what stays the same object in every copy: parts that cannot change, such as sentinels, or be copied."""
    if type(value) in _ATOMS or id(value) in seen:
        return
    seen.add(id(value))
    if not _can_change(value, set()):
        shared[id(value)] = value
    elif issubclass(type(value), (*_COLLECTIONS, dict)):
        for part in _parts_of(value):
            _collect_shared(part, shared, seen)
    elif not _can_be_copied(value):
        shared[id(value)] = value


def _can_be_copied(value: object) -> bool:
    try:
        # A singleton is its own copy. A deep one would replace its attributes by copies of them.
        if not hasattr(type(value), "__deepcopy__") and copy(value) is value:
            return False
        deepcopy(value)
    except Exception:
        return False
    return True


def _is_entity(value: object) -> bool:
    return isinstance(value, (EntityMark, AggregateMark))


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except Exception:  # a TypeError; a handwritten `__hash__` may raise anything
        return False
    return True


def _has_attributes(value: object) -> bool:
    """Whether it holds something: in its dictionary, in slots, or out of Python's sight (`__setstate__`)."""
    if getattr(value, "__dict__", None) or hasattr(type(value), "__setstate__"):
        return True
    return any(
        isinstance(slot, MemberDescriptorType) and _is_set(slot, value)
        for base in type(value).__mro__
        if "__slots__" in base.__dict__
        for slot in base.__dict__.values()
    )


def _is_set(slot: MemberDescriptorType, value: object) -> bool:
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True


def _parts_of(value: Any) -> Iterable[object]:
    """Return the items of a collection, or the fields of a value whose hash comes from them."""
    kind: Any = value.__class__
    if issubclass(kind, _COLLECTIONS):
        return value  # type: ignore[no-any-return]  # any of them
    if issubclass(kind, dict):
        return [*value.keys(), *value.values()]
    names: list[str] = [
        *getattr(kind, "__dataclass_fields__", ()),
        *(field.name for field in getattr(kind, "__attrs_attrs__", ())),
        *getattr(kind, "__pydantic_fields__", ()),
    ]
    return [getattr(value, name) for name in names if hasattr(value, name)]
