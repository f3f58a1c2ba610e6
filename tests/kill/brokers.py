"""The brokers: what a run declares there, publishes to, consumes from, and finds at the end."""

from __future__ import annotations

from tests.kill.bank import Change
from tests.kill.setups import Setup

__all__ = ["content", "declare"]


async def content(setup: Setup) -> list[Change]:
    raise NotImplementedError


async def declare(setup: Setup) -> None:
    raise NotImplementedError
