"""An error of ours becomes a diagnostic that says where to report it, never mypy's INTERNAL ERROR."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from mypy.errors import CompileError
from mypy.nodes import Context

from dddkit_mypy._rule import Reporter, new_code

INTERNAL: Final = new_code("dddkit-internal", "Report errors of the dddkit plugin itself")
WHERE: Final = "https://github.com/mom1/dddkit/issues"


class Guard:
    """Run a check of ours; under `--show-traceback` its errors go on to mypy, which shows them."""

    __slots__ = ("_api", "_context", "_what")

    def __init__(self, api: Reporter, context: Context, what: str) -> None:
        self._api = api
        self._context = context
        self._what = what

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if not isinstance(error, Exception) or isinstance(error, CompileError) or self._api.options.show_traceback:
            return False
        self._api.fail(
            f"{self._what} could not be checked ({type(error).__name__}: {error}); this is a fault of dddkit_mypy, not "
            f"of your code: please report it at {WHERE}, with what --show-traceback prints",
            self._context,
            code=INTERNAL,
        )
        return True
