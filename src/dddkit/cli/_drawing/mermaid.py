"""A flowchart in Mermaid's language, line by line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import wrap
from typing import Final

_WIDTH: Final = 24
"""The characters of a line in a box: Mermaid would divide a longer one anywhere."""
_ESCAPED: Final = {
    **{character: f"#{ord(character)};" for character in "#$%`*\\"},
    '"': "#quot;",
    "&": "#amp;",
    "<": "#lt;",
    ">": "#gt;",
}
"""What Mermaid reads as its own, as Markdown, HTML or a formula, although it stands in quotes."""

_UNDER: Final = re.compile(r"\b_+(?=\w*_\b)")
"""What older versions of Mermaid 11 read as Markdown for bold: the beginning of `__init__`."""

RECTANGLE: Final = ("[", "]")
ROUNDED: Final = ("([", "])")
CYLINDER: Final = ("[(", ")]")
HEXAGON: Final = ("{{", "}}")
DOUBLE: Final = ("[[", "]]")

UNDOING: Final = "undoing"
_STYLES: Final = {UNDOING: "stroke-dasharray: 5 4"}


class Flowchart:
    """Collects nodes, groups and arrows; each has a name that is its own, and the same in every run."""

    def __init__(self, direction: str) -> None:
        self._lines: Final = [f"flowchart {direction}"]
        self._depth = 1
        self._ids: Final[set[str]] = set()
        self._arrows: Final[list[str]] = []
        """They come last: a group contains every node that an arrow inside of it names."""
        self._styled: Final[dict[str, list[str]]] = {}

    def node(self, name: str, lines: Sequence[str], shape: tuple[str, str] = RECTANGLE, style: str = "") -> str:
        """Add a node with lines of text; return its id."""
        found = self._id(name)
        self._add(f'{found}{shape[0]}"{_label(lines)}"{shape[1]}')
        if style:
            self._styled.setdefault(style, []).append(found)
        return found

    def begin(self, name: str, title: str, direction: str = "TB") -> str:
        """Begin a group; what follows is in it until `end`."""
        found = self._id(name)
        self._add(f'subgraph {found}["{_escaped(title)}"]')
        self._depth += 1
        self._add(f"direction {direction}")
        return found

    def end(self) -> None:
        """End the group that was begun last."""
        self._depth -= 1
        self._add("end")

    def arrow(self, start: str, to: str, label: str = "", kind: str = "-->") -> None:
        """Add an arrow from one node to another."""
        shown = f'|"{_escaped(label)}"|' if label else ""
        self._arrows.append(f"    {start} {kind}{shown} {to}")

    def text(self) -> str:
        """Return the chart."""
        styles = [
            line
            for style, ids in self._styled.items()
            for line in (f"    classDef {style} {_STYLES[style]}", f"    class {','.join(ids)} {style}")
        ]
        return "\n".join([*self._lines, *self._arrows, *styles]) + "\n"

    def _add(self, line: str) -> None:
        self._lines.append("    " * self._depth + line)

    def _id(self, name: str) -> str:
        """Return an id for a name: Mermaid takes letters, digits and underscores, but for words of its own."""
        plain = "".join(character if character.isascii() and character.isalnum() else "_" for character in name)
        found, number = plain, 1
        while found in self._ids:
            number += 1
            found = f"{plain}_{number}"
        self._ids.add(found)
        return found


_MOST_ARROWS: Final = 500
_MOST_CHARACTERS: Final = 50_000


def is_too_large(text: str) -> bool:
    """Whether Mermaid refuses to show a chart, as its settings are on GitHub and elsewhere."""
    arrows = sum("-->" in line or "-.->" in line for line in text.splitlines())
    return arrows > _MOST_ARROWS or len(text) > _MOST_CHARACTERS


def _label(lines: Sequence[str]) -> str:
    return "<br/>".join(_escaped(part) for line in lines for part in _wrapped(line))


def _wrapped(line: str) -> list[str]:
    return wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _escaped(text: str) -> str:
    escaped = "".join(_ESCAPED.get(character, character) for character in text)
    return _UNDER.sub(lambda found: "#95;" * len(found[0]), escaped)
