"""The changes handler: the same in both flavours."""

from dddkit._core.changes import ChangesHandler

__all__ = ["ChangesHandler"]
