"""The fields that a State declares, what each has instead of a value, and what is rejected in its body."""

from __future__ import annotations

from types import MemberDescriptorType
from typing import Any, Final

from dddkit._annotations import is_class_var, is_final, kind_of, own_annotations
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
            raise TypeError(
                f"{owner.__qualname__}: {name} = variable() is for the fields of a StoryState; derive the State from "
                f"StoryState, or write `{name}: <its type>` in a mixin for one"
            )


REQUIRED: Final = _Mark("REQUIRED")  # the caller gives it
VARIABLE: Final = _Variable("VARIABLE")  # a step sets it


def read_fields(cls: Any) -> None:
    """Collect the annotated names, the bases' first, and take their values out of the class.

    Were they left there, an object that was made without them would find a default all objects share.
    """
    fields: dict[str, Any] = {}
    final: set[str] = set()
    for base in reversed(cls.__mro__[1:]):
        found, final_names = base.__dict__.get("__state_fields__"), base.__dict__.get("__state_final__", ())
        if found is None:
            # A mixin that is no StoryState declares names for the steps; checkers know no such constructor argument.
            found, final_names = _declared(base, otherwise=VARIABLE)
        fields.update(found)
        final.difference_update(found)
        final.update(final_names)
    declared, final_names = _declared(cls, otherwise=REQUIRED)
    fields.update(declared)
    final.difference_update(declared)
    final.update(final_names)
    for name, value in list(cls.__dict__.items()):
        if name in declared:
            type.__delattr__(cls, name)
            continue
        _reject_specifier(cls, name, value)
        if name in fields and hasattr(value, "__get__"):
            del fields[name]  # a property or method takes the place of a field of a base
        elif name in fields:
            fields[name] = default_of(value)  # without annotation: a new default for a field of a base
            type.__delattr__(cls, name)
        elif value is VARIABLE:
            raise TypeError(
                f"{cls.__qualname__}: {name} = variable() has no annotation; write `{name}: <its type> = variable()`"
            )
    type.__setattr__(cls, "__state_fields__", fields)
    type.__setattr__(cls, "__state_final__", frozenset(final))


def _declared(cls: Any, otherwise: _Mark) -> tuple[dict[str, Any], list[str]]:
    """Return the fields that a class declares, each with its default, and which of them are Final."""
    found: dict[str, Any] = {}
    final: list[str] = []
    is_state = otherwise is REQUIRED
    for name, annotation in own_annotations(cls).items():
        if is_class_var(annotation, cls):
            continue
        kind = _PSEUDO_FIELDS.get(kind_of(annotation, cls))
        if kind is not None:
            if not is_state:  # the mixin is a dataclass, which gives it to its own constructor
                continue
            raise TypeError(
                f"{cls.__qualname__}: {name}: {kind} is for dataclasses; a StoryState takes every field by keyword, "
                f"and stores it: annotate {name} with its type, or take the line out"
            )
        value = cls.__dict__.get(name, otherwise)
        if isinstance(value, MemberDescriptorType):  # a slot is no default
            value = otherwise
        _reject_specifier(cls, name, value)
        found[name] = value if isinstance(value, _Mark) else default_of(value)
        if is_final(annotation, cls):
            final.append(name)
    return found, final


def _reject_specifier(cls: type, name: str, value: object) -> None:
    for kind in type(value).__mro__:
        specifier = _SPECIFIERS.get((kind.__module__, kind.__name__))
        if specifier is not None:
            raise TypeError(
                f"{cls.__qualname__}: {name} = {specifier} is no default of a StoryState; write the default itself, as "
                f"in `{name}: <its type> = []` (every object gets its own copy), nothing where the caller gives it, "
                f"or variable() where a step sets it"
            )
