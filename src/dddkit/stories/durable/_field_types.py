"""The types of a State's fields, with their type variables filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Protocol, get_args, get_origin

from dddkit._annotations import own_annotations
from dddkit._json.classes import values_of
from dddkit.stories._engine.signature import type_of_field

__all__ = ["field_types"]

# Any: annotations are objects of many kinds.


def field_types(state_class: Any) -> dict[str, Any]:
    """Return the type of each field; its text where nobody can evaluate it, None where a Final leaves it open."""
    cls = get_origin(state_class) or state_class
    arguments = _arguments_of_bases(cls, _arguments(cls, get_args(state_class)))
    types: dict[str, Any] = {}
    for name in cls.__state_fields__:
        owner = next(base for base in cls.__mro__ if name in own_annotations(base))
        types[name] = values_of(type_of_field(cls, name), arguments[owner])
    return types


def _arguments(cls: Any, given: tuple[Any, ...]) -> dict[Any, Any]:
    return dict(zip(getattr(cls, "__parameters__", ()), given, strict=False))


def _arguments_of_bases(cls: Any, arguments: Mapping[Any, Any]) -> dict[Any, Mapping[Any, Any]]:
    """Return for a class and each of its bases what its type variables stand for."""
    found: dict[Any, Mapping[Any, Any]] = {cls: arguments}
    for base in cls.__dict__.get("__orig_bases__", cls.__bases__):
        origin = get_origin(base) or base
        if origin in (Generic, Protocol, object):
            continue
        given = tuple(values_of(argument, arguments) for argument in get_args(base))
        for inner, filled in _arguments_of_bases(origin, _arguments(origin, given)).items():
            if filled or inner not in found:
                found[inner] = filled
    return found
