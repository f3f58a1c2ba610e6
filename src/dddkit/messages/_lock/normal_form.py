"""The normal form of a JSON schema: what it accepts and nothing else, the same for schemas that say the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final, cast

Schema = dict[str, Any]

_PREFIX: Final = "#/$defs/"
# The keywords of which the value is a schema, a list of schemas, or schemas by name.
_ONE: Final = ("items", "additionalProperties", "propertyNames")
_LIST: Final = ("anyOf", "prefixItems")
_BY_NAME: Final = "properties"
# Others (title, description, default, examples, discriminator, x-...) say nothing about what is accepted.
CONSTRAINTS: Final[tuple[str, ...]] = (
    *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf", "maxDigits", "decimalPlaces"),
    *("bits", "minLength", "maxLength", "pattern", "finite", "timezone", "now"),
    *("stripWhitespace", "toLower", "toUpper", "allowedSchemes", "hostRequired"),
    *("minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
    *("allOf", "not", "if", "then", "else", "contains", "dependentRequired", "patternProperties"),
)


_COUNTS: Final = ("minLength", "minItems", "minProperties")


def normal_form(schema: Mapping[str, Any]) -> Schema:
    """Return the normal form of a schema, with what is recursive under `$defs`, numbered."""
    definitions: dict[str, Any] = schema.get("$defs", {})
    reached = {name: _reached(name, definitions) for name in definitions}
    recursive = {name for name, others in reached.items() if name in others}
    inliner = _Inliner(definitions, recursive)
    root = inliner.normal({key: value for key, value in schema.items() if key != "$defs"})
    bodies = {name: inliner.normal(definitions[name]) for name in sorted(recursive)}
    # Definitions get their names from what they say, since the order in which classes and unions list them is chance:
    # each round tells those apart that differ one reference further away.
    marks = dict.fromkeys(bodies, "")
    for _ in bodies:
        marks = {name: _digest(_sorted(body, marks)) for name, body in bodies.items()}
    return _Numbering(bodies, marks).number(root)


def text_of(node: object) -> str:
    """The text by which nodes are compared and sorted."""
    return json.dumps(node, sort_keys=True)


def _digest(node: object) -> str:
    return sha256(text_of(node).encode()).hexdigest()


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        items = cast("dict[str, object]", node)
        if isinstance(reference := items.get("$ref"), str):
            yield reference.removeprefix(_PREFIX)
        for value in items.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in cast("list[object]", node):
            yield from _references(value)


def _reached(name: str, definitions: Mapping[str, Any]) -> set[str]:
    """Return the definitions that one leads to; itself only if it is recursive."""
    found: set[str] = set()
    pending = [name]
    while pending:
        new = (set(_references(definitions[pending.pop()])) & definitions.keys()) - found
        found |= new
        pending += new
    return found


class _Inliner:
    """Reduces nodes to what they accept, with the definitions that are not recursive in the place of references."""

    def __init__(self, definitions: Mapping[str, Any], recursive: set[str]) -> None:
        self._definitions = definitions
        self._recursive = recursive

    def normal(self, node: Any) -> Any:
        if not isinstance(node, dict):
            return {} if node is True else node
        node = cast("Schema", node)
        if "$ref" in node:
            return self._resolved(node)
        if "const" in node or "enum" in node:
            values = node["enum"] if "enum" in node else [node["const"]]
            return {"enum": sorted({text_of(value): value for value in values}.values(), key=text_of)}
        if isinstance(types := node.get("type"), list):
            node = {"anyOf": [{**node, "type": each} for each in cast("list[str]", types)]}
        members = [self.normal(each) for each in node.get("anyOf", node.get("oneOf", []))]
        if members:
            return _union(members)
        if len(node.get("allOf", [])) == 1:
            return self.normal({key: value for key, value in node.items() if key != "allOf"} | node["allOf"][0])
        return self._reduced(node)

    def _resolved(self, node: Schema) -> Any:
        name = node["$ref"].removeprefix(_PREFIX)
        if name in self._recursive:
            return {"$ref": name}
        constraints = {key: value for key, value in node.items() if key in CONSTRAINTS}
        return self.normal(self._definitions[name] | constraints)

    def _reduced(self, node: Schema) -> Schema:
        reduced: Schema = {key: node[key] for key in ("type", "format", *CONSTRAINTS) if key in node}
        for key in _ONE:
            if key in node:
                reduced[key] = self.normal(node[key])
        if "prefixItems" in node:
            reduced["prefixItems"] = [self.normal(each) for each in node["prefixItems"]]
        if "properties" in node:
            reduced["properties"] = {name: self.normal(each) for name, each in node["properties"].items()}
        for key in _COUNTS:
            if reduced.get(key) == 0:
                del reduced[key]  # every list has 0 items or more
        if node.get("required"):
            reduced["required"] = sorted(node["required"])
        if reduced.get("propertyNames") in ({}, {"type": "string"}):
            del reduced["propertyNames"]  # what JSON says of keys anyway
        return reduced


def _union(members: list[Any]) -> Any:
    flat: dict[str, Any] = {}
    for member in members:
        for each in member.get("anyOf", [member]):
            flat[text_of(each)] = each
    values = [value for each in flat.values() if set(each) == {"enum"} for value in each["enum"]]
    if values:  # Literal["a"] | Literal["b"] is Literal["a", "b"]
        flat = {text: each for text, each in flat.items() if set(each) != {"enum"}}
        merged = {"enum": sorted({text_of(value): value for value in values}.values(), key=text_of)}
        flat[text_of(merged)] = merged
    return next(iter(flat.values())) if len(flat) == 1 else {"anyOf": list(flat.values())}


def _sorted(node: Any, marks: Mapping[str, str]) -> Any:
    """Return the node with references as marks, and the members of unions in the order of their text."""
    if not isinstance(node, dict):
        return node
    node = cast("Schema", node)
    if "$ref" in node:
        return {"$ref": marks[node["$ref"]]}
    node = _with_parts(node, lambda part: _sorted(part, marks))
    if "anyOf" not in node:
        return node
    members = {text_of(each): each for each in node["anyOf"]}
    return {"anyOf": [members[text] for text in sorted(members)]} if len(members) > 1 else node["anyOf"][0]


def _with_parts(node: Schema, change: Callable[[Any], Any]) -> Schema:
    """Return the node with each schema that it directly contains changed, in the order of their names."""
    changed: Schema = {}
    for key in sorted(node):
        value = node[key]
        if key in _ONE:
            changed[key] = change(value)
        elif key in _LIST:
            changed[key] = [change(each) for each in value]
        elif key == _BY_NAME:
            changed[key] = {name: change(value[name]) for name in sorted(value)}
        else:
            changed[key] = value
    return changed


class _Numbering:
    """Numbers the recursive definitions in the order in which the sorted schema comes to them."""

    def __init__(self, bodies: Mapping[str, Any], marks: Mapping[str, str]) -> None:
        self._marks = marks
        self._bodies = {marks[name]: _sorted(body, marks) for name, body in bodies.items()}
        self._numbers: dict[str, str] = {}

    def number(self, root: Any) -> Schema:
        numbered: Schema = self._numbered(_sorted(root, self._marks))
        definitions: Schema = {}
        while len(definitions) < len(self._numbers):
            mark = list(self._numbers)[len(definitions)]
            definitions[self._numbers[mark]] = self._numbered(self._bodies[mark])
        return {**numbered, "$defs": definitions} if definitions else numbered

    def _numbered(self, node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        node = cast("Schema", node)
        if "$ref" in node:
            number = self._numbers.setdefault(node["$ref"], str(len(self._numbers) + 1))
            return {"$ref": _PREFIX + number}
        return _with_parts(node, self._numbered)
