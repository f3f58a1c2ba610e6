"""Errors of the plugin itself become a diagnostic that says where to report them, never mypy's INTERNAL ERROR."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from mypy.nodes import Context

from dddkit_mypy._codes import INTERNAL
from dddkit_mypy._rule import Reporter
from dddkit_mypy.mypy_api import CompileError

WHERE: Final = "https://github.com/mom1/dddkit/issues"


def is_reported(error: Exception, api: Reporter, context: Context, what: str) -> bool:
    """Report an error of the plugin; return False for an error that the caller must raise again.

    Those are mypy's own, and all under `--show-traceback`.
    """
    if isinstance(error, CompileError) or api.options.show_traceback:
        return False
    api.fail(
        f"{what} could not be checked ({type(error).__name__}: {error}); this is a fault of dddkit_mypy, not "
        f"of your code: please report it at {WHERE}, with what --show-traceback prints",
        context,
        code=INTERNAL,
    )
    return True


class Guard:
    """Report the errors of a block; code that runs for every line calls `is_reported` in an `except` instead."""

    __slots__ = ("_api", "_context", "_what")

    def __init__(self, api: Reporter, context: Context, what: str) -> None:
        self._api = api
        self._context = context
        self._what = what

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        return isinstance(error, Exception) and is_reported(error, self._api, self._context, self._what)
