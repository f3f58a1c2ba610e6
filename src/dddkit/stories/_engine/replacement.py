"""What happens in place of one step of one run: how the testing kit stops a story at a step, or lets a step fail.

The run has a source of its own, so that no other run of the class changes. A story with a handwritten `__call__` gets
to its steps by `super().__call__(state)`, which is `run_story`: there it finds its replacement in a context variable.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, Final

from dddkit._context import reset_variable, set_variable

__all__ = ["OPEN", "Halt", "Replacement", "replacement_for"]


class Halt(BaseException):
    """Ends a run as cancelled, and undoes nothing."""


class Replacement:
    """What happens in place of one step, in the next run of a story in this context.

    Args:
        story: the story.
        index: which of its steps.
        call: what is called instead of the step; what it returns is awaited where the step's result would be.
        halts: whether the run stops before the step, so that no hook of the step is called.

    Attributes:
        is_taken: whether the run has begun.
    """

    __slots__ = ("_token", "call", "halts", "index", "is_taken", "story")

    def __init__(self, story: object, index: int, call: Callable[[], object], *, halts: bool) -> None:
        self.story: Final = story
        self.index: Final = index
        self.call: Final = call
        self.halts: Final = halts
        self.is_taken = False
        self._token: Token[Replacement | None] | None = None

    def __enter__(self) -> None:
        OPEN.add(self)
        self._token = set_variable(_NEXT, self)

    def __exit__(self, *exc_info: object) -> None:
        OPEN.discard(self)
        if self._token is not None:
            token, self._token = self._token, None
            reset_variable(_NEXT, token)


OPEN: Final[set[Replacement]] = set()
"""The replacements in use anywhere: as long as it is empty, no run has to ask for one."""

_NEXT: Final[ContextVar[Replacement | None]] = ContextVar("dddkit_replacement", default=None)


def replacement_for(story: Any) -> Replacement | None:
    """Return what happens in place of a step in the run of this story that begins now, and in no later one."""
    found = _NEXT.get()
    if found is None or found.is_taken or found.story is not story:
        return None
    found.is_taken = True
    return found
