"""The fields that a State declares, what each has instead of a value, and what is rejected in its body."""

from __future__ import annotations

from collections.abc import Container
from types import MemberDescriptorType
from typing import Any, ClassVar, Final

from dddkit._annotations import is_among, own_annotations, split
from dddkit.stories._engine.defaults import default_of

__all__ = ["REQUIRED", "VARIABLE", "read_fields"]

# What other libraries write in the place of a default or a type, by the class of the object.
_SPECIFIERS: Final = {
    ("attr._make", "Factory"): "Factory(...) of attrs",
    ("attr._make", "_CountingAttr"): "field(...) of attrs",
    ("dataclasses", "Field"): "field(...) of dataclasses",
    ("pydantic.fields", "FieldInfo"): "Field(...) of pydantic",
    ("pydantic.fields", "ModelPrivateAttr"): "PrivateAttr(...) of pydantic",
    ("pydantic.v1.fields", "FieldInfo"): "Field(...) of pydantic",
}
_PSEUDO_FIELDS: Final = {
    ("dataclasses", "InitVar"): "InitVar",
    ("dataclasses", "_KW_ONLY_TYPE"): "KW_ONLY",
}


class _Mark:
    """How a field without default comes to its value. Pickled by name, so that it is the same everywhere."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name: Final = name

    def __reduce__(self) -> str:
        return self._name


class _Variable(_Mark):
    __slots__ = ()

    def __repr__(self) -> str:
        return "variable()"

    def __set_name__(self, owner: type, name: str) -> None:
        """Reject it where it would be read as a value. Before 3.12, Python makes a RuntimeError of the TypeError."""
        if not hasattr(owner, "__state_fields__"):
            in_story = "__story__" in owner.__dict__
            advice = (
                "move the line into its class State(StoryState)"
                if in_story
                else f"derive the State from StoryState, or write `{name}: <its type>` in a mixin for one"
            )
            raise TypeError(f"{owner.__qualname__}: {name} = variable() is for the fields of a StoryState; {advice}")


REQUIRED: Final = _Mark("REQUIRED")  # the caller gives it
VARIABLE: Final = _Variable("VARIABLE")  # a step sets it


def read_fields(cls: Any) -> None:
    """Collect the annotated names, the bases' first, and take their values out of the class.

    Were they left there, an object that was made without them would find a default all objects share.
    """
    fields: dict[str, Any] = {}
    final: set[str] = set()
    slots: dict[str, MemberDescriptorType] = {}
    declared: Container[str] = ()
    for base in reversed(cls.__mro__):
        if "__state_fields__" in base.__dict__:
            found, constants, stored = base.__state_fields__, base.__state_final__, base.__state_slots__
        else:
            # A mixin that is no StoryState declares names for the steps; checkers know no such constructor argument.
            found, constants, stored = _declared(base, REQUIRED if base is cls else VARIABLE)
            declared = found
        fields.update(found)
        final.difference_update(found)
        final.update(constants)
        slots.update(stored)
    for name, value in list(cls.__dict__.items()):
        if name in declared:
            type.__delattr__(cls, name)
            continue
        if not name.startswith("__"):
            _reject_specifier(cls, name, value)
        if name in fields and hasattr(value, "__get__"):
            del fields[name]  # a property or method takes the place of a field of a base
        elif name in fields:
            # Without annotation: a new default for a field of a base.
            fields[name] = value if isinstance(value, _Mark) else default_of(value)
            type.__delattr__(cls, name)
        elif value is VARIABLE:
            raise TypeError(
                f"{cls.__qualname__}: {name} = variable() has no annotation; write `{name}: <its type> = variable()`"
            )
    type.__setattr__(cls, "__state_fields__", fields)
    type.__setattr__(cls, "__state_final__", frozenset(final))
    type.__setattr__(cls, "__state_slots__", slots)


def _declared(cls: Any, otherwise: _Mark) -> tuple[dict[str, Any], list[str], dict[str, MemberDescriptorType]]:
    """Return the fields that a class declares, each with its default; which are Final; which a slot of it stores."""
    found: dict[str, Any] = {}
    final: list[str] = []
    slots: dict[str, MemberDescriptorType] = {}
    for name, annotation in own_annotations(cls).items():
        qualifiers, head = split(annotation, cls)
        if is_among(ClassVar, qualifiers):
            continue
        kind = head if isinstance(head, type) else type(head)
        pseudo_field = _PSEUDO_FIELDS.get((kind.__module__, kind.__name__))
        if pseudo_field is not None:
            if otherwise is VARIABLE:  # the mixin is a dataclass, which gives it to its own constructor
                continue
            raise TypeError(
                f"{cls.__qualname__}: {name}: {pseudo_field} is for dataclasses; a StoryState takes every field by "
                f"keyword, and stores it: annotate {name} with its type, or take the line out"
            )
        value = cls.__dict__.get(name, otherwise)
        if isinstance(value, MemberDescriptorType):  # a slot is no default
            if otherwise is VARIABLE:
                slots[name] = value
            value = otherwise
        if not isinstance(value, _Mark):
            _reject_specifier(cls, name, value)
            value = default_of(value)
        found[name] = value
        if is_among(Final, qualifiers):
            final.append(name)
    return found, final, slots


def _reject_specifier(cls: type, name: str, value: object) -> None:
    for kind in type(value).__mro__:
        specifier = _SPECIFIERS.get((kind.__module__, kind.__name__))
        if specifier is not None:
            raise TypeError(
                f"{cls.__qualname__}: {name} = {specifier} is no default of a StoryState; write the default itself, as "
                f"in `{name}: <its type> = []` (every object gets its own copy), nothing where the caller gives it, "
                f"or variable() where a step sets it"
            )
