"""What makes the facts of a contract tests that pytest and unittest find and report as their own."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

__all__ = ["NotTheContractItself", "outcome", "skipped"]


def skipped(why: str) -> Exception:
    from unittest import SkipTest  # which pytest understands too

    return SkipTest(why)


async def outcome(check: Coroutine[Any, Any, None]) -> Exception | None:
    """Return the exception of a test, without the frames of what runs it."""
    try:
        await check
    except Exception as error:
        return error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
    return None


class NotTheContractItself:
    """`__test__` of the contracts, which are no tests; their subclasses have none, and so go by their names."""

    def __get__(self, _instance: object, owner: type) -> bool:
        if owner.__module__ in ("dddkit.testing._facts", "dddkit.testing.contracts"):
            return False
        raise AttributeError(f"{owner.__qualname__} has no __test__")
