"""How assertions show what they have compared."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from dddkit.testing._description import NOTHING, Description, repr_of

__all__ = ["differing", "render", "short_name"]

_MOST_CHARACTERS: Final = 240
_MOST_ITEMS: Final = 12
_MOST_LEVELS: Final = 24
_LONG_TEXT: Final = 60
_AROUND: Final = 20
_LITERALS: Final = (list, tuple, dict, set)


def short_name(cls: type) -> str:
    """Return the name of a class, without the test function that declares it."""
    return cls.__qualname__.rpartition("<locals>.")[2]


def render(described: Description) -> str:
    """Return the object as Python would write it, without the fields that its description leaves out."""
    text = _Renderer().render(described)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 3]}..."


def differing(actual: Description, expected: Description) -> tuple[str, str]:
    """Return two texts that show in what two objects differ: of long texts the place, of classes their names."""
    one, other = actual.value, expected.value
    if isinstance(one, (str, bytes)) and type(one) is type(other) and max(len(one), len(other)) > _LONG_TEXT:
        return _excerpts(one, other)
    texts = render(actual), render(expected)
    if actual.cls is expected.cls or None in (one, other):
        return texts
    if texts[0] == texts[1]:
        names = _names(actual.cls, expected.cls)
        return f"{texts[0]} ({names[0]})", f"{texts[1]} ({names[1]})"
    return _with_class(actual.cls, texts[0]), _with_class(expected.cls, texts[1])


def _excerpts(one: Any, other: Any) -> tuple[str, str]:
    """Return what is around the first difference of two texts."""
    both = enumerate(zip(one, other, strict=False))
    place = next((at for at, (a, b) in both if a != b), min(len(one), len(other)))
    start = max(place - _AROUND, 0)
    excerpts: list[str] = []
    for text in (one, other):
        end = place + _AROUND
        excerpts.append(f"{'...' if start else ''}{text[start:end]!r}{'...' if len(text) > end else ''}")
    return f"{excerpts[0]} (from index {place} of {len(one)})", f"{excerpts[1]} (of {len(other)})"


def _with_class(cls: type, text: str) -> str:
    return text if text.startswith(f"{short_name(cls)}(") else f"{text} ({short_name(cls)})"


def _names(one: type, other: type) -> tuple[str, str]:
    """Return the shortest names that tell two classes apart."""
    short = short_name(one), short_name(other)
    if short[0] != short[1]:
        return short
    full = f"{one.__module__}.{one.__qualname__}", f"{other.__module__}.{other.__qualname__}"
    return full if full[0] != full[1] else (full[0], "another class of that name")


class _Renderer:
    """Renders so many objects, nested so deep; for those beyond there are dots, as for one that is within itself.

    Objects may form a tree of millions, of which the first characters are shown.
    """

    def __init__(self, most_objects: int = _MOST_CHARACTERS) -> None:  # each has a character at least
        self._left = most_objects
        self._within: Final[list[Description]] = []

    def render(self, described: Description) -> str:
        self._left -= 1
        if self._left < 0 or len(self._within) == _MOST_LEVELS or described in self._within:
            return "..."
        self._within.append(described)
        text = self._render(described)
        self._within.pop()
        return text

    def _render(self, described: Description) -> str:
        if described.text is not None:
            return described.text
        if described.kind is None and described.value is not NOTHING:
            return repr_of(described.value)
        name = short_name(described.cls)
        contents = self._render_contents(described) if described.kind is None else _text_of_value(described)
        if contents is not None and (described.cls in _LITERALS or described.cls is described.kind):
            return contents
        if contents is not None and contents.startswith(f"{name}("):
            return contents
        fields = (f"{field}={self.render(held)}" for field, held in described.fields.items())
        return f"{name}({_join(fields if contents is None else (contents, *fields))})"

    def _render_contents(self, described: Description) -> str | None:
        """Return what an object holds beside its fields; None where it is no container."""
        cls: Any = described.cls
        if described.items is not None:
            items = (self.render(item) for item in described.items)
            if described.names:
                return _join(f"{name}={item}" for name, item in zip(described.names, items, strict=False))
            if issubclass(cls, BaseException):
                return _join(items)
            if issubclass(cls, tuple):
                return f"({_join(items)}{',' * (len(described.items) == 1)})"
            return f"[{_join(items)}]"
        if described.members is not None:
            return f"{{{_join(sorted(map(self._render_member, described.members)))}}}"
        if described.pairs is not None:
            return f"{{{_join(f'{self.render(key)}: {self.render(held)}' for key, held in described.pairs)}}}"
        return None

    def _render_member(self, member: Description) -> str:
        """Render it with a share of its own, since which members are shown first is known when all are rendered."""
        left, self._left = self._left, self._left // 4
        text = self.render(member)
        self._left = left
        return text


def _text_of_value(described: Description) -> str:
    kind: Any = described.kind
    try:
        text: str = kind.__repr__(described.value)
    except Exception:
        text = repr_of(described.value)
    return text


def _join(parts: Iterable[str]) -> str:
    """Join the first parts."""
    shown = list(islice(parts, _MOST_ITEMS + 1))
    return ", ".join([*shown[:_MOST_ITEMS], "..."] if len(shown) > _MOST_ITEMS else shown)
