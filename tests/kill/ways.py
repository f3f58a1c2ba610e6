"""The way to a broker and back: on it time passes, and processes are killed."""

from __future__ import annotations

import asyncio
import os
import signal
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dddkit.messages import Message
    from dddkit.sqlalchemy._publishing import Publish

__all__ = ["one_way", "there_and_back"]

LONGEST: Final = 0.005
"""Seconds."""

KILLED: Final = 0.005
"""How often a process is killed there. One that is killed at any time has seldom just sent what it has not recorded."""


async def one_way(random: Random) -> None:
    """Let a message travel, or an acknowledgement."""
    await asyncio.sleep(random.uniform(0, LONGEST))
    if random.random() < KILLED:
        os.kill(os.getpid(), signal.SIGKILL)


def there_and_back(publish: Publish, random: Random) -> Publish:
    """Publish to where it takes a while to get to."""

    async def publish_there_and_come_back(message: Message) -> None:
        await one_way(random)
        await publish(message)
        await one_way(random)

    return publish_there_and_come_back
