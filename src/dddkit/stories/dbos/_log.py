"""The log of the processes that run durable stories."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["LOGGER"]

LOGGER: Final = logging.getLogger("dddkit.stories.dbos")
