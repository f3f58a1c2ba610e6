"""Copying and pickling an aggregate: as Python does it, but our slots are none of its state."""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from copy import deepcopy
from types import MemberDescriptorType
from typing import Any, Final

from dddkit._core.versions import carry_versions

__all__ = ["OUR_SLOTS", "copied", "default_reduction", "set_pickled_state", "slots_of", "with_our_slots"]

OUR_SLOTS: Final = ("_pending_events", "_stored_versions")
"""The slots of an aggregate, in both flavours, that are none of its fields."""


def default_reduction(aggregate: object) -> tuple[Any, ...] | None:
    """Return what Python's `__reduce_ex__` does, without calling a property that has the name of a slot.

    None for a class that says itself how it is pickled.
    """
    cls: Any = type(aggregate)
    if (
        cls.__reduce__ is not object.__reduce__
        or hasattr(cls, "__getnewargs__")
        or hasattr(cls, "__getnewargs_ex__")
        or not _is_default(cls, "__getstate__")
        or (_is_generated(cls, "__getstate__") and not _is_default(cls, "__setstate__"))
    ):
        return None
    attributes: dict[str, Any] | None = getattr(aggregate, "__dict__", None)
    slots: dict[str, Any] = {
        name: slot.__get__(aggregate)
        for name, slot in slots_of(cls).items()
        if name not in OUR_SLOTS and _is_set(slot, aggregate)
    }
    newobj: Any = getattr(copyreg, "__newobj__")  # noqa: B009  # checkers do not know it; pickle knows it by name
    return newobj, (cls,), (attributes or None, slots) if slots else attributes


def with_our_slots(aggregate: object, reduced: str | tuple[Any, ...]) -> str | tuple[Any, ...]:
    """Return what pickle needs to make the aggregate with its pending events and versions.

    A frozen class rejects a state with slots, and a frozen slotted dataclass pickles its fields only. So our slots are
    pickled beside the state of the class.
    """
    if isinstance(reduced, str):
        return reduced
    make, arguments, state, items, pairs, setter = _parts(reduced)
    ours = {
        "_pending_events": getattr(aggregate, "_pending_events", []),
        "_stored_versions": getattr(aggregate, "_stored_versions", ()),
    }
    return make, arguments, (_without_our_slots(state), ours, setter), items, pairs, set_pickled_state


def copied(aggregate: Any, memo: dict[int, Any] | None = None) -> Any:
    """Return a copy of the aggregate without its pending events; with a memo, a deep copy."""
    reduced = aggregate.__reduce_ex__(4)
    if isinstance(reduced, str):
        return aggregate
    make, arguments, state, items, pairs, setter = _parts(reduced)
    if setter is set_pickled_state:
        state, _, setter = state
    if memo is not None:
        arguments = deepcopy(arguments, memo)
    twin = make(*arguments)
    if twin is aggregate:  # as `__reduce__` may decide
        return twin
    if memo is not None:
        memo[id(aggregate)] = twin
        state, items, pairs = deepcopy((state, [*(items or ())], [*(pairs or ())]), memo)
    _set_state(twin, state, setter)
    for item in items or ():
        twin.append(item)
    for key, value in pairs or ():
        twin[key] = value
    if hasattr(twin.__class__, "_pending_events"):
        object.__setattr__(twin, "_pending_events", [])  # the class's own `__init__` may have recorded some
        carry_versions(aggregate, twin)
    return twin


def set_pickled_state(
    aggregate: object, pickled: tuple[Any, dict[str, Any], Callable[[Any, Any], None] | None]
) -> None:
    """Set what `with_our_slots` has pickled."""
    state, ours, setter = pickled
    _set_state(aggregate, state, setter)
    for name in OUR_SLOTS:
        if name in ours:  # earlier releases pickled one `_stored_version`, which did not say whose it was
            object.__setattr__(aggregate, name, ours[name])


def _parts(reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*reduced, *[None] * 6)[:6]


def _is_default(cls: type, name: str) -> bool:
    """Return whether the method is Python's own, or none, or the one of `@dataclass(frozen=True, slots=True)`.

    That one omits what is no field, and fails where a field is unset.
    """
    return getattr(cls, name, None) is getattr(object, name, None) or _is_generated(cls, name)


def _is_generated(cls: type, name: str) -> bool:
    return getattr(getattr(cls, name, None), "__module__", None) == "dataclasses"


def slots_of(cls: type) -> dict[str, MemberDescriptorType]:
    """Return the slots by name. A property of that name in a subclass does not hide its slot."""
    return {
        name: attribute
        for base in reversed(cls.__mro__)
        if base.__dict__.get("__slots__")
        for name, attribute in base.__dict__.items()
        if isinstance(attribute, MemberDescriptorType)
    }


def _is_set(slot: MemberDescriptorType, aggregate: object) -> bool:
    try:
        slot.__get__(aggregate)
    except AttributeError:
        return False
    return True


def _without_our_slots(state: Any) -> Any:
    if not _has_slots(state):
        return state
    attributes, slots = state
    slots = {name: value for name, value in slots.items() if name not in OUR_SLOTS}
    return (attributes, slots) if slots else attributes


def _has_slots(state: Any) -> bool:
    """Return whether this is the state that Python itself makes for an object with slots: (`__dict__`, slots)."""
    return state.__class__ is tuple and len(state) == 2 and isinstance(state[1], dict)


def _set_state(aggregate: Any, state: Any, setter: Callable[[Any, Any], None] | None) -> None:
    if setter is not None:
        setter(aggregate, state)
    elif state is None:
        return
    elif isinstance(state, list) or not _is_default(aggregate.__class__, "__setstate__"):
        aggregate.__setstate__(state)  # a list is what the `__getstate__` of a dataclass returns
    else:
        attributes, slots = state if _has_slots(state) else (state, None)
        _set_attributes(aggregate, attributes or {}, slots or {})


def _set_attributes(aggregate: object, attributes: dict[str, Any], slots: dict[str, Any]) -> None:
    """Put the values where Python stores them: assigning would call descriptors, those of an ORM, and setters."""
    own: dict[str, Any] | None = getattr(aggregate, "__dict__", None)
    into = slots_of(type(aggregate))
    if own is None:  # the class got slots since it was pickled
        slots = {**attributes, **slots}
    else:
        own.update(attributes)
    for name, value in slots.items():
        if name in into:
            into[name].__set__(aggregate, value)
        elif own is not None:
            own[name] = value
        else:
            raise AttributeError(f"{type(aggregate).__qualname__} has no attribute {name!r} any more")
