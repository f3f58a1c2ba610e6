"""The identities that a column can hold, in every database."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from dddkit._callables import kind_of

__all__ = ["PLAIN", "another_identity", "is_storable", "plain"]

PLAIN: Final = (int, str, UUID)
"""The types of such identities."""

_LIMIT: Final = 2**63


def is_storable(key: int | str | UUID) -> bool:
    """Return whether a column can hold it: an int of 64 bits, a str without NUL and lone surrogates, any UUID."""
    if isinstance(key, int):
        return -_LIMIT <= key < _LIMIT
    if isinstance(key, UUID):
        return True
    return "\0" not in key and (key.isascii() or key.encode("utf-8", "ignore").decode() == key)


def plain(kind: type[int | str | UUID], identity: object) -> int | str | UUID | None:
    """Return the value of an identity of this kind, without what a subclass adds; None where it is of another type."""
    if not isinstance(identity, kind) or isinstance(identity, bool):
        return None
    if isinstance(identity, UUID):
        return identity
    return str.__str__(identity) if isinstance(identity, str) else int.__int__(identity)


def another_identity(name: str, cls: type, kind: type, identity: object) -> TypeError:
    """Return the error for an identity of another type than the repository called `name` finds objects by."""
    hint = "; await it, or check for None first" if identity is None else ""
    return TypeError(
        f"{name} finds {cls.__qualname__} by an identity of type {kind.__name__}, and got {kind_of(identity)}{hint}"
    )
