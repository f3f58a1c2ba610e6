"""Exceptions that a hook is told to expect: outcomes of the domain, and no faults."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from dddkit._callables import kind_of

__all__ = ["expected_errors"]


def expected_errors(given: object, described: str) -> tuple[type[Exception], ...]:
    """Return the classes; their order and repetitions mean nothing.

    Args:
        given: what the user has passed as `expected`: a class, or several.
        described: what messages call the hook.

    Raises:
        TypeError: it is no exception class, nor an iterable of such.
    """
    is_one = isinstance(given, (type, str)) or not isinstance(given, Iterable)
    classes = (given,) if is_one else tuple(cast("Any", given))
    for one in classes:
        if not (isinstance(one, type) and issubclass(one, Exception)):
            raise TypeError(
                f"{described}(expected=...) takes exception classes, not {kind_of(one)}: expected=(PaymentDeclined,)"
            )
    return tuple(sorted(set(classes), key=lambda one: (one.__module__, one.__qualname__)))
