"""Ending as a process that is asked to."""

from __future__ import annotations

import signal

__all__ = ["Stopping"]


class Stopping:
    """Whether SIGTERM has asked this process to end."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True
