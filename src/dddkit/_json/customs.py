"""What a class or a field says itself about writing and reading, and whether anything undoes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import MemberDescriptorType
from typing import Any, Final, Literal, cast

from pydantic import (
    BeforeValidator,
    Discriminator,
    Json,
    PlainSerializer,
    PlainValidator,
    RootModel,
    SerializeAsAny,
    SkipValidation,
    WithJsonSchema,
    WrapSerializer,
    WrapValidator,
)
from pydantic.fields import FieldInfo

from dddkit._annotations import is_class_var, own_annotations
from dddkit._json.classes import BY_NAME, Config, Field, derives, is_dataclass, is_model
from dddkit._json.mismatch import class_text

__all__ = ["Customised", "class_faults", "customised_field", "customised_type", "sets_more", "validates"]

# Any: classes, configurations and decorators of pydantic, which are objects of many kinds.


@dataclass(frozen=True)
class Customised:
    """What a field or a type changes of how its values are written and read."""

    fault: str | None = None
    needs_proof: bool = False
    is_opaque: bool = False
    """Its declared type does not tell what is written."""


_NOTHING: Final = Customised()
_UNREADABLE: Final = (
    'has a serializer, and nothing that reads what it writes; add a validator with mode="before", or remove it'
)


def customised_type(metadata: Iterable[Any]) -> Customised:
    """Return what the metadata of an Annotated changes."""
    found = [one for one in metadata if not _says_nothing(one)]
    found = [inner for one in found for inner in (one.metadata if isinstance(one, FieldInfo) else [one])]
    if any(_is(one, Json) for one in found):
        return Customised("is JSON inside JSON; declare the type itself")
    if any(_is(one, SerializeAsAny) or _is(one, SkipValidation) for one in found):
        return Customised("may be anything; declare what it is")
    inverse = any(isinstance(one, (BeforeValidator, PlainValidator, WrapValidator)) for one in found)
    writes = any(isinstance(one, (PlainSerializer, WrapSerializer)) for one in found)
    if writes and not inverse:
        return Customised(_UNREADABLE)
    opaque = writes or any(isinstance(one, PlainValidator) or _has_schema_of_its_own(one) for one in found)
    return Customised(needs_proof=bool(found), is_opaque=opaque)


def customised_field(cls: Any, field: Field, config: Config) -> Customised:
    """Return what a field of a class changes: its metadata, its alias, and the methods that concern it."""
    info = field.info
    if info is None:
        return _NOTHING
    if info.exclude or getattr(info, "exclude_if", None) is not None:
        return Customised("exclude leaves it out; remove it")
    if info.init is False:
        return Customised("init=False keeps it from being read; make it an argument, or compute it in a property")
    has_alias = info.validation_alias is not None or info.alias is not None or config.get("alias_generator")
    if has_alias and not BY_NAME and not config.get("populate_by_name"):
        return Customised("its alias does not read back; write populate_by_name=True, or install pydantic 2.11")
    methods = _methods(cls)
    writes = any(one.kind == "field_serializer" and one.concerns(field.name) for one in methods)
    validators = [one for one in methods if one.kind == "field_validator" and one.concerns(field.name)]
    inverse = any(one.mode in _READING for one in validators) or any(
        one.kind == "model_validator" and one.mode in _READING for one in methods
    )
    how = customised_type(info.metadata)
    if how.fault is not None and not (how.fault is _UNREADABLE and inverse):
        return how
    if (
        writes
        and not inverse
        and not any(isinstance(one, (BeforeValidator, PlainValidator, WrapValidator)) for one in info.metadata)
    ):
        return Customised(_UNREADABLE)
    opaque = writes or how.is_opaque or how.fault is not None or any(one.mode == "plain" for one in validators)
    return Customised(needs_proof=how.needs_proof or bool(validators) or opaque, is_opaque=opaque)


def class_faults(cls: Any, config: Config, *, is_tolerant: bool) -> Iterator[tuple[str, str]]:
    """Yield why objects of a class would not come back whole, by field; "" for the class itself."""
    name = class_text(cls)
    if not is_model(cls) and not is_dataclass(cls):
        return
    if config.get("extra") == "allow":
        yield "", f'extra="allow" of {name} keeps values of any type; declare them as fields'
    if config.get("extra") == "forbid" and is_tolerant:
        yield "", f'extra="forbid" of {name} rejects the fields that a later version adds; remove it'
    if config.get("json_encoders"):
        yield "", f"json_encoders of {name} cannot be read back; remove them"
    methods = _methods(cls)
    if any(one.kind == "model_serializer" for one in methods) and not any(
        one.kind == "model_validator" and one.mode in _READING for one in methods
    ):
        yield "", f"{name} {_UNREADABLE}"
    names = frozenset(cls.model_fields) if is_model(cls) else frozenset(one.name for one in dataclasses.fields(cls))
    for slot in _undeclared_slots(cls, names):
        yield slot, "is a slot and no field, and would not be written; declare it as a field"
    yield from _model_faults(cls) if is_model(cls) else _dataclass_faults(cls, names)


def _model_faults(cls: Any) -> Iterator[tuple[str, str]]:
    if derives(cls, RootModel):
        yield "", f"{class_text(cls)} is a RootModel; declare the type of its root instead"
    for name in cls.__private_attributes__:
        yield name, "is a private attribute, and would not be written; declare it as a field, or use cached_property"


def _dataclass_faults(cls: Any, names: frozenset[str]) -> Iterator[tuple[str, str]]:
    fields = cast("dict[str, Any]", cls.__dataclass_fields__)
    for name, field in fields.items():
        if field._field_type.name == "_FIELD_INITVAR":
            yield name, "is an InitVar, which the object does not keep; make it a field"
        elif name in names and not field.init and not isinstance(field.default, FieldInfo):
            yield name, "init=False keeps it from being read; make it an argument, or compute it in a property"
    if "__dataclass_fields__" not in cls.__dict__:
        for name, annotation in own_annotations(cls).items():
            if name not in names and not is_class_var(annotation, cls):
                yield name, f"{class_text(cls)} is not decorated; decorate it with @dataclass"
    value = next((base for base in cls.__mro__ if base in _VALUES), None)
    if value is not None:
        yield (
            "",
            f"{class_text(cls)} is a dataclass and {class_text(value)}, whose value would be lost; make it a field",
        )


def sets_more(cls: Any) -> bool:
    """Return whether code of the user's runs when an object is made, which may set other attributes."""
    if is_model(cls):
        return getattr(cls, "__pydantic_post_init__", None) is not None or _initialises(cls)
    return hasattr(cls, "__post_init__") or _initialises(cls)


def validates(cls: Any, config: Config) -> bool:
    """Return whether reading may reject or change what the class itself holds."""
    if any(config.get(option) for option in _CONSTRAINTS) or config.get("allow_inf_nan") is False:
        return True
    if not is_model(cls) and not is_dataclass(cls):
        return False
    schema: Any = getattr(cls, "__get_pydantic_core_schema__", None)
    is_custom = schema is not None and getattr(schema, "__module__", "").partition(".")[0] not in {"pydantic", "dddkit"}
    return is_custom or sets_more(cls) or bool(_methods(cls))


def _initialises(cls: Any) -> bool:
    if is_model(cls):
        return not getattr(cls.__init__, "__pydantic_base_init__", False)
    declaring = next(base for base in cls.__mro__ if "__init__" in base.__dict__)
    parameters = declaring.__dict__.get("__dataclass_params__")
    return parameters is None or not parameters.init


@dataclass(frozen=True)
class _Method:
    """A method that takes part in writing or reading."""

    kind: Literal["field_validator", "field_serializer", "model_validator", "model_serializer"]
    mode: str
    fields: tuple[str, ...]

    def concerns(self, name: str) -> bool:
        return name in self.fields or "*" in self.fields


def _methods(cls: Any) -> list[_Method]:
    """Return the validators and serializers of a class.

    pydantic collects them when it makes a schema. A dataclass of which it has made none has them in its body.
    """
    kept: Any = getattr(cls, "__pydantic_decorators__", None)
    infos: list[Any] = [one.info for kind in _KEPT for one in getattr(kept, kind, {}).values()]
    infos += [
        one.decorator_info
        for base in cls.__mro__
        for one in _body(base)
        if type(one).__name__ == "PydanticDescriptorProxy"
    ]
    return [
        _Method(_KINDS[info.decorator_repr], getattr(info, "mode", "before"), tuple(getattr(info, "fields", ())))
        for info in infos
        if info.decorator_repr in _KINDS
    ]


def _body(cls: type) -> list[Any]:
    return list(vars(cls).values())


def _undeclared_slots(cls: type, names: frozenset[str]) -> list[str]:
    return [
        name
        for base in cls.__mro__
        if base.__module__.partition(".")[0] not in {"dddkit", "pydantic", "typing", "builtins"}
        for name, member in vars(base).items()
        if isinstance(member, MemberDescriptorType) and name not in names
    ]


def _says_nothing(metadata: Any) -> bool:
    kind = cast("type[object]", type(metadata))
    if kind.__module__.partition(".")[0] == "dddkit" or isinstance(metadata, (str, WithJsonSchema)):
        return True
    return kind.__name__ in {"Doc", "DocInfo", "Tag"} or (
        isinstance(metadata, Discriminator) and isinstance(metadata.discriminator, str)
    )


def _has_schema_of_its_own(metadata: Any) -> bool:
    known = type(metadata).__module__.partition(".")[0] in {"annotated_types", "pydantic"}
    is_encoding = type(metadata).__name__ in {"EncodedBytes", "EncodedStr", "GetPydanticSchema", "InstanceOf"}
    return is_encoding or (not known and hasattr(metadata, "__get_pydantic_core_schema__"))


def _is(metadata: Any, cls: Any) -> bool:
    return metadata is cls or isinstance(metadata, cls)


_READING: Final = ("before", "wrap", "plain")

_KEPT: Final = (
    "validators",
    "field_validators",
    "root_validators",
    "field_serializers",
    "model_serializers",
    "model_validators",
)
_KINDS: Final[dict[str, Any]] = {
    "@field_validator": "field_validator",
    "@validator": "field_validator",
    "@field_serializer": "field_serializer",
    "@model_validator": "model_validator",
    "@root_validator": "model_validator",
    "@model_serializer": "model_serializer",
}

_VALUES: Final = (int, str, float, complex, bytes, tuple, list, dict, set, frozenset, BaseException)

_CONSTRAINTS: Final = ("str_to_lower", "str_to_upper", "str_strip_whitespace", "str_min_length", "str_max_length")
