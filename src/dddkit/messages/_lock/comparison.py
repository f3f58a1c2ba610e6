"""What a change of a message's schema does to those who read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, Final, Literal, NamedTuple

from dddkit.messages._lock import wording
from dddkit.messages._lock.constraints import is_as_strict
from dddkit.messages._lock.normal_form import CONSTRAINTS, Schema, text_of

_PREFIX: Final = "#/$defs/"
_KEY: Final[Schema] = {"type": "string"}


class Schemas(NamedTuple):
    """What one version of a class writes, and what it reads."""

    written: Schema
    read: Schema


class Difference(NamedTuple):
    """What is true of a path now."""

    path: str
    text: str
    breaking: bool = True
    new_path: str | None = None  # where a field seems to be now

    def __str__(self) -> str:
        return f"{self.path} {self.text}"

    @property
    def advice(self) -> str:
        """What to do about it if it breaks readers."""
        upcast = "raise the version and add an upcast"
        needs_default = self.text in {wording.ADDED_WITHOUT_DEFAULT, wording.LOST_DEFAULT}
        return f"give it one, or {upcast}" if needs_default else upcast


def differences(old: Schemas, new: Schemas) -> list[Difference]:
    """Return what differs between two versions, each fact once.

    The new version breaks nobody if it writes only what the old one wrote (others read with the old one), and reads all
    that the old one read (messages are under way).
    """
    written = _Comparison(old.written, new.written, "written").run()
    read = _Comparison(old.read, new.read, "read").run()
    found = list(dict.fromkeys([*written, *read]))
    moved = {each.new_path for each in found}
    return [each for each in found if each.path not in moved]


class _Comparison:
    """Whether all that the narrow schema accepts is accepted by the wide one: the new by the old as it is written."""

    def __init__(self, old: Schema, new: Schema, side: Literal["written", "read"]) -> None:
        self._old, self._new, self._side = old, new, side
        self._written = side == "written"
        self._compared: set[tuple[str, str]] = set()

    def run(self) -> list[Difference]:
        return [] if text_of(self._old) == text_of(self._new) else list(self._nodes(self._old, self._new, "data"))

    def _nodes(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        if "$ref" in old or "$ref" in new:
            pair = (text_of(old), text_of(new))
            if pair in self._compared:
                return
            self._compared.add(pair)  # true of what is recursive if it is true of its parts
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        if "anyOf" in old or "anyOf" in new:
            yield from self._unions(old, new, path)
        elif wording.kind(old) == wording.kind(new):
            yield from self._values(old, new, path)
            yield from self._constraints(old, new, path)
            yield from self._parts(old, new, path)
        elif not _is_part(*self._narrow_and_wide(old, new)):
            yield Difference(path, wording.other_type(old, new))

    def _narrow_and_wide(self, old: Schema, new: Schema) -> tuple[Schema, Schema]:
        return (new, old) if self._written else (old, new)

    def _old_and_new(self, narrow: Schema, wide: Schema) -> tuple[Schema, Schema]:
        return (wide, narrow) if self._written else (narrow, wide)

    def _unions(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        union = _Union(*self._narrow_and_wide(old, new), *self._narrow_and_wide(self._old, self._new))
        unread: list[Schema] = []
        for member in union.members:
            candidates = union.candidates(member)
            if union.is_told_by_fields(member):
                if not any(self._is_same(member, candidate, union, path) for candidate in candidates):
                    unread.append(union.resolved(member))
            elif len(candidates) == 1:
                yield from self._nodes(*self._old_and_new(member, candidates[0]), path)
            else:
                trials = (self._trial(member, candidate, path) for candidate in candidates)
                read = next((trial for trial in trials if not any(each.breaking for each in trial)), None)
                if read is None:
                    unread.append(union.resolved(member))
                else:
                    yield from read
        if unread:
            members = _members(old, self._old), _members(new, self._new)
            yield Difference(path, wording.other_members(self._side, unread, *members))

    def _is_same(self, member: Schema, candidate: Schema, union: _Union, path: str) -> bool:
        return union.have_same_fields(member, candidate) and not self._trial(member, candidate, path)

    def _trial(self, member: Schema, candidate: Schema, path: str) -> list[Difference]:
        before = set(self._compared)
        found = list(self._nodes(*self._old_and_new(member, candidate), path))
        if any(each.breaking for each in found):
            self._compared = before
        return found

    def _values(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        narrow, wide = self._narrow_and_wide(old, new)
        known = {text_of(value) for value in wide.get("enum", [])}
        if others := [value for value in narrow.get("enum", []) if text_of(value) not in known]:
            yield Difference(path, wording.other_values(self._side, others))

    def _constraints(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        narrow, wide = self._narrow_and_wide(old, new)
        for keyword in CONSTRAINTS:
            if not is_as_strict(keyword, narrow.get(keyword), wide.get(keyword)):
                text = wording.other_constraint(self._side, keyword, old.get(keyword), new.get(keyword))
                yield Difference(path, text)

    def _parts(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        kind = wording.kind(old)
        if kind == "object":
            yield from self._properties(old, new, path)
        elif kind == "mapping":
            keys = (old.get("propertyNames", _KEY), new.get("propertyNames", _KEY))
            yield from self._nodes(*keys, wording.key_of(path))
            values = (old.get("additionalProperties", {}), new.get("additionalProperties", {}))
            yield from self._nodes(*values, wording.value_of(path))
        elif kind in {"array", "tuple"}:
            yield from self._nodes(old.get("items", {}), new.get("items", {}), wording.item_of(path))
            positions = zip(old.get("prefixItems", []), new.get("prefixItems", []), strict=False)  # else other maxItems
            for position, (before, after) in enumerate(positions):
                yield from self._nodes(before, after, wording.position_of(path, position))

    def _properties(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        before: Mapping[str, Schema] = old["properties"]
        after: Mapping[str, Schema] = new["properties"]
        for name in before:
            if name in after:
                yield from self._nodes(before[name], after[name], f"{path}.{name}")
                yield from self._presence(name, old, new, path)
            elif self._written:
                new_name = _new_name(name, before, after)
                new_path = f"{path}.{new_name}" if new_name is not None else None
                yield Difference(f"{path}.{name}", wording.removed(new_path), new_path=new_path)
        for name in after:
            if name not in before:
                yield self._added(f"{path}.{name}", old, required=name in new.get("required", []))
        if old.get("additionalProperties") != new.get("additionalProperties"):
            yield Difference(path, wording.OTHER_UNKNOWN_FIELDS)

    def _presence(self, name: str, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        was, is_now = name in old.get("required", []), name in new.get("required", [])
        if self._written and was and not is_now:
            yield Difference(f"{path}.{name}", wording.MAY_BE_MISSING)
        if not self._written and is_now and not was:
            yield Difference(f"{path}.{name}", wording.LOST_DEFAULT)
        if not self._written and was and not is_now:
            yield Difference(f"{path}.{name}", wording.GAINED_DEFAULT, breaking=False)

    def _added(self, path: str, old: Schema, *, required: bool) -> Difference:
        if required and not self._written:
            return Difference(path, wording.ADDED_WITHOUT_DEFAULT)
        if "additionalProperties" in old:  # readers reject it, or have had something else under this name
            return Difference(path, wording.ADDED_WHERE_UNKNOWN_COUNTS)
        return Difference(path, wording.NOT_LOCKED, breaking=False)


class _Union:
    """The members of a narrow schema, and what of a wide one each may be read as."""

    def __init__(self, narrow: Schema, wide: Schema, narrow_root: Schema, wide_root: Schema) -> None:
        self.members: list[Schema] = narrow.get("anyOf", [narrow])
        self._others: list[Schema] = wide.get("anyOf", [wide])
        self._narrow_root, self._wide_root = narrow_root, wide_root
        sides = (_members(narrow, narrow_root), _members(wide, wide_root))
        objects = [[each for each in side if wording.kind(each) == "object"] for side in sides]
        self._discriminators = _discriminators(objects[0]) & _discriminators(objects[1])
        self._has_several_classes = any(len(side) > 1 for side in objects)

    def resolved(self, member: Schema) -> Schema:
        return _resolved(member, self._narrow_root)

    def _resolved_other(self, other: Schema) -> Schema:
        return _resolved(other, self._wide_root)

    def candidates(self, member: Schema) -> list[Schema]:
        """Return what is of the same kind; of several classes, the one with the same discriminator."""
        member = self.resolved(member)
        kind = wording.kind(member)
        found: list[Schema] = []
        for other in self._others:
            resolved = self._resolved_other(other)
            if kind != wording.kind(resolved):
                is_candidate = _is_part(member, resolved)
            elif kind == "object" and self._has_several_classes and self._discriminators:
                is_candidate = all(_values(name, member) & _values(name, resolved) for name in self._discriminators)
            else:
                is_candidate = True
            if is_candidate:
                found.append(other)
        return found

    def is_told_by_fields(self, member: Schema) -> bool:
        """Whether nothing but its fields tells a class from others: a new one might make it another class."""
        is_class = wording.kind(self.resolved(member)) == "object"
        return is_class and self._has_several_classes and not self._discriminators

    def have_same_fields(self, member: Schema, other: Schema) -> bool:
        theirs = self._resolved_other(other)
        return not theirs or bool(self.resolved(member)["properties"].keys() == theirs["properties"].keys())


def _discriminators(classes: list[Schema]) -> set[str]:
    """Return the fields that have other listed values in each of some classes."""
    names = [{name for name, each in one["properties"].items() if "enum" in each} for one in classes]
    return {
        name
        for name in set[str]().union(*names)
        if all(_values(name, one) for one in classes)
        and not any(_values(name, one) & _values(name, other) for one, other in combinations(classes, 2))
    }


def _values(name: str, node: Schema) -> set[str]:
    return set(map(text_of, node["properties"].get(name, {}).get("enum", [])))


def _members(node: Schema, root: Schema) -> list[Schema]:
    return [_resolved(each, root) for each in node.get("anyOf", [node])]


def _resolved(node: Schema, root: Schema) -> Schema:
    while "$ref" in node:
        node = root["$defs"][node["$ref"].removeprefix(_PREFIX)]
    return node


def _is_part(narrow: Schema, wide: Schema) -> bool:
    """Whether one kind of JSON is part of another: each is part of anything, and integers are numbers."""
    if wide == {"type": "number"}:
        return narrow.get("type") == "integer"
    return not wide or (wide == _KEY and narrow.get("type") == "string")


def _new_name(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """Return what a field seems to be called now: it is the only one gone, and only one new field is of its type."""
    gone = before.keys() - after.keys()
    alike = [each for each in after if each not in before and after[each] == before[name]]
    return alike[0] if len(gone) == len(alike) == 1 else None
