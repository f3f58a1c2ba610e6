"""Pictures in files: in Markdown between marks, or one alone in a file of Mermaid."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dddkit.cli._failure import CommandError

_BEGIN: Final = re.compile(r"(?P<indent>[ \t]*)<!--\s*dddkit draw\s+(?P<place>\S+)\s*-->\s*")
_END: Final = re.compile(r"[ \t]*<!--\s*end\s*-->\s*")
_FENCE: Final = re.compile(r"\s*(```+|~~~+)")
_IN_MERMAID: Final = re.compile(r"%% dddkit draw (?P<place>\S+)\s*")
_BYTE_ORDER: Final = "\ufeff"
"""What some editors write before the first line."""
_MERMAID: Final = (".mmd", ".mermaid")
_EXAMPLE: Final = "shop.checkout:Checkout"


@dataclass(frozen=True)
class Picture:
    """A picture in a file."""

    place: str
    """What it shows, as `MODULE[:NAME]`."""
    line: int
    text: str
    """What stands there now."""


class DocumentWithPictures:
    """A file with pictures; the text around them stays as it is."""

    def __init__(self, path: Path) -> None:
        """Read a file.

        Raises:
            CommandError: it cannot be read, or a picture in it has no end.
        """
        self._path = path
        self._is_mermaid = is_one_picture(path)
        text = _read(path)
        self._mark_of_order = _BYTE_ORDER if text.startswith(_BYTE_ORDER) else ""
        self._lines = text.removeprefix(_BYTE_ORDER).splitlines(keepends=True)
        self._newline = "\r\n" if any(line.endswith("\r\n") for line in self._lines) else "\n"
        self.pictures: Final = [*(self._whole() if self._is_mermaid else self._between_marks())]

    def require_pictures(self) -> None:
        """Raise unless there is a picture.

        Raises:
            CommandError: there is none.
        """
        if not self.pictures:
            raise CommandError(f"{self._path} has no picture; {self._how_to_place(_EXAMPLE)}")

    def require(self, place: str) -> None:
        """Raise unless there is a place for a picture of this.

        Raises:
            CommandError: there is none.
        """
        if self._is_mermaid:
            if self._lines and not self.pictures:
                raise CommandError(f"{self._path} is no picture of dddkit's; remove it, or name another file")
            return
        if not any(picture.place == place for picture in self.pictures):
            raise CommandError(f"{self._path} has no place for {place}; {self._how_to_place(place)}")

    def _how_to_place(self, place: str) -> str:
        if self._is_mermaid:
            return f"write it by dddkit draw {place} --output {self._path}"
        return f"write <!-- dddkit draw {place} --> and <!-- end --> in two lines where it belongs"

    def with_pictures(self, texts: Mapping[str, str]) -> str:
        """Return the text of the file with these pictures, by what they show, in place of what stands there now."""
        if self._is_mermaid:
            return self._newlines(
                "".join(_in_file(picture.place, texts.get(picture.place, picture.text)) for picture in self.pictures)
            )
        found: list[str] = []
        done = 0
        for picture, (begin, end) in zip(self.pictures, self._places(), strict=True):
            if picture.place in texts:
                indent = re.match(r"[ \t]*", self._lines[begin])
                lines = _fenced(texts[picture.place]).splitlines(keepends=True)
                shown = "".join(f"{indent[0] if indent else ''}{line}" for line in lines)
                found += [*self._lines[done : begin + 1], self._newlines(shown)]
                done = end
        return "".join([self._mark_of_order, *found, *self._lines[done:]])

    def _newlines(self, text: str) -> str:
        return text.replace("\n", self._newline)

    def _whole(self) -> Iterator[Picture]:
        mark = _IN_MERMAID.fullmatch(self._lines[0]) if self._lines else None
        if mark is not None:
            yield Picture(mark["place"], 1, _normal(self._lines[1:]))

    def _between_marks(self) -> Iterator[Picture]:
        for begin, end in self._places():
            mark = _BEGIN.fullmatch(self._lines[begin])
            assert mark is not None
            inside = [line for line in self._lines[begin + 1 : end] if not _FENCE.match(line)]
            yield Picture(mark["place"], begin + 1, _normal(inside))

    def _places(self) -> Iterator[tuple[int, int]]:
        """Yield the lines with the marks of each picture; marks inside of code blocks are text."""
        fence = ""
        begin: int | None = None
        for number, line in enumerate(self._lines):
            if begin is not None:
                if _END.fullmatch(line):
                    yield begin, number
                    begin = None
                elif _BEGIN.fullmatch(line):
                    break
            elif fence:
                if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                    fence = ""
            elif mark := _FENCE.match(line):
                fence = mark[1]
            elif _BEGIN.fullmatch(line):
                begin = number
        if begin is not None:
            raise CommandError(f"{self._path}:{begin + 1}: the picture has no end; write <!-- end --> under it")


def is_one_picture(path: Path) -> bool:
    """Whether a file is a picture as a whole, by its name."""
    return path.suffix in _MERMAID


def new_document(path: Path, place: str, text: str) -> str:
    """Return the text of a file that is not there yet, and has one picture."""
    if is_one_picture(path):
        return _in_file(place, text)
    return f"<!-- dddkit draw {place} -->\n{_fenced(text)}<!-- end -->\n"


def is_same(picture: Picture, text: str) -> bool:
    """Whether a picture is as it would be drawn."""
    return picture.text == _normal(text.splitlines())


def _normal(lines: list[str]) -> str:
    """Return lines without what editors change: indentation as a whole, spaces at ends, empty lines."""
    return "\n".join(line.strip() for line in lines if line.strip())


def _fenced(text: str) -> str:
    return f"```mermaid\n{text}```\n"


def _in_file(place: str, text: str) -> str:
    return f"%% dddkit draw {place}\n{text}"


def _read(path: Path) -> str:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # to read a device may never end
            raise CommandError(f"{path} is no file; name a file")
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} is no text in UTF-8") from None
