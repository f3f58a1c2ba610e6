"""Which identities a column can hold, in every database."""

from __future__ import annotations

from uuid import UUID

__all__ = ["is_storable"]

_LIMIT = 2**63


def is_storable(key: int | str | UUID) -> bool:
    """Return whether a column can hold it: an int of 64 bits, a str without NUL and lone surrogates, any UUID."""
    if isinstance(key, int):
        return -_LIMIT <= key < _LIMIT
    if isinstance(key, UUID):
        return True
    return "\0" not in key and (key.isascii() or key.encode("utf-8", "ignore").decode() == key)
