"""Durable stories on DBOS: they go on where they were when their process ends."""

from __future__ import annotations

from dddkit.stories.dbos import _requirements as _requirements  # isort: skip  # first: it says what to install
from dddkit.stories.dbos.settings import settings

__all__ = ["settings"]
