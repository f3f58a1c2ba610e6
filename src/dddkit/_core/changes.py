"""The changes handler: folds the pending events of an aggregate into the changes that a repository writes."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, Generic, TypeVar, cast

from dddkit._core.blocks import Block, blocks_by_copy, blocks_to_leave, open_block
from dddkit._core.events import AnyAggregateEvent
from dddkit._core.folding import make_fold, validated_result_type
from dddkit._core.recording import Recording, discard, pending_events
from dddkit._typing import Self

__all__ = ["ChangesHandler"]

AggregateT = TypeVar("AggregateT", bound=Recording)
ResultT = TypeVar("ResultT", bound=tuple[Any, ...])  # a NamedTuple; its fields are the user's


class ChangesHandler(Generic[AggregateT, ResultT]):
    """Folds the pending events of an aggregate into one typed result, which a repository writes.

        class BasketChanges(NamedTuple):
            added: list[Item]

        class BasketChangesHandler(ChangesHandler[Basket, BasketChanges]):
            result_type = BasketChanges

            def _clear_state(self) -> None:
                self.added: list[Item] = []

            @singledispatchmethod
            def handle_changes(self, event: object, aggregate: Basket) -> None:
                raise NotImplementedError

            @handle_changes.register
            def _(self, event: Basket.ItemAdded, aggregate: Basket) -> None:
                self.added.append(event.item)

        with BasketChangesHandler() as changes_of:
            changes = changes_of(basket)
            ...  # write them

    Events folded in a `with` block are cleared when the block ends without an exception. When it raises, all of them
    are still pending, so that a retry writes everything. Outside a block each call clears the events that it folded.

    One handler may be shared by tasks and threads: each call folds into a copy of it. `with` returns a copy for that
    block, which belongs to the task or thread that opened it, and not to those that it starts; give them the copy. If
    a framework leaves blocks in other threads than it opens them, make a handler for each request.
    """

    __slots__ = ()

    result_type: type[ResultT]
    """The NamedTuple whose fields the handler sets, as attributes of `self`, while it folds."""

    def _clear_state(self) -> None:
        """Give each field of the result its empty value, on `self`; called before each fold."""

    def __call__(self, aggregate: AggregateT) -> ResultT:
        """Fold the pending events that have not been folded yet, oldest first.

        Raises:
            UnhandledEventError: an event has no handler.
            ChangesResultError: a field of the result was never set, and has no default.
        """
        pending = pending_events(aggregate)
        if blocks_by_copy and (block := open_block(self)) is not None:
            return cast("ResultT", block.fold(self.__fold__, aggregate))
        events = [*pending]  # takes half the time of pending[:]
        result: ResultT = self.__fold__(aggregate, events)
        if pending == events:  # the usual case: no event was recorded meanwhile
            pending.clear()
        else:
            discard(pending, events)
        return result

    def __fold__(self, aggregate: AggregateT, events: Sequence[AnyAggregateEvent], /) -> ResultT:
        """Fold the events into a copy of the handler. The first call replaces this by a function made for the class."""
        prepare: Any = ChangesHandler.__dict__["__fold__"]
        setattr(type(self), "__fold__", make_fold(type(self), prepare))  # noqa: B010  # checkers reject the assignment
        return self.__fold__(aggregate, events)

    def __enter__(self) -> Self:
        mine = copy(self)
        Block(self, mine).open()
        return mine

    def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        blocks = blocks_to_leave(self)
        if len(blocks) == 1:
            blocks[0].close(discard_events=error_type is None)
            return
        for block in blocks:
            block.release()
        if error_type is not None:
            return  # the error goes on, and the events are still pending, as they should be
        name = type(self).__qualname__
        if not blocks:
            raise RuntimeError(f"{name}: no block is open on this handler; `with` opens one, and closes it once")
        raise RuntimeError(
            f"{name}: the block was opened by another task or thread, and {len(blocks)} blocks are open on this "
            f"handler, so which of them ends is not known; make one handler per request"
        )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "result_type" in cls.__dict__:
            validated_result_type(cls)
