"""The first class of a kind that a type contains, searched for once in each type that a run of mypy meets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from mypy.nodes import TypeInfo
from mypy.types import Instance, ProperType, Type, get_proper_type

from dddkit_mypy import mypy_api
from dddkit_mypy.blocks.contents import Content, FieldReader, content_of, is_too_deep, parts_of


class Search(NamedTuple):
    """What is searched for. Equal searches share what they have found."""

    is_followed: Callable[[TypeInfo], bool]
    """Whether the fields of a class count as contents of what holds it."""
    is_wanted: Callable[[TypeInfo], bool]

    def first_in(self, type_: Type, reader: FieldReader) -> Content | None:
        """Return the first wanted class that a value of a type contains, its own class first."""
        known: dict[ProperType, _Known] = reader.of_run.setdefault(self, {})
        found = _Walk(self, known, reader).visit(type_)
        reader.modules |= found.modules
        return found.content


class _Known(NamedTuple):
    """What a type contains."""

    content: Content | None
    modules: frozenset[str]
    """The modules that this depends on."""
    lowest: int
    """The first type on the way here, by number, that the walk met again: what is known depends on the way there."""


_NO_WAY: Final = 1 << 30
"""Nothing on the way here was met again, so the type may be remembered."""


class _Walk:
    """A walk through what one type contains; types that contain each other are remembered together, as Tarjan does."""

    def __init__(self, search: Search, known: dict[ProperType, _Known], reader: FieldReader) -> None:
        self._search: Final = search
        self._known: Final = known
        self._reader: Final = reader
        self._lowest: Final[dict[ProperType, int]] = {}
        """The types met, and the lowest number that is known of each."""
        self._waiting: Final[list[ProperType]] = []
        self._path: Final[list[TypeInfo]] = []
        """The classes whose fields the walk is in."""

    def visit(self, type_: Type) -> _Known:
        """Return what a type contains."""
        found = get_proper_type(type_)
        known = self._known.get(found)
        if known is not None and (known.content is None or not {*known.content.through}.intersection(self._path)):
            return known
        if found in self._lowest:
            return _Known(None, frozenset(), self._lowest[found])
        number = lowest = len(self._lowest)
        self._lowest[found] = number
        first = len(self._waiting)
        self._waiting.append(found)
        info, parts = parts_of(found)
        modules: set[str] = set() if info is None else {info.module_name}
        content = None
        if info is not None:
            self._reader.classes.append(info)
            content = Content(info, ()) if self._search.is_wanted(info) else None
        if content is None and isinstance(found, Instance) and self._search.is_followed(found.type):
            content, lowest = self._in_fields(found, modules, lowest)
        for part in () if content is not None or is_too_deep(found) else parts:
            inner = self.visit(part)
            modules |= inner.modules
            lowest = min(lowest, inner.lowest)
            content = inner.content
            if content is not None:
                content = content_of(found, part, content)
                break
        return self._remembered(found, first, _Known(content, frozenset(modules), lowest), number)

    def _in_fields(self, found: Instance, modules: set[str], lowest: int) -> tuple[Content | None, int]:
        if is_too_deep(found):
            return None, lowest
        self._path.append(found.type)
        seen = len(self._reader.types)
        fields = sorted(self._reader.fields(found), key=lambda field: field.name)  # as mypy's cache has them
        modules |= mypy_api.modules_of(self._reader.types[seen:])
        content = None
        for field in fields:
            inner = self.visit(field.type)
            modules |= inner.modules
            lowest = min(lowest, inner.lowest)
            if inner.content is not None:
                content = inner.content._replace(through=(found.type, *inner.content.through))
                break
        self._path.pop()
        return content, lowest

    def _remembered(self, found: ProperType, first: int, result: _Known, number: int) -> _Known:
        if result.lowest < number:
            self._lowest[found] = result.lowest
            return result
        result = result._replace(lowest=_NO_WAY)
        together = [found] if result.content is not None else self._waiting[first:]
        self._known.update(dict.fromkeys(together, result))
        del self._waiting[first:]
        return result
