"""What pydantic knows of a class, as a JSON schema that leaves nothing out and that no release of pydantic words anew.

pydantic's own JSON schema is written for documentation. It is silent about much that decides whether a value can be
read: the types of keys, time zones, the digits of a decimal, bounds of dates, `NaN`. And each release words it in its
own way (a decimal has a pattern in 2.12 and none in 2.10 and 2.14). So the leaves are written here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag, IntFlag
from typing import Any, Final, cast

from dddkit.exceptions import MissingDependencyError

try:  # of the modules of this package, the first that needs it
    from pydantic.json_schema import GenerateJsonSchema
    from pydantic_core import to_jsonable_python
except ModuleNotFoundError as error:
    if error.name not in ("pydantic", "pydantic.json_schema"):  # it is installed, but its import failed
        raise
    raise MissingDependencyError("pydantic", "pydantic", "pydantic") from error

Schema = dict[str, Any]

BOUNDS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_BOUNDS_OF_INTS: Final[tuple[tuple[str, str, int, Callable[[Any, Any], Any]], ...]] = (
    ("exclusiveMinimum", "minimum", 1, max),
    ("exclusiveMaximum", "maximum", -1, min),
)
_KEYWORDS: Final[Mapping[str, str]] = {
    **BOUNDS,
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
    "max_digits": "maxDigits",
    "decimal_places": "decimalPlaces",
    "tz_constraint": "timezone",
    "now_op": "now",
    "strip_whitespace": "stripWhitespace",
    "to_lower": "toLower",
    "to_upper": "toUpper",
    "allowed_schemes": "allowedSchemes",
    "host_required": "hostRequired",
}
# The settings of a class's `model_config` that decide what its fields accept.
_SETTINGS: Final[Mapping[str, str]] = {
    "str_min_length": "min_length",
    "str_max_length": "max_length",
    "str_strip_whitespace": "strip_whitespace",
    "str_to_lower": "to_lower",
    "str_to_upper": "to_upper",
    "allow_inf_nan": "allow_inf_nan",
}
# What these say is read here in full, so nothing that only documents them (a `WithJsonSchema`, a `SkipJsonSchema`,
# a `json_schema_extra`) may hide it. Other kinds are functions and classes of the user's: their word is all there is.
_KNOWN: Final = frozenset(
    {
        *(
            "bool",
            "bytes",
            "date",
            "datetime",
            "decimal",
            "enum",
            "float",
            "int",
            "literal",
            "none",
            "str",
            "time",
            "timedelta",
            "uuid",
        ),
        *("default", "dict", "frozenset", "list", "nullable", "set", "tagged-union", "tuple", "union"),
        *(
            "dataclass",
            "dataclass-args",
            "dataclass-field",
            "model",
            "model-field",
            "model-fields",
            "typed-dict",
            "typed-dict-field",
        ),
    }
)


class LockedSchema(GenerateJsonSchema):
    """Generates the schema of which the lock file keeps the normal form."""

    _settings: Mapping[str, Any] = {}

    def generate_inner(self, schema: Any) -> Schema:  # Any: pydantic-core's schemas are a union of 60 TypedDicts
        ignored = {"computed_fields", "metadata"} if schema["type"] in _KNOWN else {"computed_fields"}  # not written
        if not ignored.isdisjoint(schema):
            schema = {key: value for key, value in schema.items() if key not in ignored}
        if schema["type"] not in {"model", "dataclass", "typed-dict"}:
            return super().generate_inner(schema)
        with self._within(schema.get("config", {})):
            return super().generate_inner(schema)

    @contextmanager
    def _within(self, config: Mapping[str, Any]) -> Generator[None, None, None]:
        """Classes without settings of their own have those of the class around them."""
        outer = self._settings
        own = {_SETTINGS[name]: value for name, value in config.items() if name in _SETTINGS and value is not None}
        self._settings = {**outer, **own}
        try:
            yield
        finally:
            self._settings = outer

    def _leaf(self, kind: Schema, schema: Mapping[str, Any]) -> Schema:
        found = {_KEYWORDS[name]: _plain(value) for name, value in schema.items() if name in _KEYWORDS}
        return kind | {keyword: value for keyword, value in found.items() if value is not None and value is not False}

    def int_schema(self, schema: Any) -> Schema:
        kind = self._leaf({"type": "integer"}, schema)
        for exclusive, keyword, step, stricter in _BOUNDS_OF_INTS:
            if isinstance(bound := kind.get(exclusive), int):  # more than 0 is 1 or more
                del kind[exclusive]
                kind[keyword] = stricter(kind.get(keyword, bound + step), bound + step)
        return kind

    def float_schema(self, schema: Any) -> Schema:
        finite = schema.get("allow_inf_nan", self._settings.get("allow_inf_nan")) is False
        return self._leaf({"type": "number"} | ({"finite": True} if finite else {}), schema)

    def decimal_schema(self, schema: Any) -> Schema:
        return self._leaf({"type": "string", "format": "decimal"}, schema)

    def str_schema(self, schema: Any) -> Schema:
        return self._leaf({"type": "string"}, {**self._settings, **schema})

    def bytes_schema(self, schema: Any) -> Schema:
        return self._leaf({"type": "string", "format": "base64"}, schema)

    def date_schema(self, schema: Any) -> Schema:
        return self._leaf({"type": "string", "format": "date"}, schema)

    def time_schema(self, schema: Any) -> Schema:
        return self._leaf({"type": "string", "format": "time"}, schema)

    def datetime_schema(self, schema: Any) -> Schema:
        return self._leaf({"type": "string", "format": "date-time"}, schema)

    def timedelta_schema(self, schema: Any) -> Schema:
        return self._leaf({"type": "string", "format": "duration"}, schema)

    def uuid_schema(self, schema: Any) -> Schema:
        return {"type": "string", "format": f"uuid{schema.get('version', '')}"}

    def url_schema(self, schema: Any) -> Schema:
        return self._leaf({"type": "string", "format": "uri"}, schema)

    def multi_host_url_schema(self, schema: Any) -> Schema:
        return self._leaf({"type": "string", "format": "multi-host-uri"}, schema)

    def literal_schema(self, schema: Any) -> Schema:
        expected: list[Any] = schema["expected"]
        return {"enum": [to_jsonable_python(each.value if isinstance(each, Enum) else each) for each in expected]}

    def enum_schema(self, schema: Any) -> Schema:
        members: list[Enum] = schema["members"]
        if issubclass(schema["cls"], Flag):  # its members are combined
            return {"type": "integer", "format": "flags"} | _bits(schema["cls"])
        return {"enum": [to_jsonable_python(member.value) for member in members]}

    def dict_schema(self, schema: Any) -> Schema:
        mapping: Schema = {"type": "object"}
        mapping["propertyNames"] = self.generate_inner(schema["keys_schema"]) if "keys_schema" in schema else {}
        mapping["additionalProperties"] = (
            self.generate_inner(schema["values_schema"]) if "values_schema" in schema else {}
        )
        lengths = {"minProperties": schema.get("min_length"), "maxProperties": schema.get("max_length")}
        return mapping | {name: length for name, length in lengths.items() if length is not None}

    def frozendict_schema(self, schema: Any) -> Schema:  # since pydantic 2.14
        return self.dict_schema(schema)

    def ordered_dict_schema(self, schema: Any) -> Schema:  # since pydantic 2.14
        return self.dict_schema(schema)

    def default_schema(self, schema: Any) -> Schema:
        return self.generate_inner(schema["schema"])

    def field_is_required(self, field: Any, total: bool) -> bool:
        """A field with a default may be left out by others; we always write it."""
        if self.mode == "serialization" and field["type"] in {"model-field", "dataclass-field"}:
            return True
        return super().field_is_required(field, total)


def _bits(cls: type[Flag]) -> Schema:
    """What may be set in the flags: nothing else if the class is strict."""
    boundary = getattr(cls, "_boundary_", None)  # since Python 3.11
    strict = boundary.name == "STRICT" if boundary is not None else not issubclass(cls, IntFlag)
    if not strict:
        return {}
    bits = 0
    for member in cls.__members__.values():
        bits |= int(member.value)
    return {"bits": bits}


def _plain(value: object) -> object:
    """The same bound, written in the same way: 1, 1.0 and Decimal("1.00") are one number."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value if abs(value) < float("inf") else str(value)
    if isinstance(value, Decimal):
        return _plain(float(value)) if value.is_finite() and value == int(value) else str(value.normalize())
    if isinstance(value, timedelta):
        return _plain(value.total_seconds())
    if isinstance(value, (date, time, datetime)):
        return value.isoformat()
    if isinstance(value, re.Pattern):
        expression = cast("re.Pattern[str]", value)
        flags = expression.flags & ~re.UNICODE
        return expression.pattern if not flags else f"{expression.pattern} (flags {int(flags)})"
    if isinstance(value, (list, tuple, set, frozenset)):
        return sorted(map(str, cast("list[object]", value)))
    return value
