"""The `with` blocks of changes handlers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from typing import Any, Final, final
from weakref import ReferenceType, ref

from dddkit._context import reset_variable, set_variable
from dddkit._core.events import AnyAggregateEvent
from dddkit._core.recording import Recording, discard, pending_events, remaining

__all__ = ["Block", "blocks_by_copy", "blocks_to_leave", "open_block"]


@final
class Block:
    """One `with` block of a changes handler: remembers the events that were folded in it.

    It belongs to the context (of `contextvars`) that opened it: so to one thread, or to one task of any framework.
    What they start has a copy of the context, which is another one.
    """

    __slots__ = ("__weakref__", "_before", "_enclosing", "_folded", "_handler", "_token", "copy")

    def __init__(self, handler: object, handler_copy: object) -> None:
        self.copy: object = handler_copy
        """The copy of the handler that the block works with."""
        self._handler: object = handler
        self._enclosing: Block | None = open_block(handler)
        self._token: Token[None] | None = None
        self._before: tuple[Block, ...] = ()
        # By the id of the list of pending events, which moves to the next state of an aggregate (`evolve`). The value
        # contains the list, which keeps it alive, so that no other gets its id.
        self._folded: Final[dict[int, tuple[list[AnyAggregateEvent], list[AnyAggregateEvent]]]] = {}

    def open(self) -> None:
        # Without those of the context that this one is a copy of, and those that were left elsewhere.
        kept = (block for block in _opened.get() if blocks_by_copy.get(id(block.copy)) is block)
        self._before = _opened.get()
        set_variable(_opened, (*(block for block in kept if block.belongs_here()), self))
        self._token = set_variable(_here, None)
        blocks_by_copy[id(self.copy)] = self

    def fold(self, fold: Callable[[Any, Sequence[AnyAggregateEvent]], Any], aggregate: Recording) -> Any:
        """Fold the events that neither this block nor one around it has folded; return the result."""
        pending = pending_events(aggregate)
        events = remaining(pending, self._folded_of(pending))
        result = fold(aggregate, events)
        self._folded.setdefault(id(pending), (pending, []))[1].extend(events)
        return result

    def close(self, *, discard_events: bool) -> None:
        """End the block; discard the events folded in it, or leave them pending."""
        blocks_by_copy.pop(id(self.copy), None)
        others = tuple(other for other in _opened.get() if other is not self)
        # The very tuple from before: below Python 3.12, another one would be lost where a finalizer sets the variable
        # while somebody else sets one, and the variable would be left with its address.
        set_variable(_opened, self._before if others == self._before else others)
        self._before = ()
        folded = [*self._folded.values()]
        self._folded.clear()
        # The context that opened it may live long, and keep the block.
        self.copy = self._handler = self._enclosing = self._token = None
        if discard_events:
            for pending, events in folded:
                discard(pending, events)

    def is_of(self, handler: object) -> bool:
        """Return whether the block is open on the handler."""
        return self._handler is handler

    def is_around_one_of(self, blocks: Sequence[Block]) -> bool:
        return any(block._enclosing is self for block in blocks)

    def belongs_here(self) -> bool:
        """Return whether the current context is the one that opened the block.

        Only a token tells: it can be used in the context where it was made. It can be used once, so the block gets
        another one.
        """
        if self._token is None:
            return False
        try:
            reset_variable(_here, self._token)
        except (ValueError, RuntimeError):  # made in another context; used, and then interrupted
            return False
        self._token = set_variable(_here, None)
        return True

    def release(self) -> None:
        """Keep the block only as long as the context that opened it, which alone can leave it from now on."""
        copy_id = id(self.copy)
        blocks_by_copy[copy_id] = ref(self, lambda _: blocks_by_copy.pop(copy_id, None))

    def _folded_of(self, pending: list[AnyAggregateEvent]) -> list[AnyAggregateEvent]:
        earlier = self._enclosing._folded_of(pending) if self._enclosing is not None else []
        return earlier + self._folded.get(id(pending), (pending, []))[1]


blocks_by_copy: Final[dict[int, Block | ReferenceType[Block]]] = {}
"""The open blocks of all tasks and threads, by the id of their copy of the handler, which they keep alive.

The copy can be given to another task, and finds its block here. While there is none, a call need not read the context.
"""

_opened: Final[ContextVar[tuple[Block, ...]]] = ContextVar("dddkit_changes_blocks", default=())
_here: Final[ContextVar[None]] = ContextVar("dddkit_changes_context")


def open_block(handler: object) -> Block | None:
    """Return the innermost block that this context has open on the handler, or whose copy the handler is."""
    block = _block_opened_here(handler)
    if block is None:
        found = blocks_by_copy.get(id(handler))
        block = found() if isinstance(found, ref) else found
    return block


def blocks_to_leave(handler: object) -> list[Block]:
    """Return the block that ends when the handler's `__exit__` is called, or those among which it is not known.

    It is the innermost one of this context. A framework may leave a block in another context than the one that opened
    it; then it is the innermost of all that are open on the handler, if there is only one.
    """
    block = _block_opened_here(handler)
    if block is not None:
        return [block]
    found = [block for block in list(blocks_by_copy.values()) if isinstance(block, Block) and block.is_of(handler)]
    innermost = [block for block in found if not block.is_around_one_of(found)]
    return innermost if len(innermost) == 1 else found


def _block_opened_here(handler: object) -> Block | None:
    for block in reversed(_opened.get()):
        if block.is_of(handler) and block.belongs_here():
            return block
    return None
