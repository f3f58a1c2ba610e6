"""An exception as JSON, and back."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from importlib import import_module
from typing import Any, Final, cast
from uuid import UUID

from dddkit.exceptions import StepFailedError

__all__ = ["from_json", "to_json"]

# Any: arguments of exceptions, and JSON.


def to_json(error: BaseException) -> dict[str, Any]:
    """Return an exception as JSON: its class, its message, its notes, and the class and message of what caused it.

    Its arguments are added where they make an equal one again: of the same class, with the same arguments and message.
    """
    data: dict[str, Any] = {"class": _path_of(type(error)), "text": _text_of(error)}
    notes: Any = getattr(error, "__notes__", None)
    if type(notes) is _LIST and all(isinstance(note, str) for note in notes):
        data["notes"] = [*notes]
    if causes := [{"class": _path_of(type(cause)), "text": _text_of(cause)} for cause in _causes_of(error)]:
        data["causes"] = causes
    try:
        return {**data, **_recipe(error, data)}
    except Exception:  # the class is the user's, and may do anything
        return data


def from_json(data: Mapping[str, Any], story: str, step: str) -> Exception:
    """Return the exception; a StepFailedError where it cannot be made again.

    Args:
        data: what `to_json` has returned.
        story: the name of the story, for a StepFailedError.
        step: the name of the step that has raised it, for a StepFailedError.
    """
    made: Any = _made(data, story, step) or _failed(data, story, step)
    if data.get("notes"):
        made.__notes__ = [*data["notes"]]  # what add_note of 3.11 does
    above: BaseException = made
    for cause in data.get("causes", ()):
        above.__cause__ = _failed(cause, story, step)
        above = above.__cause__
    return made  # type: ignore[no-any-return]  # an exception


def _recipe(error: BaseException, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes the exception again. Raises if nothing does."""
    reduced: Any = error.__reduce__()
    arguments = reduced[1] if reduced[0] is type(error) else error.args
    recipe: dict[str, Any] = {"args": [_encoded(argument) for argument in arguments]}
    made = _made({**data, **recipe}, "", "")
    if (
        made is None
        or type(made) is not type(error)
        or _text_of(made) != data["text"]
        or _shape(made.args) != _shape(error.args)
    ):
        raise TypeError("its arguments do not make it again")
    if attributes := dict(_attributes(error, made)):
        recipe["attributes"] = attributes
    return recipe


def _attributes(error: BaseException, made: BaseException) -> Iterator[tuple[str, Any]]:
    """Yield what the constructor does not set alone, as far as JSON holds it.

    Raises TypeError for what the constructor sets to another value, and JSON does not hold: the exception would lie.
    """
    known = vars(made)
    for name, value in vars(error).items():
        if name == "__notes__" or (name in known and known[name] is value):
            continue
        try:
            encoded = _encoded(value)
        except (TypeError, RecursionError):
            if name in known and known[name] != value:
                raise
            continue
        if name not in known or not _holds(known[name], encoded):
            yield name, encoded


def _holds(value: Any, encoded: Any) -> bool:
    try:
        return repr(_encoded(value)) == repr(encoded)
    except (TypeError, RecursionError):
        return False


def _made(data: Mapping[str, Any], story: str, step: str) -> Exception | None:
    """Return the exception as its class makes it; None where that is not possible (any more)."""
    cls = _found(data["class"])
    if "args" not in data or cls is None or not issubclass(cls, Exception):
        return None
    try:
        made = cls(*(_decoded(argument, story, step) for argument in data["args"]))
        vars(made).update({name: _decoded(value, story, step) for name, value in data.get("attributes", {}).items()})
    except Exception:  # the class takes other arguments today
        return None
    return made if type(made) is cls else None


def _failed(data: Mapping[str, Any], story: str, step: str) -> StepFailedError:
    return StepFailedError(story, step, data["class"].replace(":", ".").removeprefix("builtins."), data["text"])


def _causes_of(error: BaseException) -> Iterator[BaseException]:
    seen = {id(error)}
    while len(seen) < _MOST:
        cause = error.__cause__
        if cause is None and not error.__suppress_context__:
            cause = error.__context__
        if cause is None or id(cause) in seen:
            return
        seen.add(id(cause))
        yield cause
        error = cause


def _text_of(error: BaseException | None) -> str:
    try:
        return str.__str__(str(error))
    except Exception:
        return "(its message cannot be read)"


def _path_of(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _found(path: str) -> type[Any] | None:
    """Return the class of that module and name; None for one that is not there, or is no exception and no Enum."""
    module, _, name = path.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        return None  # a class of a function, which only that function makes
    try:
        found: Any = sys.modules.get(module) or import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit):  # importing runs code of the user's
        return None
    return found if isinstance(found, type) and issubclass(found, (Exception, Enum)) else None


def _shape(value: Any) -> Any:
    """Return what two values have in common if they are equal; exceptions inside of them count by their number."""
    cls = cast("type[object]", type(value))
    if cls in (_TUPLE, _LIST):
        return [cls.__name__, *map(_shape, value)]
    return "an exception" if isinstance(value, Exception) else repr(_encoded(value))


def _encoded(value: Any) -> Any:
    """Return a value as JSON: a text, a number, a list as they are, others as an object with the name of their kind."""
    cls = cast("type[object]", type(value))
    if value is None or cls in (str, bool, int) or (cls is float and math.isfinite(value)):
        return value
    if cls is _LIST:
        return [_encoded(item) for item in value]
    if cls is _TUPLE:
        return {"tuple": [_encoded(item) for item in value]}
    if cls is _DICT:
        return {"dict": [[_encoded(key), _encoded(item)] for key, item in value.items()]}
    if cls in _TEXTS:
        name, to_text, _ = _TEXTS[cls]
        return {name: to_text(value)}
    if isinstance(value, Enum) and _found(_path_of(cls)) is cls:
        return {"enum": [_path_of(cls), value.name]}
    if isinstance(value, Exception):
        return {"exception": to_json(value)}
    raise TypeError(f"{cls.__qualname__} is not written")


def _decoded(data: Any, story: str, step: str) -> Any:
    if type(data) is _LIST:
        return [_decoded(item, story, step) for item in data]
    if type(data) is not _DICT:
        return data
    [(kind, content)] = data.items()
    if kind == "tuple":
        return tuple(_decoded(item, story, step) for item in content)
    if kind == "dict":
        return {_decoded(key, story, step): _decoded(item, story, step) for key, item in content}
    if kind == "enum":
        members: Any = _found(content[0])
        return members[content[1]]
    if kind == "exception":
        return from_json(content, story, step)
    return _READERS[kind](content)


def _text_of_duration(value: timedelta) -> str:
    return f"{value.days} {value.seconds} {value.microseconds}"


def _duration(text: str) -> timedelta:
    days, seconds, microseconds = map(int, text.split())
    return timedelta(days, seconds, microseconds)


_LIST: Final[Any] = list  # Any: else checkers believe to know what is in it
_TUPLE: Final[Any] = tuple
_DICT: Final[Any] = dict

_MOST: Final = 10
"""How many causes of causes are recorded."""

_TEXTS: Final[dict[type, tuple[str, Callable[[Any], str], Callable[[str], Any]]]] = {
    float: ("float", str, float),  # one that is not finite
    bytes: ("bytes", bytes.hex, bytes.fromhex),
    UUID: ("uuid", str, UUID),
    Decimal: ("decimal", str, Decimal),
    datetime: ("datetime", datetime.isoformat, datetime.fromisoformat),
    date: ("date", date.isoformat, date.fromisoformat),
    time: ("time", time.isoformat, time.fromisoformat),
    timedelta: ("timedelta", _text_of_duration, _duration),
}
_READERS: Final = {name: read for name, _, read in _TEXTS.values()}
