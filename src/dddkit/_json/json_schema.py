"""The JSON schema of what is written, and of what is read."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

__all__ = ["schema_of"]

# Any: a JSON schema.


def schema_of(
    adapter: TypeAdapter[Any],
    mode: Literal["validation", "serialization"],
    generator: type[GenerateJsonSchema] | None = None,
) -> dict[str, Any]:
    """Return the schema of the class of which the adapter takes an object or None."""
    whole = adapter.json_schema(by_alias=False, mode=mode, schema_generator=generator or _Schema)
    definitions: dict[str, Any] = whole.pop("$defs", {})
    schema: dict[str, Any] = whole["anyOf"][0]
    name = schema.get("$ref", "").rpartition("/")[2]
    if name and f'"{schema["$ref"]}"' not in json.dumps(definitions):
        schema = definitions.pop(name)
    return {**schema, "$defs": definitions} if definitions else schema


class _Schema(GenerateJsonSchema):
    """Without computed fields, which are not written."""

    def model_fields_schema(self, schema: Any) -> dict[str, Any]:
        written: Any = {**schema, "computed_fields": []}
        return super().model_fields_schema(written)

    def dataclass_args_schema(self, schema: Any) -> dict[str, Any]:
        written: Any = {**schema, "computed_fields": []}
        return super().dataclass_args_schema(written)
