"""Checking a catalog against its lock file, and locking what it says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from os import PathLike

from dddkit.messages._lock import lock_file, wording
from dddkit.messages._lock.comparison import Difference, Schemas, differences
from dddkit.messages._lock.generator import LockedSchema
from dddkit.messages._lock.lock_file import Lock, LockedMessage, LockFileError
from dddkit.messages._lock.normal_form import normal_form, text_of
from dddkit.messages.catalog import CatalogEntry, EventCatalog

__all__ = ["check_events", "lock_events"]


def check_events(catalog: EventCatalog, path: str | PathLike[str]) -> None:
    """Check that the events are those of the lock file, so that nobody who reads them breaks: call it in a test.

    A change that is additive (a field with a default) is an error too until it is locked, because without that a later
    change could take it back unnoticed. It sees types and constraints. It does not see what code does: validators,
    serializers, `__post_init__`.

    Args:
        catalog: what the events of this service are called.
        path: of the lock file that `lock_events` has written; keep it under version control.

    Raises:
        AssertionError: with a line for each problem: what has changed in which message, and what to do.
    """
    __tracebackhide__ = True
    if problems := list(_problems(catalog, path)):
        raise AssertionError("\n".join(problems))


def lock_events(catalog: EventCatalog, path: str | PathLike[str]) -> None:
    """Write what the events of a catalog are to its lock file.

    Call it after each change of an event that `check_events` is not satisfied with, and commit the file. A message that
    is not in the catalog any more stays in the file until somebody deletes it there: others may still send it.

    Raises:
        ValueError: a change would break readers and has not raised the version, or the file is none of this catalog;
            with the lines of `check_events`. The file is as it was.
        OSError: the file cannot be written.
    """
    try:
        lock = lock_file.read(path) or Lock(catalog.source, {})
    except LockFileError as error:
        raise ValueError(str(error)) from None
    problems = [*_about_source(lock, catalog, path)]
    locked = dict(lock.messages)
    for entry in catalog._entries():  # pyright: ignore[reportPrivateUsage]  # for the packages of the kit
        message = LockedMessage(entry.version, _schemas(entry))
        if entry.name in locked:
            problems += _breaking(entry, locked[entry.name], message)
        locked[entry.name] = message
    if problems:
        raise ValueError("\n".join(problems))
    lock_file.write(path, Lock(lock.source, locked))


def _problems(catalog: EventCatalog, path: str | PathLike[str]) -> Iterator[str]:
    try:
        lock = lock_file.read(path)
    except LockFileError as error:
        yield str(error)
        return
    if lock is None:
        yield f"{os.fspath(path)} does not exist; run lock_events, and commit the file"
        return
    yield from _about_source(lock, catalog, path)
    entries = {entry.name: entry for entry in catalog._entries()}  # pyright: ignore[reportPrivateUsage]  # of the kit
    for name in sorted({*entries, *lock.messages}):
        if name not in entries:
            yield (
                f"{name}.v{lock.messages[name].version} was removed; add it to the catalog again, or delete it from "
                f"{os.fspath(path)} once nobody sends it"
            )
        elif name not in lock.messages:
            yield f"{entries[name].type} is not locked yet; run lock_events"
        else:
            yield from _about_message(entries[name], lock.messages[name])
    try:
        catalog.check()
    except ValueError as error:
        yield str(error)


def _about_source(lock: Lock, catalog: EventCatalog, path: str | PathLike[str]) -> Iterator[str]:
    if lock.source != catalog.source:
        yield (
            f'{os.fspath(path)} locks the events of "{lock.source}", and this catalog is "{catalog.source}"; '
            f'give each catalog a file of its own, or change "source" there if it has been renamed'
        )


def _about_message(entry: CatalogEntry, locked: LockedMessage) -> Iterator[str]:
    message = LockedMessage(entry.version, _schemas(entry))
    if breaking := list(_breaking(entry, locked, message)):
        yield from breaking
    elif locked.version < message.version:
        yield f"{entry.type} is not locked yet; run lock_events"
    elif text_of(locked) != text_of(message):  # else 1 and true would be the same
        found = differences(locked.schemas, message.schemas) or [Difference("data", wording.READS_MORE, breaking=False)]
        for difference in found:
            yield f"{entry.type}: {difference}; run lock_events"


def _breaking(entry: CatalogEntry, locked: LockedMessage, message: LockedMessage) -> Iterator[str]:
    if message.version < locked.version:
        yield f"{entry.type}: version {locked.version} is locked; go back to it, or on to {locked.version + 1}"
    elif message.version == locked.version:
        for difference in differences(locked.schemas, message.schemas):
            if difference.breaking:
                yield f"{entry.type}: {difference}; {difference.advice}"


def _schemas(entry: CatalogEntry) -> Schemas:
    written = normal_form(entry.codec.schema("serialization", LockedSchema))
    return Schemas(written, normal_form(entry.codec.schema("validation", LockedSchema)))
