"""What does not fit, by path."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

__all__ = ["JsonMismatchError", "NoJsonError", "Path", "Problem", "class_text", "found", "mismatch", "shown"]

Path = tuple[str, ...]
Problem = tuple[Path, str]


class NoJsonError(TypeError):
    """Objects of a class would not come back from JSON.

    Attributes:
        problems: the path of a field and why, with what to write instead, each; the path of the class itself is "".
    """

    def __init__(self, message: str, problems: tuple[tuple[str, str], ...]) -> None:
        super().__init__(message, problems)
        self.problems = problems

    def __str__(self) -> str:
        return str(self.args[0])


class JsonMismatchError(ValueError):
    """A value does not fit its field, or JSON does not fit the class.

    Attributes:
        problems: a path, such as `lines.0.price`, and what is wrong there, each; the path of the object itself is "".
    """

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "; ".join(f"{path}: {problem}" if path else problem for path, problem in self.problems)


_LONGEST = 100
_MOST = 20  # a list of 10,000 wrong values is one mistake, and its message ends in a log


def mismatch(problems: Iterable[Problem]) -> JsonMismatchError:
    return JsonMismatchError(tuple((".".join(path), problem) for path, problem in islice(problems, _MOST)))


def found(value: object, declared: str) -> str:
    """Return what is wrong with a value of another class: never the value, which may be a secret."""
    return f"found {'None' if value is None else _indefinite(class_text(type(value)))}, where {declared} is declared"


def class_text(declared: object) -> str:
    """Return what messages call a type."""
    if declared is None or declared is type(None):
        return "None"
    if isinstance(declared, type) and not getattr(declared, "__args__", ()):
        return declared.__qualname__.rpartition("<locals>.")[2]
    return str(declared).replace("typing.", "").replace("~", "")


def shown(key: object) -> str:
    """Return the key of a dict, as it stands in a path."""
    try:
        text = str(key)
    except ValueError:  # an int of more digits than Python writes
        return "(a long number)"
    return (text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...").encode(errors="replace").decode()


def _indefinite(name: str) -> str:
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
