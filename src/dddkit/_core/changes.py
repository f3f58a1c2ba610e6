"""The changes handler: folds what an aggregate has recorded into what a repository has to write."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence, Sized
from contextvars import ContextVar
from copy import copy
from functools import partial
from inspect import getattr_static, iscoroutinefunction
from itertools import dropwhile
from threading import current_thread
from types import FunctionType
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast, final

from dddkit._core.events import Recordable
from dddkit._core.recording import Recording, give_up, pending_events, remaining
from dddkit._typing import Self
from dddkit.exceptions import ChangesResultError, UnhandledEventError

__all__ = ["ChangesHandler"]

AggregateT = TypeVar("AggregateT", bound=Recording)
ResultT = TypeVar("ResultT", bound=tuple[Any, ...])  # a NamedTuple; its fields are the user's

_Fold: TypeAlias = Callable[[Any, Any, Any], Any]  # (handler, event, aggregate), all of them the user's


class ChangesHandler(Generic[AggregateT, ResultT]):
    """Folds the pending events of an aggregate into one typed result, for a repository to write.

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

    Events folded in a `with` block are given up when it ends well. When it raised they are all still pending, so
    that a retry writes everything. Outside a block they are given up at once.

    One handler may be shared by tasks and threads: each call folds into a copy of it, and what `with` gives is a copy
    for that block, which belongs to the task or thread that opened it.
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
        if _copies and (block := _open_block(self)) is not None:
            return cast("ResultT", block.fold(self, aggregate))
        events = [*pending]  # in half the time of pending[:]
        result: ResultT = self.__fold__(aggregate, events)
        if pending == events:  # the usual case: nothing was recorded meanwhile
            pending.clear()
        else:
            give_up(pending, events)
        return result

    def __fold__(self, aggregate: AggregateT, events: Sequence[Recordable], /) -> ResultT:
        """Fold the events into a copy of the handler, by a function made for the class at its first fold."""
        setattr(type(self), "__fold__", _fold_of(type(self)))  # noqa: B010  # checkers take a method for fixed
        return self.__fold__(aggregate, events)

    def __enter__(self) -> Self:
        mine = copy(self)
        block = _Block(self, mine, _open_block(self))
        _blocks.set((*_blocks.get(), block))
        _copies[id(mine)] = block
        return mine

    def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        block = _block_opened_here(self)
        if block is None:
            raise RuntimeError(f"{type(self).__qualname__}: the block was opened by another task or thread")
        _blocks.set(tuple(other for other in _blocks.get() if other is not block))
        del _copies[id(block.copy)]
        block.close(give_up_events=error_type is None)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "result_type" in cls.__dict__:
            _check_result_type(cls)


@final
class _Block:
    """A `with` block: what has been folded in it, and who has opened it."""

    __slots__ = ("_enclosing", "_folded", "closed", "copy", "handler", "owner")

    def __init__(self, handler: object, its_copy: Any, enclosing: _Block | None) -> None:
        self.handler: Final = handler
        self.copy: Final = its_copy
        self.owner: Final = _current_owner()
        self.closed = False
        self._enclosing: Final = enclosing
        # By id: aggregates are equal by identity, and may be unhashable. Kept, so that the id stays its own.
        self._folded: dict[int, tuple[Recording, list[Recordable]]] = {}

    def fold(self, handler: ChangesHandler[Any, Any], aggregate: Recording) -> Any:
        """Fold the events that neither this block nor those around it have folded, and remember them."""
        events = remaining(pending_events(aggregate), self._folded_of(aggregate))
        result = handler.__fold__(aggregate, events)
        self._folded.setdefault(id(aggregate), (aggregate, []))[1].extend(events)
        return result

    def _folded_of(self, aggregate: Recording) -> list[Recordable]:
        earlier = self._enclosing._folded_of(aggregate) if self._enclosing is not None else []
        return earlier + self._folded.get(id(aggregate), (aggregate, []))[1]

    def close(self, *, give_up_events: bool) -> None:
        self.closed = True
        if give_up_events:
            for aggregate, events in self._folded.values():
                give_up(pending_events(aggregate), events)
        self._folded = {}


_blocks: Final[ContextVar[tuple[_Block, ...]]] = ContextVar("dddkit_changes_blocks", default=())


_copies: Final[dict[int, _Block]] = {}
"""The open blocks of all tasks and threads, by the id of their copy, which they keep.

A copy takes its block along wherever it is handed; and while there is none, nobody need ask the context.
"""


def _open_block(handler: object) -> _Block | None:
    """The innermost block that the current task or thread has open on the handler, or that the handler was made for."""
    return _block_opened_here(handler) or _copies.get(id(handler))


def _block_opened_here(handler: object) -> _Block | None:
    if blocks := _blocks.get():
        owner = _current_owner()
        for block in reversed(blocks):
            if block.handler is handler and block.owner is owner and not block.closed:
                return block
    return None


def _current_owner() -> object:
    """The task that runs, else the thread; tasks start with a copy of the context, so the context alone cannot tell."""
    asyncio = sys.modules.get("asyncio")  # imported by whoever runs a task
    if asyncio is not None:
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no loop runs in this thread
            task = None
        if task is not None:
            return task
    return current_thread()


def _fold_of(cls: type[ChangesHandler[Any, Any]]) -> _Fold:
    """The `__fold__` of the class: a function that knows all which does not change from call to call.

    As a method that read the same from an object, folding ten events took a fifth longer.
    """
    folding = _Folding(cls)
    registry, result_of = folding.registry, folding.result_of
    table, registered = dict[type, _Fold](), len(registry)
    prepare: Any = ChangesHandler.__dict__["__fold__"]
    is_plain, new = _is_plain(cls), _blank(cls)  # most handlers leave it to Python how they are copied

    def fold(handler: Any, aggregate: Recording, events: Sequence[Any]) -> Any:
        nonlocal table, registered
        if type(handler) is not cls:  # a subclass inherits this one, until its own is made
            return prepare(handler, aggregate, events)
        if is_plain:
            worker = new()
            if attributes := handler.__dict__:
                worker.__dict__.update(attributes)
        else:
            worker = copy(handler)
        worker._clear_state()  # pyright: ignore[reportPrivateUsage]  # the user's, for us to call
        if len(registry) != registered:
            table, registered = {}, len(registry)
        handlers = table
        event: Any = None
        try:
            for event in events:
                handlers[type(event)](worker, event, aggregate)
        except KeyError as error:
            # Raised by the look-up above, or in a handler: those are functions, and have a frame of their own.
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise
        else:
            event = None
        if event is not None:
            folding.go_on(event, handlers, worker, aggregate, events)
        try:
            return result_of(worker)
        except AttributeError:
            return folding.read(worker)

    return fold


@final
class _Folding:
    """Who handles which event in the handlers of one class, and how their result is read."""

    __slots__ = ("_declared", "_dispatcher", "_result_type", "owner", "registry", "result_of")

    def __init__(self, cls: type[ChangesHandler[Any, Any]]) -> None:
        self.owner: Final = cls
        self._result_type: Final = _check_result_type(cls)
        self.result_of: Final = _reader(self._result_type)
        declared: Any = getattr_static(cls, "handle_changes", None)
        if declared is None:
            raise TypeError(f"{cls.__qualname__} has no handle_changes(self, event, aggregate) to fold events with")
        self._declared: Final = declared
        self._dispatcher: Final[Any] = getattr(declared, "dispatcher", None)  # of a singledispatchmethod
        self.registry: Final[Sized] = self._dispatcher.registry if self._dispatcher else ()

    def go_on(
        self, event: Any, table: dict[type, _Fold], worker: Any, aggregate: Recording, events: Sequence[Recordable]
    ) -> None:
        """Fold from this event on, the first one whose class was not in the table; put into it what is missing.

        One loop could look for handlers and call them; then the usual event, whose class is known, took 4 ns longer.
        """
        for each in dropwhile(lambda each: each is not event, events):
            handle = table.get(type(each))
            if handle is None:
                handle = table[type(each)] = self._handler_of(type(each))
            handle(worker, each, aggregate)

    def read(self, worker: object) -> Any:
        """The result of a worker that lacks some of its fields: those take their defaults."""
        return self._result_type(*self._values(worker))

    def _handler_of(self, event_class: type) -> _Fold:
        # What reading `handle_changes` would find, without the closure it builds for every event.
        found: Any = self._dispatcher.dispatch(event_class) if self._dispatcher else self._declared
        if iscoroutinefunction(found):
            raise TypeError(
                f"{found.__qualname__} of {self.owner.__qualname__} is async; "
                f"a changes handler folds, and waits for nothing"
            )
        handle: _Fold = found if isinstance(found, FunctionType) else _bound(found)
        is_default = not self._dispatcher or found is self._dispatcher.registry[object]
        return _default(handle) if is_default else handle

    def _values(self, worker: object) -> Iterator[Any]:
        defaults = self._result_type._field_defaults
        for field in self._result_type._fields:
            try:
                yield getattr(worker, field)
            except AttributeError:
                if hasattr(self.owner, field):  # a property failed on its own account
                    raise
                if field not in defaults:
                    raise ChangesResultError(self.owner, field) from None
                yield defaults[field]


def _blank(cls: Any) -> Callable[[], Any]:
    """What makes an object of the class without its `__init__`."""
    if (cls.__init__, cls.__new__, type(cls).__call__) == (object.__init__, object.__new__, type.__call__):
        made: Callable[[], Any] = cls  # nothing of the user's would run, and this takes three quarters of the time
        return made
    return partial(object.__new__, cls)


def _reader(result_type: Any) -> Callable[[object], Any]:
    """A function that makes a result of the attributes of a worker.

    It is written out as NamedTuple writes its `__new__`, which it passes by: `attrgetter` and a call of the class
    would take three times as long, a fifth of what it costs to fold ten events.
    """
    values = "".join(f"worker.{field}, " for field in result_type._fields)
    make = f"new(result_type, ({values}))" if _is_as_written(result_type) else f"result_type({values})"
    new: Any = tuple
    names = {"new": new.__new__, "result_type": result_type, "__name__": __name__}
    reader: Callable[[object], Any] = eval(f"lambda worker: {make}", names)
    return reader


def _is_as_written(result_type: Any) -> bool:
    """Whether it is NamedTuple that wrote the `__new__` of the class, which makes a tuple and does nothing else."""
    maker = next(base for base in result_type.__mro__ if "__new__" in base.__dict__)
    return "_fields" in maker.__dict__


def _default(handle: _Fold) -> _Fold:
    """The handler of all the events that nothing is registered for: that it is not implemented means them."""

    def handle_or_name_the_event(worker: Any, event: object, aggregate: object) -> None:
        try:
            handle(worker, event, aggregate)
        except NotImplementedError as error:
            raise UnhandledEventError(event, aggregate) from error

    return handle_or_name_the_event


def _bound(registered: Any) -> _Fold:
    """A handler that is no plain function, but something that becomes one when it is read from the object."""
    return lambda worker, event, aggregate: registered.__get__(worker, type(worker))(event, aggregate)


def _is_plain(cls: type) -> bool:
    """Whether copying an object of the class is copying its `__dict__`."""
    ways = {"__copy__", "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__getnewargs__"}
    return cls.__dictoffset__ != 0 and not any(
        base.__dict__.get("__slots__") or ways & base.__dict__.keys()
        for base in cls.__mro__
        if base not in (ChangesHandler, object)
    )


def _check_result_type(cls: type) -> Any:
    declared: object = getattr(cls, "result_type", None)
    if not (isinstance(declared, type) and tuple in declared.__mro__ and hasattr(declared, "_fields")):
        raise TypeError(
            f"{cls.__qualname__}.result_type is {declared!r}; set it to the NamedTuple that the handler folds into"
        )
    return declared
