"""`expected`: which exceptions are refusals, outcomes of the domain and no faults."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

from dddkit._callables import kind_of
from dddkit.exceptions import CompensationError
from dddkit.stories._engine.status import StepStatus

__all__ = ["REFUSED", "expected_errors", "is_expected", "outcome_word"]

REFUSED: Final = "refused"
"""How metrics and spans say that an expected exception has stopped a step or a run."""


def expected_errors(given: object, described: str) -> tuple[type[Exception], ...]:
    """Return the exception classes that a hook was given as `expected`; their order and repetitions mean nothing.

    Args:
        given: one class, or an iterable of classes.
        described: what messages call the hook.

    Raises:
        TypeError: it is something else, or a class that is never expected.
    """
    if isinstance(given, (type, str, BaseException)) or not isinstance(given, Iterable):
        given = (given,)
    found = {_checked(one, f"{described}(expected=...)") for one in cast("Iterable[object]", given)}
    return tuple(sorted(found, key=lambda one: (one.__module__, one.__qualname__, id(one))))


def _checked(one: object, described: str) -> type[Exception]:
    shown = kind_of(one)
    if not isinstance(one, type):
        instead = ", an object of one" if isinstance(one, BaseException) else ""
        raise TypeError(f"{described} takes exception classes, not {shown}{instead}: expected=(PaymentDeclined,)")
    if not issubclass(one, Exception):
        why = "which ends a run as cancelled" if issubclass(one, BaseException) else "which is no exception"
        raise TypeError(f"{described} takes exception classes, not {shown}, {why}; take it out")
    if issubclass(one, CompensationError):
        raise TypeError(
            f"{described} cannot take {shown}: something is left that was not undone, and a person has to look; "
            f"take it out"
        )
    return one


def is_expected(error: BaseException | None, expected: tuple[type[Exception], ...]) -> bool:
    """Return whether this exception is a refusal; a CompensationError never is."""
    if not expected:
        return False
    kinds = type(error).__mro__  # as `except` decides, without asking the classes
    return CompensationError not in kinds and any(kind in expected for kind in kinds)


def outcome_word(status: StepStatus, error: BaseException | None, expected: tuple[type[Exception], ...]) -> str:
    """Return the word of metrics and spans for how a step or a run has ended."""
    return REFUSED if is_expected(error, expected) else status.name.lower()
