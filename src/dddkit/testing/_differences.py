"""In what two described objects differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from dddkit.testing._description import NOTHING, Description, repr_of
from dddkit.testing._rendering import differing, render

__all__ = ["Difference", "Wording", "differences"]

_NAN: Final = object()
_DEPTH: Final = 3
_LONGEST_PATH: Final = 240
_LEFT_OUT: Final = " ... "


class Wording(NamedTuple):
    """How a difference is told."""

    differs: str = "{actual} != {expected}"
    unexpected: str = "unexpected {actual}"
    missing: str = "missing {expected}"


class Difference(NamedTuple):
    """One place where two objects differ; on one side there may be nothing."""

    path: str
    actual: Description | None
    expected: Description | None

    def tell(self, wording: Wording) -> str:
        if self.actual is not None and self.expected is not None:
            actual, expected = differing(self.actual, self.expected)
            text = wording.differs.format(actual=actual, expected=expected)
        elif self.actual is not None:
            text = wording.unexpected.format(actual=render(self.actual))
        else:
            text = wording.missing.format(expected="" if self.expected is None else render(self.expected))
        return f"{self.path}: {text}"


_Steps = Iterator["Difference | _Steps"]


def differences(path: str, actual: Description, expected: Description) -> Iterator[Difference]:
    """Yield where two objects differ; the path is what the outermost object is called.

    Classes have to be identical. Times are the same if they are the same instant, and NaN is the same as NaN. What
    entities hold is compared also where `==` compares identities alone: in sets, and as keys.
    """
    return _flat(_Comparison(()).compare(path, actual, expected))


def _flat(steps: _Steps) -> Iterator[Difference]:
    """Yield the differences in their order, without recursion: objects may lie deeper than Python's stack allows."""
    entered = [steps]
    while entered:
        step = next(entered[-1], None)
        if step is None:
            entered.pop()
        elif isinstance(step, Difference):
            yield step
        else:
            entered.append(step)


class _Comparison:
    """Compares each pair of objects once: where objects hold each other, a pair that is met again is the same.

    Its methods yield differences, and, in place of those of what an object holds, the steps that find them.

    Args:
        assumed: the pairs that those comparisons have met which try this one.
    """

    def __init__(self, assumed: tuple[set[tuple[int, int]], ...]) -> None:
        self._compared: Final[set[tuple[int, int]]] = set()
        self._assumed: Final = (*assumed, self._compared)

    def compare(self, path: str, actual: Description, expected: Description) -> _Steps:
        pair = id(actual), id(expected)
        if any(pair in pairs for pairs in self._assumed):
            return
        self._compared.add(pair)
        if actual.cls is not expected.cls or not _have_same_value(actual, expected):
            yield Difference(path, actual, expected)
        elif actual.text is not None or expected.text is not None:  # its parts have no names that a reader knows
            if not self._are_same_items(actual.items or (), expected.items or ()):
                yield Difference(path, actual, expected)
        else:
            yield from self._compare_items(path, actual, expected)
            yield from self._compare_members(path, actual.members or (), expected.members or ())
            yield from self._compare_pairs(path, actual, expected)
        yield from self._compare_fields(path, actual, expected)

    def _compare_fields(self, path: str, actual: Description, expected: Description) -> _Steps:
        if actual.cls is expected.cls:
            for name in expected.fields | actual.fields:
                yield self._compare_sides(_below(path, f".{name}"), actual.fields.get(name), expected.fields.get(name))

    def _compare_items(self, path: str, actual: Description, expected: Description) -> _Steps:
        ones, others, names = actual.items or (), expected.items or (), expected.names
        for index in range(max(len(ones), len(others))):
            place = f".{names[index]}" if index < len(names) else f"[{index}]"
            yield self._compare_sides(_below(path, place), _at(ones, index), _at(others, index))

    def _compare_members(self, path: str, actual: Sequence[Description], expected: Sequence[Description]) -> _Steps:
        _, ones, others = self._matched(actual, expected)
        for one in list(ones):
            entity = next((other for other in others if _have_same_identity(one, other)), None)
            if entity is not None:
                ones.remove(one)
                others.remove(entity)
                yield self.compare(_below(path, f"{{{repr_of(one.identity)}}}"), one, entity)
        yield from (Difference(path, one, None) for one in ones)
        yield from (Difference(path, None, other) for other in others)

    def _compare_pairs(self, path: str, actual: Description, expected: Description) -> _Steps:
        actual_pairs, expected_pairs = actual.pairs or (), expected.pairs or ()
        held = {id(key): value for key, value in (*actual_pairs, *expected_pairs)}
        keys = [key for key, _ in actual_pairs], [key for key, _ in expected_pairs]
        matched, ones, others = self._matched(*keys)
        for key, other in matched:
            yield self.compare(_below(path, f"[{render(other)}]"), held[id(key)], held[id(other)])
        yield from (Difference(_below(path, f"[{render(key)}]"), held[id(key)], None) for key in ones)
        yield from (Difference(_below(path, f"[{render(key)}]"), None, held[id(key)]) for key in others)
        if actual.ordered and not ones and not others and [other for _, other in matched] != keys[1]:
            yield Difference(path, actual, expected)

    def _compare_sides(self, path: str, actual: Description | None, expected: Description | None) -> _Steps:
        if actual is None or expected is None:
            yield Difference(path, actual, expected)
        else:
            yield self.compare(path, actual, expected)

    def _matched(
        self, actual: Sequence[Description], expected: Sequence[Description]
    ) -> tuple[list[tuple[Description, Description]], list[Description], list[Description]]:
        """Return which are the same, and what is left on each side."""
        candidates: dict[int, list[Description]] = {}
        for other in expected:
            candidates.setdefault(_digest(other), []).append(other)
        matched: list[tuple[Description, Description]] = []
        left: list[Description] = []
        for one in actual:
            others = candidates.get(_digest(one), [])
            same = next((other for other in others if self._are_same(one, other)), None)
            if same is None:
                left.append(one)
            else:
                others.remove(same)
                matched.append((one, same))
        return matched, left, [other for others in candidates.values() for other in others]

    def _are_same(self, one: Description, other: Description) -> bool:
        """Try a pair; where they differ, nothing of what was assumed on the way remains."""
        tried = _Comparison(self._assumed)
        return next(_flat(tried.compare("", one, other)), None) is None

    def _are_same_items(self, ones: Sequence[Description], others: Sequence[Description]) -> bool:
        return len(ones) == len(others) and all(map(self._are_same, ones, others))


def _below(path: str, place: str) -> str:
    """Return the path of what an object holds; of a long one, its beginning and its end."""
    if len(path) > _LONGEST_PATH:
        half = (_LONGEST_PATH - len(_LEFT_OUT)) // 2
        path = f"{path[:half]}{_LEFT_OUT}{path[-half:]}"
    return path + place


def _at(items: Sequence[Description], index: int) -> Description | None:
    return items[index] if index < len(items) else None


def _have_same_identity(one: Description, other: Description) -> bool:
    return one.cls is other.cls and one.identity is not None and _are_equal(one.identity, other.identity)


def _have_same_value(actual: Description, expected: Description) -> bool:
    one, other = actual.value, expected.value
    if actual.kind is not expected.kind or one is NOTHING or other is NOTHING:
        return one is other
    if actual.kind is None:
        return one is other or _are_equal(one, other)
    return _comparable(actual) == _comparable(expected)


def _are_equal(one: object, other: object) -> bool:
    try:
        return bool(one == other)
    except Exception:  # an array of several
        return False


class _Comparable:
    """A value, compared as the class of the standard library compares it, whatever a subclass says."""

    __slots__ = ("_kind", "_value")

    def __init__(self, kind: Any, value: object) -> None:
        self._kind: Final = kind
        self._value: Final = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Comparable) and self._kind.__eq__(self._value, other._value) is True

    def __hash__(self) -> int:
        return int(self._kind.__hash__(self._value))


def _comparable(described: Description) -> object:
    kind, value = described.kind, described.value
    if isinstance(value, datetime):
        offset = value.utcoffset()
        if offset is not None:  # as a difference, which no time is too early or too late for
            return "instant", value.replace(tzinfo=None) - datetime.min - offset
    if isinstance(value, Decimal):
        if value.is_nan():
            return _NAN
    elif isinstance(value, complex):
        return tuple(_NAN if part != part else part for part in (value.real, value.imag))
    elif isinstance(value, float) and value != value:
        return _NAN
    return _Comparable(kind, value)


def _digest(described: Description, depth: int = _DEPTH) -> int:
    """Return a number that is the same for two objects that are the same."""
    parts: list[object] = [described.cls]
    if described.kind is not None:
        parts.append(_comparable(described))
    elif depth:
        parts += [_digest(item, depth - 1) for item in described.items or ()]
        parts.append(frozenset(_digest(member, depth - 1) for member in described.members or ()))
        parts.append(frozenset(_digest(key, depth - 1) for key, _ in described.pairs or ()))
        parts.append(frozenset((name, _digest(held, depth - 1)) for name, held in described.fields.items()))
    return hash(tuple(parts))
