"""What a class says about its JSON: the shape of its objects, and why a field would not come back.

The annotations decide, of which each type is known to come back or is rejected. A schema of pydantic tells less: that a
function is called, and not whether another one undoes it.
"""

from __future__ import annotations

import collections
import collections.abc
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Final, ForwardRef, Literal, TypeVar, Union, get_args, get_origin

import typing_extensions
from pydantic import EmailStr, Secret, SecretBytes, SecretStr

from dddkit._json.classes import (
    CONFIG,
    Config,
    config_of,
    derives,
    is_dataclass,
    is_model,
    read_fields,
    values_of,
)
from dddkit._json.containers import ListOf, MappingOf, TupleOf
from dddkit._json.customs import (
    Customised,
    class_faults,
    customised_field,
    customised_type,
    sets_more,
    validates,
)
from dddkit._json.mismatch import Path, class_text
from dddkit._json.records import NamedValues, Record
from dddkit._json.scalars import KEYS, enum_of, literal_of, scalar_of
from dddkit._json.shapes import Custom, Scalar, Shape
from dddkit._json.unions import UnionOf, may_read
from dddkit._markers import AggregateMark

__all__ = ["DECLARE", "Definition"]

# Any: annotations are objects of many kinds.

DECLARE: Final = "declare a dataclass or a model"
"""What to write in the place of a class that nobody can write as JSON."""


@dataclass(frozen=True)
class _Scope:
    """Where an annotation stands."""

    path: Path
    owner: Any
    config: Config
    arguments: Mapping[Any, Any]

    def at(self, name: str) -> _Scope:
        return replace(self, path=(*self.path, name))


class Definition:
    """What a class declares.

    Attributes:
        shape: of its objects.
        problems: the fields that would not come back, by path, and what to write instead.
        needs_proof: only reading tells whether what was written comes back: reading runs code of the user's, or
            rejects values that the class itself may hold.
        has_nested_aggregates: an aggregate is among the parts.
    """

    def __init__(self, declared: Any, *, is_tolerant: bool, refusal: Callable[[Any], str | None] | None = None) -> None:
        self.problems: list[tuple[str, str]] = []
        self.needs_proof = False
        self.has_nested_aggregates = False
        self._is_tolerant = is_tolerant
        self._refusal = refusal
        self._known: dict[Any, Shape] = {}
        self._open: list[Any] = []
        self._unions: list[tuple[Path, list[Shape]]] = []
        self.shape = self._shape(declared, _Scope((), declared, CONFIG, {}))
        for path, members in self._unions:
            self._compare_members(path, members)

    def _reject(self, path: Path, problem: str) -> Custom:
        self.problems.append((".".join(path), problem))
        return Custom("")

    def _shape(self, declared: Any, scope: _Scope) -> Shape:
        declared = values_of(declared, scope.arguments)
        origin = get_origin(declared)
        if origin is Annotated:
            inner, *metadata = get_args(declared)
            return self._customised(customised_type(metadata), inner, scope)
        if (alias := _alias(declared)) is not None:
            return self._shape_of_alias(alias, scope)
        if declared is typing_extensions.Self:
            return self._shape_of_class(scope.owner, tuple(scope.arguments.values()), scope.owner, scope)
        if origin is Final:
            return self._shape(get_args(declared)[0], scope)
        if origin is Literal:
            return self._found(literal_of(get_args(declared)), scope)
        if origin is Union or origin is UnionType:
            return self._shape_of_union(get_args(declared), scope)
        if (fault := _nothing_known(declared)) is not None:
            return self._reject(scope.path, fault)
        if self._refusal is not None and (fault := self._refusal(origin or declared)) is not None:
            return self._reject(scope.path, fault)
        if (scalar := scalar_of(declared)) is not None:
            if (fault := _of_configuration(declared, scope)) is not None:
                return self._reject(scope.path, fault)
            return scalar
        if (origin or declared) in _COLLECTIONS or declared in _BARE:
            return self._shape_of_collection(origin or declared, declared, scope)
        return self._shape_of_class(origin or declared, get_args(declared), declared, scope)

    def _found(self, shape: Shape | str, scope: _Scope) -> Shape:
        return self._reject(scope.path, shape) if isinstance(shape, str) else shape

    def _customised(self, how: Customised, declared: Any, scope: _Scope) -> Shape:
        if how.fault is not None:
            return self._reject(scope.path, how.fault)
        self.needs_proof |= how.needs_proof
        return Custom(class_text(declared)) if how.is_opaque else self._shape(declared, scope)

    def _shape_of_alias(self, alias: tuple[Any, Mapping[Any, Any]], scope: _Scope) -> Shape:
        declared, arguments = alias
        if any(declared is one for one in self._open):
            return self._reject(scope.path, "is an alias that contains itself; declare a class instead")
        self._open.append(declared)
        try:
            return self._shape(declared, replace(scope, arguments={**scope.arguments, **arguments}))
        finally:
            self._open.pop()

    def _shape_of_union(self, declared: Iterable[Any], scope: _Scope) -> Shape:
        members: list[Shape] = []
        for one in declared:
            shape = self._shape(one, scope)
            members += shape.members if isinstance(shape, UnionOf) else [shape]
        self._unions.append((scope.path, members))
        return UnionOf(members)

    def _compare_members(self, path: Path, members: list[Shape]) -> None:
        # Now, since a member may be the class that has the field.
        for index, one in enumerate(members):
            for other in members[:index]:
                if (
                    one is not other
                    and one.declared
                    and other.declared
                    and (may_read(one, other) or may_read(other, one))
                ):
                    objects = isinstance(one, Record) and isinstance(other, Record)
                    cure = 'give each a field such as `kind: Literal["..."]`' if objects else "declare one of them"
                    names = f"{other.declared} and {one.declared}"
                    self._reject(path, f"JSON does not tell {names} apart; {cure}")

    def _shape_of_collection(self, cls: Any, declared: Any, scope: _Scope) -> Shape:
        arguments = get_args(declared)
        if cls in _ABSTRACT:
            return self._reject(scope.path, f"may be of several classes; declare {_ABSTRACT[cls]}")
        if declared in _BARE or (not arguments and cls is not tuple):
            return self._reject(scope.path, f"does not say what it contains; declare {_BARE.get(cls, class_text(cls))}")
        text = class_text(declared)
        if cls is tuple and (len(arguments) != 2 or arguments[1] is not ...):
            items = () if arguments == ((),) else arguments
            shape = TupleOf(text, tuple, [str(index) for index in range(len(items))])
            shape.items = [self._shape(item, scope.at(str(index))) for index, item in enumerate(items)]
            return shape
        if cls in _MAPPINGS:
            return MappingOf(text, self._shape_of_key(arguments[0], scope), self._shape(arguments[1], scope))
        return ListOf(text, cls, self._shape(arguments[0], scope))

    def _shape_of_key(self, declared: Any, scope: _Scope) -> Shape:
        scope = scope.at("[key]")
        shape = self._shape(declared, scope)
        written: Any = values_of(declared, scope.arguments)
        while (alias := _alias(written)) is not None or get_origin(written) is Annotated:
            written = alias[0] if alias is not None else get_args(written)[0]
        values = shape.form.values or ()
        is_text = bool(values) and all(cls is str for cls, _ in values)
        if written not in KEYS and not is_text and shape.declared:
            return self._reject(
                scope.path, f"a key of {class_text(written)} does not read back; use str, int, UUID or an Enum of texts"
            )
        return shape.as_key() if isinstance(shape, Scalar) else shape

    def _shape_of_class(self, cls: Any, arguments: tuple[Any, ...], declared: Any, scope: _Scope) -> Shape:
        if not derives(cls, object):
            return self._reject(scope.path, f"{class_text(declared)} has no JSON; {DECLARE}")
        filled = dict(zip(getattr(cls, "__parameters__", ()), arguments, strict=False))
        arguments_inside = {key: values_of(value, scope.arguments) for key, value in filled.items()}
        inside = _Scope(scope.path, cls, config_of(cls, scope.config), arguments_inside)
        if derives(cls, Enum):
            self.needs_proof |= hasattr(cls, "__get_pydantic_core_schema__")
            if scope.config.get("use_enum_values"):
                return self._reject(
                    scope.path, f"use_enum_values of {class_text(scope.owner)} replaces it; leave it out"
                )
            return self._found(enum_of(cls), scope)
        if derives(cls, Secret, SecretStr, SecretBytes):
            return self._reject(
                scope.path, "a secret is written as asterisks; keep it elsewhere, and store a reference"
            )
        if cls is EmailStr:
            self.needs_proof = True
            return scalar_of(str) or Custom("str")
        if is_model(cls) or (is_dataclass(cls) and not _is_value(cls)):
            return self._shape_of_fields(Record(cls), cls, inside)
        if typing_extensions.is_typeddict(cls):
            self.needs_proof = True  # an absent key is something else than None
            return self._shape_of_fields(NamedValues(class_text(cls)), cls, inside)
        if derives(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "__annotations__"):
            return self._shape_of_fields(TupleOf(class_text(cls), cls, list(cls._fields)), cls, inside)
        if hasattr(cls, "__get_pydantic_core_schema__"):
            self.needs_proof = True
            return Custom(class_text(cls))
        return self._reject(scope.path, f"{class_text(declared)} has no JSON; {DECLARE}")

    def _shape_of_fields(self, shape: Record | NamedValues | TupleOf, cls: Any, scope: _Scope) -> Shape:
        key = (cls, tuple(scope.arguments.items()), tuple(scope.config.get(option) for option in _OPTIONS))
        if (known := self._known.get(key)) is not None:
            self.needs_proof |= any(cls is one for one in self._open)  # nested deeper than JSON may be
            return known
        self._known[key] = shape
        self._open.append(cls)
        for name, fault in class_faults(cls, scope.config, is_tolerant=self._is_tolerant):
            self._reject((*scope.path, name) if name else scope.path, fault)
        self.needs_proof |= validates(cls, scope.config)
        self.has_nested_aggregates |= bool(scope.path) and derives(cls, AggregateMark)
        fields: dict[str, Shape] = {}
        required: set[str] = set()
        for field in read_fields(cls, scope.arguments):
            inside = scope.at(field.name)
            if field.is_required:
                required.add(field.name)
            if field.info is None:
                fields[field.name] = self._reject(inside.path, field.fault or "")
            else:
                how = customised_field(cls, field, scope.config)
                fields[field.name] = self._customised(how, field.annotation, inside)
        if isinstance(shape, TupleOf):
            shape.items = list(fields.values())
        elif isinstance(shape, NamedValues):
            shape.fields, shape.required = fields, frozenset(required)
        else:
            shape.complete(fields, frozenset(required), sets_more=sets_more(cls))
        self._open.pop()
        return shape


def _alias(declared: Any) -> tuple[Any, Mapping[Any, Any]] | None:
    """Return what a NewType or a `type` statement stands for, with the arguments it is given."""
    if (supertype := getattr(declared, "__supertype__", None)) is not None:
        return supertype, {}
    alias = get_origin(declared) or declared
    if type(alias).__name__ != "TypeAliasType":
        return None
    return alias.__value__, dict(zip(alias.__type_params__, get_args(declared), strict=False))


def _nothing_known(declared: Any) -> str | None:
    if declared is Any or declared is object:
        return f"{class_text(declared)} may be anything; declare what it is"
    if isinstance(declared, TypeVar):
        return (
            f"{class_text(declared)} may be anything; name the class with its argument, "
            f"or declare the field again where it has one"
        )
    if isinstance(declared, (str, ForwardRef)):
        return "its type cannot be resolved; import it at run time, at module level"
    return None


def _of_configuration(declared: Any, scope: _Scope) -> str | None:
    """Return why a value would be written so that it cannot be read."""
    for classes, options, lost in _WRITTEN:
        wrong = {
            name: wanted for name, wanted in options.items() if scope.config.get(name, _DEFAULTS.get(name)) != wanted
        }
        if declared in classes and wrong and not (declared is float and scope.config.get("allow_inf_nan") is False):
            config = ", ".join(f"{name}={wanted!r}" for name, wanted in wrong.items()).replace("'", '"')
            name = "model_config" if is_model(scope.owner) else "__pydantic_config__"
            return f"{lost}; write {name} = ConfigDict({config}) in {class_text(scope.owner)}"
    return None


def _is_value(cls: Any) -> bool:
    """Return whether a class inherits being a dataclass, and is an int or a text, as a ValueObject may be."""
    return "__dataclass_fields__" not in cls.__dict__ and derives(cls, *_VALUES)


_VALUES: Final = (int, str, float, bytes, tuple)

_DEFAULTS: Final = {"ser_json_timedelta": "iso8601", "ser_json_temporal": "iso8601"}

_TIMES: Final = {"ser_json_temporal": "iso8601"}
_WRITTEN: Final[tuple[tuple[tuple[type, ...], dict[str, str], str], ...]] = (
    ((float,), {"ser_json_inf_nan": "strings"}, "NaN and infinity would be written as null"),
    ((bytes,), {"ser_json_bytes": "base64", "val_json_bytes": "base64"}, "bytes that are no text would not be written"),
    ((timedelta,), {"ser_json_timedelta": "iso8601", **_TIMES}, "a number of seconds is not exact"),
    ((datetime, date, time), _TIMES, "a number of seconds is not exact"),
)

_BARE: Final[dict[Any, str]] = {
    list: "list[...]",
    set: "set[...]",
    frozenset: "frozenset[...]",
    tuple: "tuple[..., ...]",
    dict: "dict[str, ...]",
    typing.Tuple: "tuple[..., ...]",  # noqa: UP006  # people write it
}
_MAPPINGS: Final = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_ABSTRACT: Final[dict[Any, str]] = {
    **dict.fromkeys(
        (
            collections.abc.Collection,
            collections.abc.Container,
            collections.abc.Iterable,
            collections.abc.Iterator,
            collections.abc.Generator,
            collections.abc.MutableSequence,
            collections.abc.Reversible,
            collections.abc.Sequence,
            collections.deque,
        ),
        "list[...] or tuple[..., ...]",
    ),
    collections.abc.Set: "set[...] or frozenset[...]",
    collections.abc.MutableSet: "set[...]",
    **dict.fromkeys(
        (collections.OrderedDict, collections.defaultdict, collections.Counter, collections.ChainMap), "dict[str, ...]"
    ),
}
_COLLECTIONS: Final = frozenset({list, set, frozenset, tuple, *_MAPPINGS, *_ABSTRACT})

_OPTIONS: Final = ("ser_json_inf_nan", "ser_json_bytes", "val_json_bytes", "ser_json_timedelta", "ser_json_temporal")
