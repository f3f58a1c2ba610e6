"""How the lock file's messages speak of types and changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from dddkit.messages._lock.constraints import are_ordered
from dddkit.messages._lock.normal_form import Schema, text_of

NOT_LOCKED: Final = "is not locked yet"
GAINED_DEFAULT: Final = "has a default now, which is not locked yet"
LOST_DEFAULT: Final = "has lost its default"
ADDED_WITHOUT_DEFAULT: Final = "was added without a default"
ADDED_WHERE_UNKNOWN_COUNTS: Final = "was added to a class that does not ignore unknown fields"
OTHER_UNKNOWN_FIELDS: Final = "treats unknown fields in another way"
MAY_BE_MISSING: Final = "may be missing now"
READS_MORE: Final = "is read in more ways than before, which is not locked yet"


def kind(node: Schema) -> str:
    """What sort of JSON a node is: its type and format; "enum" for listed values, "" for anything."""
    if "enum" in node:
        return "enum"
    if node.get("type") == "object" and "properties" not in node:
        return "mapping"
    if "prefixItems" in node:
        return "tuple"
    return f"{node.get('type', '')} {node.get('format', '')}".strip()


def description(node: Schema) -> str:
    """What a reader calls the values of a node."""
    if "anyOf" in node:
        return " or ".join(_null_last(map(description, node["anyOf"])))
    if "enum" in node:
        return listed(node["enum"])
    if "$ref" in node:
        return "object"
    if kind(node) == "object":
        return f"object with {_told_by(node['properties'])}"
    form = f" ({node['format']})" if "format" in node else ""
    return kind(node).partition(" ")[0] + form or "anything"


def _told_by(properties: dict[str, Any]) -> str:
    for name, each in properties.items():
        if len(each.get("enum", [])) == 1:
            return f"{name} {listed(each['enum'])}"
    return ", ".join(sorted(properties)) or "no fields"


def listed(values: Sequence[object]) -> str:
    return " or ".join(text_of(value) for value in values)


def removed(new_path: str | None) -> str:
    return "was removed" if new_path is None else f"was removed or renamed to {new_path}"


def other_type(old: Schema, new: Schema) -> str:
    return f"was {description(old)}, and is {description(new)} now"


def other_members(side: str, unread: Sequence[Schema], old: Sequence[Schema], new: Sequence[Schema]) -> str:
    """Say which members of a union came or went; if some came and others went, both."""
    was, is_now = (dict.fromkeys(map(description, members)) for members in (old, new))
    if was.keys() - is_now and is_now.keys() - was:
        return f"was {' or '.join(_null_last(was))}, and is {' or '.join(_null_last(is_now))} now"
    named = " or ".join(map(description, unread))
    return f"may be {named} now" if side == "written" else f"may not be {named} any more"


def _null_last(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda each: each == "null")


def other_values(side: str, values: Sequence[object]) -> str:
    return f"may be {listed(values)} now" if side == "written" else f"may not be {listed(values)} any more"


def other_constraint(side: str, keyword: str, old: object, new: object) -> str:
    name = re.sub("([A-Z])", lambda found: f" {found[0].lower()}", keyword)
    was, is_now = ("nothing" if each is None else text_of(each) for each in (old, new))
    changed = f"{name} was {was}, and is {is_now} now"
    if None not in (old, new) and not are_ordered(keyword, old, new):
        return f"has another constraint: {changed}"
    return f"allows {'more' if side == 'written' else 'less'} than before: {changed}"


def item_of(path: str) -> str:
    return f"{path}[]"


def position_of(path: str, position: int) -> str:
    return f"{path}[{position}]"


def value_of(path: str) -> str:
    return f"{path}{{}}"


def key_of(path: str) -> str:
    return f"each key of {path}"
