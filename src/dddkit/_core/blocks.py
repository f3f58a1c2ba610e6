"""The `with` blocks of changes handlers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from threading import current_thread
from typing import Any, Final, final

from dddkit._core.events import Recordable
from dddkit._core.recording import Recording, discard, pending_events, remaining

__all__ = ["Block", "block_opened_here", "blocks_by_copy", "open_block"]


@final
class Block:
    """One `with` block of a changes handler: remembers the events that were folded in it.

    It belongs to the task or thread that opened it.

    Attributes:
        copy: the copy of the handler that the block works with.
    """

    __slots__ = ("_closed", "_enclosing", "_folded", "_handler", "_owner", "copy")

    def __init__(self, handler: object, handler_copy: object) -> None:
        self.copy: Final = handler_copy
        self._handler: Final = handler
        self._owner: Final = _current_owner()
        self._closed = False
        self._enclosing: Final = open_block(handler)
        # By the id of the list of pending events, which moves to the next state of an aggregate (`evolve`). The value
        # contains the list, which keeps it alive, so that no other gets its id.
        self._folded: Final[dict[int, tuple[list[Recordable], list[Recordable]]]] = {}

    def open(self) -> None:
        _opened.set((*_opened.get(), self))
        blocks_by_copy[id(self.copy)] = self

    def fold(self, fold: Callable[[Any, Sequence[Recordable]], Any], aggregate: Recording) -> Any:
        """Fold the events that neither this block nor one around it has folded; return the result."""
        pending = pending_events(aggregate)
        events = remaining(pending, self._folded_of(pending))
        result = fold(aggregate, events)
        self._folded.setdefault(id(pending), (pending, []))[1].extend(events)
        return result

    def close(self, *, discard_events: bool) -> None:
        """End the block; discard the events folded in it, or leave them pending."""
        _opened.set(tuple(other for other in _opened.get() if other is not self))
        del blocks_by_copy[id(self.copy)]
        self._closed = True
        if discard_events:
            for pending, events in self._folded.values():
                discard(pending, events)
        self._folded.clear()

    def is_open(self, handler: object, owner: object) -> bool:
        """Return whether the owner has this block open on the handler."""
        return self._handler is handler and self._owner is owner and not self._closed

    def _folded_of(self, pending: list[Recordable]) -> list[Recordable]:
        earlier = self._enclosing._folded_of(pending) if self._enclosing is not None else []
        return earlier + self._folded.get(id(pending), (pending, []))[1]


blocks_by_copy: Final[dict[int, Block]] = {}
"""The open blocks of all tasks and threads, by the id of their copy of the handler, which they keep alive.

The copy can be given to another task, and finds its block here. While there is none, a call need not read the context.
"""

_opened: Final[ContextVar[tuple[Block, ...]]] = ContextVar("dddkit_changes_blocks", default=())


def open_block(handler: object) -> Block | None:
    """Return the innermost block that this task or thread has open on the handler, or whose copy the handler is."""
    return block_opened_here(handler) or blocks_by_copy.get(id(handler))


def block_opened_here(handler: object) -> Block | None:
    """Return the innermost block that this task or thread has open on the handler."""
    if blocks := _opened.get():
        owner = _current_owner()
        for block in reversed(blocks):
            if block.is_open(handler, owner):
                return block
    return None


def _current_owner() -> object:
    """Return the current task, else the thread. A task inherits the context variable of the one that started it."""
    asyncio = sys.modules.get("asyncio")  # where a task runs, it has been imported
    if asyncio is not None:
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no loop runs in this thread
            task = None
        if task is not None:
            return task
    return current_thread()
