"""The identities that a column can hold, in every database."""

from __future__ import annotations

from typing import Any, Final, TypeVar, cast
from uuid import UUID

from dddkit._callables import kind_of

__all__ = ["PLAIN", "is_storable", "key_of"]

PLAIN: Final = (int, str, UUID)
"""The types of such identities."""

KindT = TypeVar("KindT")

_LIMIT: Final = 2**63


def is_storable(key: int | str | UUID) -> bool:
    """Return whether a column can hold it: an int of 64 bits, a str without NUL and lone surrogates, any UUID."""
    if isinstance(key, int):
        return -_LIMIT <= key < _LIMIT
    if isinstance(key, UUID):
        return True
    return "\0" not in key and (key.isascii() or key.encode("utf-8", "ignore").decode() == key)


def key_of(name: str, cls: type, kind: type[KindT], identity: object) -> KindT:
    """Return what the repository called `name` finds an identity of this kind by: without what a subclass adds.

    Raises:
        TypeError: it is of another type.
    """
    if not isinstance(identity, kind) or (kind is int and isinstance(identity, bool)):
        hint = "; await it, or check for None first" if identity is None else ""
        raise TypeError(
            f"{name} finds {cls.__qualname__} by an identity of type {kind.__name__}, and got {kind_of(identity)}{hint}"
        )
    found: Any = identity
    if kind is str:
        found = str.__str__(found)
    elif kind is int:
        found = int.__int__(found)
    return cast("KindT", found)
