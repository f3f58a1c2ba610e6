"""The lock file: JSON that is read with care and replaced as a whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from os import PathLike
from typing import Any, Final, NamedTuple, TypeGuard, cast
from uuid import uuid4

from dddkit.messages._lock.comparison import Schemas
from dddkit.messages._lock.normal_form import Schema, text_of

FORMAT: Final = 1
_ANEW: Final = "restore it from version control"


class LockedMessage(NamedTuple):
    """What is locked of one message."""

    version: int
    schemas: Schemas


class Lock(NamedTuple):
    """The content of a lock file."""

    source: str
    messages: Mapping[str, LockedMessage]


class LockFileError(ValueError):
    """The file cannot be read as a lock file; the text says why, and what to do."""


def read(path: str | PathLike[str]) -> Lock | None:
    """Return what the file holds; None if there is none.

    Raises:
        LockFileError: it cannot be read, or holds something else.
    """
    try:
        with open(path, encoding="utf-8") as file:
            content: object = json.load(file, object_pairs_hook=_object)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LockFileError(f"{os.fspath(path)} cannot be read: {error.strerror}") from None
    except _TwiceError as error:
        raise LockFileError(f'{os.fspath(path)} says "{error}" twice; keep one of them, and run lock_events') from None
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        cure = "take one side of the merge conflict, and run lock_events" if _is_merged(path) else _ANEW
        raise LockFileError(f"{os.fspath(path)} is no JSON{where}; {cure}") from None
    return _lock(content, os.fspath(path))


def _is_merged(path: str | PathLike[str]) -> bool:
    with suppress(OSError, ValueError), open(path, "rb") as file:
        return any(line.startswith(b"<<<<<<< ") for line in file)
    return False


class _TwiceError(Exception):
    """An object has two values under one name, as merging two branches by hand leaves them."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return made


def write(path: str | PathLike[str], lock: Lock) -> None:
    """Replace the file, so that others find the old one or the new one whole; leave it alone if it says the same."""
    messages = {name: _content(lock.messages[name]) for name in sorted(lock.messages)}
    text = json.dumps({"format": FORMAT, "source": lock.source, "messages": messages}, indent=2) + "\n"
    target = os.path.realpath(path)  # a link stays one
    with suppress(OSError, ValueError), open(target, encoding="utf-8", newline="") as present:
        if present.read() == text:
            return
    made = f"{target}.{uuid4().hex}.tmp"
    try:
        with open(made, "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            shutil.copymode(target, made)
        os.replace(made, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(made)


def _content(message: LockedMessage) -> dict[str, object]:
    schemas = {side: json.loads(text_of(schema)) for side, schema in message.schemas._asdict().items()}
    return {"version": message.version, **schemas}


def _lock(content: object, path: str) -> Lock:
    if not _is_object(content) or "format" not in content:
        raise LockFileError(f"{path} is no lock file of events; {_ANEW}")
    if type(written := content["format"]) is int and written > FORMAT:
        raise LockFileError(f"{path} has format {written}, and this dddkit reads format {FORMAT}; upgrade dddkit")
    source, messages = content.get("source"), content.get("messages")
    if content["format"] != FORMAT or not isinstance(source, str) or not _is_object(messages):
        raise LockFileError(f"{path} is no lock file of events; {_ANEW}")
    return Lock(source, {name: _message(name, value, path) for name, value in messages.items()})


def _message(name: str, value: object, path: str) -> LockedMessage:
    if _is_object(value):
        version, written, read_ = value.get("version"), value.get("written"), value.get("read")
        if type(version) is int and version > 0 and _is_schema(written, written) and _is_schema(read_, read_):
            return LockedMessage(version, Schemas(written, read_))
    raise LockFileError(f"{path} does not say what {name} is; {_ANEW}")


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:  # Any: JSON
    return isinstance(value, dict)


def _is_schema(value: object, root: object) -> TypeGuard[Schema]:
    """Whether a value has the shape of a normal form, so that comparing finds what it looks for."""
    if not _is_object(value) or not _is_object(root):
        return False
    if "$ref" in value:
        reference = str(value["$ref"]).removeprefix("#/$defs/")
        meant: object = root["$defs"].get(reference) if _is_object(root.get("$defs")) else None
        return _is_object(meant) and "$ref" not in meant  # one that leads on may lead in a circle
    lists = [value[key] for key in ("anyOf", "prefixItems", "enum", "required") if key in value]
    by_name = [value[key] for key in ("properties", "$defs") if key in value]
    if not all(isinstance(each, list) for each in lists) or not all(map(_is_object, by_name)):
        return False
    parts = [value[key] for key in ("items", "propertyNames") if key in value]
    parts += [part for key in ("anyOf", "prefixItems") for part in cast("list[object]", value.get(key, []))]
    parts += [part for each in by_name for part in cast("dict[str, object]", each).values()]
    if not isinstance(value.get("additionalProperties"), bool):
        parts += [value[key] for key in ("additionalProperties",) if key in value]
    return all(_is_schema(part, root) for part in parts)
