"""The fields of a class as pydantic sees them, and what the class says about writing and reading them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, get_args, get_origin, get_type_hints

import typing_extensions
from pydantic import VERSION, BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from dddkit._annotations import is_class_var, own_annotations

__all__ = [
    "BY_NAME",
    "CONFIG",
    "Config",
    "Field",
    "config_of",
    "derives",
    "is_dataclass",
    "is_model",
    "read_fields",
    "values_of",
]

# Any: annotations, configurations and decorators of pydantic, which are objects of many kinds.

BY_NAME: Final[dict[str, bool]] = (
    {"by_name": True, "by_alias": False} if tuple(map(int, VERSION.split(".")[:2])) >= (2, 11) else {}
)
"""How to read by the names of the fields; older releases have no such arguments."""

CONFIG: Final = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="strings")
"""With what dataclasses are written. A model has a configuration of its own, which no other one overrides."""

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """A field, or why it cannot be read off the class."""

    name: str
    annotation: Any
    info: FieldInfo | None = None
    fault: str | None = None
    is_optional_key: bool = False

    @property
    def is_required(self) -> bool:
        return not self.is_optional_key and (self.info is None or self.info.is_required())


def is_model(cls: Any) -> bool:
    return derives(cls, BaseModel)


def is_dataclass(cls: Any) -> bool:
    """Return whether it is a dataclass; one that derives from one counts, though it is not decorated."""
    return isinstance(cls, type) and dataclasses.is_dataclass(cls)


def derives(cls: Any, *bases: type) -> bool:
    """Return whether it is a class, with one of these bases; checkers go on taking it for anything."""
    return isinstance(cls, type) and issubclass(cls, bases)


def config_of(cls: Any, outer: Config) -> Config:
    """Return the configuration that counts inside the class."""
    own: Config | None = cls.model_config if is_model(cls) else getattr(cls, "__pydantic_config__", None)
    return outer if own is None else own


def read_fields(cls: Any, arguments: Mapping[Any, Any]) -> Iterator[Field]:
    """Yield the fields of a model, a dataclass, a TypedDict or a named tuple; a generic one with its arguments."""
    if is_model(cls):
        for name, info in cls.model_fields.items():
            yield Field(name, info.annotation, info)
        return
    defaults = _defaults(cls)
    hints = _hints(cls)
    for name, default in defaults.items():
        hint = hints.get(name)
        if isinstance(hint, Exception):
            yield Field(
                name, None, fault=f"its type cannot be resolved ({hint}); import it at run time, at module level"
            )
            continue
        hint, is_optional_key = _unqualified(values_of(hint, arguments), default is _OPTIONAL_KEY)
        if isinstance(default, FieldInfo):
            info = FieldInfo.from_annotated_attribute(hint, default)
        elif default is dataclasses.MISSING or default is _OPTIONAL_KEY:
            info = FieldInfo.from_annotation(hint)
        else:
            info = FieldInfo.from_annotated_attribute(hint, None)
        yield Field(name, info.annotation, info, is_optional_key=is_optional_key)


_OPTIONAL_KEY: Final = object()


def _unqualified(annotation: Any, is_optional_key: bool) -> tuple[Any, bool]:
    """Return the type without the qualifiers of a TypedDict, which say whether the key may be missing."""
    while (origin := get_origin(annotation)) in _QUALIFIERS:
        is_optional_key = is_optional_key if _QUALIFIERS[origin] is None else _QUALIFIERS[origin]
        annotation = get_args(annotation)[0]
    return annotation, is_optional_key


_QUALIFIERS: Final[dict[Any, Any]] = {
    typing_extensions.Required: False,
    typing_extensions.NotRequired: True,
    typing_extensions.ReadOnly: None,
    Final: None,
}


def values_of(annotation: Any, arguments: Mapping[Any, Any]) -> Any:
    """Return the type with its type variables filled in."""
    if isinstance(annotation, TypeVar):
        return arguments.get(annotation, annotation)
    parameters: tuple[Any, ...] = getattr(annotation, "__parameters__", ())
    if not parameters or get_origin(annotation) is None or not any(one in arguments for one in parameters):
        return annotation
    return annotation[tuple(arguments.get(one, one) for one in parameters)]


def _defaults(cls: Any) -> dict[str, Any]:
    """Return the fields by name, with what stands as their default; MISSING for a required one."""
    if is_dataclass(cls):
        return {
            field.name: field.default if field.default_factory is dataclasses.MISSING else None
            for field in dataclasses.fields(cls)
        }
    if hasattr(cls, "_fields"):
        return {name: cls._field_defaults.get(name, dataclasses.MISSING) for name in cls._fields}
    return {
        name: _OPTIONAL_KEY if name in cls.__optional_keys__ else dataclasses.MISSING
        for base in reversed(_bases(cls))
        for name in own_annotations(base)
    }


def _bases(cls: Any) -> list[Any]:
    """Return the classes that declare fields; those of a TypedDict are in none of its `__mro__`."""
    origins: tuple[Any, ...] = getattr(cls, "__orig_bases__", ())
    if cls.__mro__ == (cls, dict, object) and any(hasattr(base, "__total__") for base in origins):
        return [cls, *(one for base in reversed(origins) if hasattr(base, "__total__") for one in _bases(base))]
    return [base for base in cls.__mro__ if base not in (object, Generic)]


def _hints(cls: Any) -> dict[str, Any]:
    """Return the types of the fields, or the exceptions that reading them has raised."""
    hints: dict[str, Any] = {}
    for base in reversed(_bases(cls)):
        module: dict[str, Any] = vars(sys.modules[base.__module__]) if base.__module__ in sys.modules else {}
        names: dict[str, Any] = {base.__name__: base, **vars(base)}
        for name, annotation in own_annotations(base).items():
            if is_class_var(annotation, base) or isinstance(annotation, dataclasses.InitVar):
                continue
            try:
                # In a class, since only there Final may stand; of this one alone, since one name may be misspelt.
                one = type("One", (), {"__annotations__": {name: annotation}})
                hints[name] = get_type_hints(one, module, names, include_extras=True)[name]
            except Exception as error:  # an annotation is code of the user's
                hints[name] = error
    return hints
