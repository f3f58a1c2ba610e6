"""The versions of a stored aggregate: by them a repository sees that it has changed since it was read."""

from __future__ import annotations

import os
from typing import Any, Final
from uuid import uuid4
from weakref import WeakValueDictionary

from dddkit._core.identity import identity_of

__all__ = ["MemoryStore", "Versions", "carry_versions", "forget_versions", "set_version", "version_of"]

Versions = tuple[tuple[str, Any, int], ...]
"""What an aggregate keeps: (store, identity, version), one for each store.

The store is the name of a MemoryStore, or the qualified name of a table. The identity tells whether the object is still
the one that was stored: a copy may get another. Names and tuples, since copies share them, and pickles keep them.
"""


class MemoryStore:
    """What versions belong to where aggregates are stored in memory.

    A deep copy, and what is unpickled, is another store: from then on each of the two is changed alone.
    """

    __slots__ = ("__weakref__", "name")

    def __init__(self) -> None:
        self.name: Final = f"{_stores_of_this_process()}{uuid4().hex}"
        _living[self.name] = self

    def __deepcopy__(self, _memo: dict[int, Any]) -> MemoryStore:
        return MemoryStore()

    def __reduce__(self) -> tuple[type[MemoryStore], tuple[()]]:
        return MemoryStore, ()


_living: Final[WeakValueDictionary[str, MemoryStore]] = WeakValueDictionary()


def version_of(aggregate: object, store: str) -> int | None:
    """Return the version that the store read or stored the aggregate as; None for a new object."""
    for known, identity, version in _versions(aggregate):
        if known == store:
            return version if identity == identity_of(aggregate) else None
    return None


def set_version(aggregate: object, store: str, version: int) -> None:
    known = (store, identity_of(aggregate), version)
    others = [one for one in _versions(aggregate) if one[0] != store and not _is_gone(one[0])]
    _set_versions(aggregate, (*others, known) if others else (known,))


def carry_versions(source: object, target: object) -> None:
    """Give a copy the versions of its original. With another identity than that, they do not count."""
    if versions := _versions(source):
        _set_versions(target, versions)


def forget_versions(aggregate: object) -> None:
    _set_versions(aggregate, ())


def _versions(aggregate: object) -> Versions:
    return getattr(aggregate, "_stored_versions", ())


def _set_versions(aggregate: object, versions: Versions) -> None:
    object.__setattr__(aggregate, "_stored_versions", versions)


def _is_gone(store: str) -> bool:
    """Return whether this was a store in the memory of this process, so that an object need not keep its version."""
    return store.startswith(_stores_of_this_process()) and store not in _living


def _stores_of_this_process() -> str:
    return f"memory:{os.getpid()}:"
