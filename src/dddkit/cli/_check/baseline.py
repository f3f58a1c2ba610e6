"""A baseline: what was found before, and is not to be reported again."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeGuard, cast

from dddkit.cli._check.diagnostics import Diagnostic
from dddkit.cli._failure import CommandError

_VERSION: Final = 1
_KEY: Final = "dddkit_baseline"

_Entry: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True)
class Baseline:
    """What a baseline file holds.

    A diagnostic is known by its file, code and message, without its line: code moves. What occurs twice stands there
    twice, so that a third one is new.
    """

    path: Path
    known: Counter[_Entry]

    @classmethod
    def read(cls, path: Path) -> Baseline:
        """Read a baseline file.

        Raises:
            CommandError: it does not exist, is no baseline, or one of another version.
        """
        try:
            content: object = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CommandError(f"the baseline {path} does not exist; write it with --write-baseline") from None
        except OSError as error:
            raise CommandError(f"the baseline {path} cannot be read: {error.strerror}") from None
        except ValueError:
            raise CommandError(f"the baseline {path} is no JSON; write it again with --write-baseline") from None
        if not _is_object(content) or _KEY not in content:
            raise CommandError(f"{path} is no baseline of dddkit check; did you mean another file?")
        version = content[_KEY]
        if version != _VERSION:
            raise CommandError(
                f"the baseline {path} is of version {version!r}, and this dddkit reads version {_VERSION}; "
                "write it again with --write-baseline"
            )
        try:
            contents = cast("list[dict[str, Any]]", content["diagnostics"])
            known = Counter({_entry(content): int(content["count"]) for content in contents})
        except (KeyError, TypeError, ValueError):
            raise CommandError(
                f"the baseline {path} has an entry that dddkit did not write; write it again with --write-baseline"
            ) from None
        return cls(path, known)

    @classmethod
    def of(cls, path: Path, diagnostics: Sequence[Diagnostic], checked: Set[Path]) -> Baseline:
        """Return what is to be kept in a file: all these, and what it holds of other files, which were not checked.

        Raises:
            CommandError: the file is there already, and is no baseline.
        """
        known = Counter(_key(path, diagnostic) for diagnostic in diagnostics)
        seen = {_name(path, file) for file in (*checked, *(diagnostic.file for diagnostic in diagnostics))}
        for entry, count in _held_by(path).items():
            if entry[0] not in seen and (path.parent / entry[0]).exists():
                known[entry] = count
        return cls(path, known)

    def write(self) -> None:
        """Write the file.

        Raises:
            CommandError: it cannot be written.
        """
        entries = [
            {"file": file, "code": code, "message": message, "count": count}
            for (file, code, message), count in sorted(self.known.items())
        ]
        text = json.dumps({_KEY: _VERSION, "diagnostics": entries}, indent=2, ensure_ascii=False)
        try:
            self.path.write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise CommandError(f"the baseline {self.path} cannot be written: {error.strerror}") from None

    def divide(self, diagnostics: Iterable[Diagnostic], checked: Set[Path]) -> tuple[list[Diagnostic], int]:
        """Return what is not in the baseline, and how many of its entries in the checked files are gone."""
        left = Counter(self.known)
        new: list[Diagnostic] = []
        for diagnostic in diagnostics:
            key = _key(self.path, diagnostic)
            if left[key]:
                left[key] -= 1
            else:
                new.append(diagnostic)
        names = {_name(self.path, file) for file in checked}
        gone = sum(
            count for (file, _, _), count in left.items() if file in names or not (self.path.parent / file).exists()
        )
        return new, gone


def _held_by(path: Path) -> Counter[_Entry]:
    """Return what a file holds that is to be written again; nothing, if it is a baseline that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Counter()
    except (OSError, ValueError):
        text = " "
    if text and f'"{_KEY}"' not in text:
        raise CommandError(f"{path} is there already, and is no baseline of dddkit check; name another file")
    try:
        return Baseline.read(path).known
    except CommandError:  # with two sides of a merge in it, or of another version: that is why it is written again
        return Counter()


def _is_object(content: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(content, dict)


def _entry(content: dict[str, Any]) -> _Entry:
    return str(content["file"]), str(content["code"]), str(content["message"])


def _key(path: Path, diagnostic: Diagnostic) -> _Entry:
    return _name(path, diagnostic.file), diagnostic.code, diagnostic.gist


def _name(path: Path, file: Path) -> str:
    """Return a file as the baseline calls it: relative to the folder of the baseline, and the same on each system."""
    return Path(os.path.relpath(file, path.absolute().parent)).as_posix()
