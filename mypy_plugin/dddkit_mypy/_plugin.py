"""Which hook asks which rules."""

from __future__ import annotations

from mypy.plugin import Plugin


class DDDKitPlugin(Plugin):
    """What mypy talks to."""
