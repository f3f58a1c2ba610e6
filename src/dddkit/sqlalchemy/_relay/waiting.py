"""Waiting until there may be something to do: a commit of this process, from any thread, or the end of a pause."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

__all__ = ["Waiting"]


class Waiting:
    """What one running relay waits by."""

    def __init__(self) -> None:
        self._loop: Final = asyncio.get_running_loop()
        self._sleeping: asyncio.Future[None] | None = None
        self._is_light = False
        self._is_woken = False
        self.is_stopped = False

    def wake(self) -> None:
        """Let it look for messages, now or when its pause is over. From any thread; never raises."""
        if not self._is_woken:
            with suppress(RuntimeError):  # the loop is closed, so nobody waits any more
                self._loop.call_soon_threadsafe(self._woken)

    def stop(self) -> None:
        """End what it waits for, and let it wait for nothing from now on. In its own thread."""
        self.is_stopped = True
        self._end()

    def begin(self) -> None:
        """Note that it looks for messages now: what wakes it from here on may be one that it does not see."""
        self._is_woken = False

    async def sleep(self, seconds: float, *, light: bool) -> None:
        """Wait that long, or where it is light until a commit."""
        if self.is_stopped or seconds <= 0 or (light and self._is_woken):
            return
        self._is_light = light
        self._sleeping = future = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._end)
        try:
            await future
        finally:
            self._sleeping = None
            timer.cancel()

    def _woken(self) -> None:
        self._is_woken = True
        if self._is_light:
            self._end()

    def _end(self) -> None:
        if self._sleeping is not None and not self._sleeping.done():
            self._sleeping.set_result(None)
