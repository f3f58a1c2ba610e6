"""Making a model from values of which some have been validated before: those are taken as they are.

pydantic has no such thing. `model_validate` validates all values again, and what a type makes of a value it need not
take: `Json` rejects what it has parsed. `validate_assignment` takes one change at a time, so a rule about two fields
rejects the state in between. So the validator of a model is built once more, from its schema, with a check in front of
each field.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial
from typing import Any, Final, TypeVar

from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic_core import SchemaValidator, core_schema

from dddkit._context import reset_variable, set_variable
from dddkit._locks import new_lock

__all__ = ["made_with", "plain_alias"]

M = TypeVar("M", bound=BaseModel)

_Schema = dict[str, Any]  # Any: a schema of pydantic has other keys for each type

_kept: Final[ContextVar[dict[str, Any]]] = ContextVar("kept")
_building: Final = new_lock()
_NOT_KEPT: Final = object()


def made_with(cls: type[M], values: dict[str, Any], kept: dict[str, Any]) -> M:
    """Make a model from the values, by their plain aliases; those that are kept, by their names, are not validated."""
    validator = _validator_of(cls)
    token = set_variable(_kept, kept)
    try:
        if getattr(cls.__init__, "__pydantic_base_init__", False):
            made: M = validator.validate_python(values)
            return made
        made = cls.__new__(cls)  # with an `__init__` of its own
        object.__setattr__(made, "__dict__", {"__pydantic_validator__": validator})  # `BaseModel.__init__` asks it
        made.__init__(**values)  # type: ignore[misc]  # unsound for subclasses in general, not for this very class
        return made
    finally:
        reset_variable(_kept, token)


def plain_alias(alias: str | AliasPath | AliasChoices | None) -> str | None:
    """Return by what key the value is given; None for its name, also where the alias leads into another value."""
    if isinstance(alias, AliasChoices):
        return next((choice for choice in alias.choices if isinstance(choice, str)), None)
    return alias if isinstance(alias, str) else None


def _validator_of(cls: type[BaseModel]) -> Any:  # a SchemaValidator, or what a plugin of pydantic puts around it
    schema: Any = cls.__pydantic_core_schema__
    known: tuple[Any, Any] = cls.__dict__.get("__evolution__", (None, None))
    if known[0] is not schema:  # a rebuilt model has another
        patched = _patched(schema, cls)
        known = schema, cls.__pydantic_validator__ if patched is None else _built(patched, cls)
        type.__setattr__(cls, "__evolution__", known)  # so that it goes with the class
    return known[1]


def _built(schema: Any, cls: type[BaseModel]) -> SchemaValidator:
    # For a complete model pydantic takes the validator that the class has, whatever the schema says.
    with _building:
        try:
            type.__setattr__(cls, "__pydantic_complete__", False)
            return SchemaValidator(schema)
        finally:
            type.__setattr__(cls, "__pydantic_complete__", True)


def _patched(schema: _Schema, cls: type[BaseModel]) -> _Schema | None:
    """Return the schema of the class with the checks; None where the class has made a schema of another shape."""
    kind = schema["type"]
    if kind == "model-fields":
        fields = {name: _patched_field(name, field, cls) for name, field in schema["fields"].items()}
        extras = schema.get("extras_schema")
        return {**schema, "fields": fields, **({"extras_schema": _checked(None, extras)} if extras else {})}
    inner: Any = schema.get("schema")
    if kind == "definitions" and inner["type"] == "definition-ref":
        inner = next(one for one in schema["definitions"] if one.get("ref") == inner["schema_ref"])
    elif kind == "model":
        inner = inner if schema["cls"] is cls else None
    elif kind != "definitions" and not kind.startswith("function-"):
        return None
    patched = _patched(inner, cls) if inner else None
    return patched and {**{key: value for key, value in schema.items() if key != "ref"}, "schema": patched}


def _patched_field(name: str, field: _Schema, cls: type[BaseModel]) -> _Schema:
    schema: _Schema = field["schema"]
    if schema["type"] == "default":  # which has to stay outside: it answers where the value is missing
        schema = {**schema, "schema": _checked(name, schema["schema"]), "validate_default": False}
    else:
        schema = _checked(name, schema)
    patched = {**field, "schema": schema}
    if name in cls.model_fields and plain_alias(cls.model_fields[name].validation_alias) is None:
        patched.pop("validation_alias", None)
    return patched


def _checked(name: str | None, schema: Any) -> Any:
    return core_schema.no_info_wrap_validator_function(partial(_unless_kept, name), schema)


def _unless_kept(name: str | None, value: object, validate: core_schema.ValidatorFunctionWrapHandler) -> Any:
    """Validate a value, but not the very object that is kept as this field; an extra attribute has no name here."""
    kept = _kept.get({})
    known = list(kept.values()) if name is None else [kept.get(name, _NOT_KEPT)]
    return value if any(value is one for one in known) else validate(value)
