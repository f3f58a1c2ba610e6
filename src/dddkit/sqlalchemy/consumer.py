"""Consumers: what somebody does about events that came as messages, once for each message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any, Final, Generic, Literal, TypeVar

from dddkit._awaitables import dispose, is_async, is_awaitable
from dddkit._callables import display_name, function_takes, kind_of, without_partials
from dddkit._core.typing_objects import is_class
from dddkit.exceptions import UnitClosedError, UnnamedEventError
from dddkit.messages import EventCatalog, Message, MessageRejectedError, caused_by
from dddkit.sqlalchemy._keys import is_storable
from dddkit.sqlalchemy._unit_class import AnyUnit
from dddkit.sqlalchemy.unit import UnitOfWork

__all__ = ["Consumer", "Delivery"]

E = TypeVar("E")
R = TypeVar("R", bound=Awaitable[None])
UnitT = TypeVar("UnitT", bound=UnitOfWork)

_LONGEST_NAME: Final = 200


@dataclass(slots=True)
class Delivery:
    """How far a consumer has come with a message: what its failure means depends on that."""

    is_read: bool = False
    """Whether the message says an event that can be handled."""
    unit: UnitOfWork | None = None
    is_handled: bool = False
    """Whether the handler was called."""


class Consumer(Generic[UnitT]):
    """Handles events that came as messages; the effects of each message are stored once, however often it comes.

        refunds = Consumer("refunds", catalog, lambda: ShopUnit(engine))

        @refunds.on(Order.Cancelled)
        async def pay_back(event: Order.Cancelled, unit: ShopUnit) -> None: ...

        await refunds.receive(message)

    What the handler changes in the unit and the note that the message is done are one transaction. A handler may run
    again where that was not stored: what it does outside of the database, it may do twice. The events that it records
    are effects of the message, as `caused_by` has it.

    Args:
        name: under which its messages are noted in the inbox. It is for good: under another name all messages are new.
        catalog: what the events are called outside of the process.
        make_unit: returns a new unit at each call; its class has an inbox.
        unknown: what to do with a message whose name the catalog does not have: "raise" an UnknownMessageError, or
            "ignore" it. A newer version of a known name is an UnknownMessageError in both cases.

    Raises:
        TypeError: the units are no UnitOfWork, or have no inbox; it is found at the first message where `make_unit`
            is not the class itself.
        ValueError: the name is empty, too long, or none that a database holds; `unknown` is neither of its values.
    """

    def __init__(
        self,
        name: str,
        catalog: EventCatalog,
        make_unit: Callable[[], UnitT],
        *,
        unknown: Literal["raise", "ignore"] = "raise",
    ) -> None:
        _check_name(name)
        if not isinstance(catalog, EventCatalog):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(
                f"{name}: a consumer takes the EventCatalog that names the events, and got {kind_of(catalog)}"
            )
        if not callable(make_unit):
            raise TypeError(
                f"{name}: make_unit is called for each message, and this is {_MAKE.format(kind_of(make_unit))}"
            )
        if is_async(make_unit):
            raise TypeError(
                f"{name}: {display_name(make_unit)} is async, and make_unit is not awaited; write it with def"
            )
        choice: object = unknown  # as above
        if choice not in ("raise", "ignore"):
            given = repr(choice) if isinstance(choice, str) else kind_of(choice)
            raise ValueError(f"{name}: unknown is 'raise' or 'ignore', and not {given}")
        made: object = without_partials(make_unit)
        if is_class(made):
            self._check_unit_class(name, made)
        if not _takes_nothing(make_unit):
            raise TypeError(
                f"{name}: make_unit is called without arguments, and {display_name(make_unit)} needs some; write "
                f"lambda: ShopUnit(engine)"
            )
        self.name: Final = name
        self._catalog: Final = catalog
        self._make_unit: Final = make_unit
        self._ignores_unknown: Final = unknown == "ignore"
        self._handlers: Final[dict[type[Any], Callable[[Any, UnitT], Awaitable[None]]]] = {}

    def __repr__(self) -> str:
        return f"<Consumer {self.name}>"

    def on(self, event_class: type[E], /) -> Callable[[Callable[[E, UnitT], R]], Callable[[E, UnitT], R]]:
        """Decorate the async function that handles the events of this very class; subclasses do not count.

        It leaves the end of the unit to the consumer: what it returns from is committed, what it raises undoes all.

        Raises:
            TypeError: the function is not async, or cannot be called with event and unit.
            UnnamedEventError: the catalog has no name for the class, so that no message brings such an event.
            ValueError: the class is private in the catalog, or has a handler here.
        """
        self._check_event_class(event_class)

        def register(function: Callable[[E, UnitT], R]) -> Callable[[E, UnitT], R]:
            self._check_handler(event_class, function)
            present = self._handlers.setdefault(event_class, function)
            if present is not function:
                raise ValueError(
                    f"{self.name}: {event_class.__qualname__} is handled by {display_name(present)} already; call the "
                    f"one from the other, or make a consumer of its own for {display_name(function)}"
                )
            return function

        return register

    async def receive(self, message: Message) -> None:
        """Handle the message. When this returns, acknowledge it: it is done, was done before, or has no handler here.

        When it raises, leave it to be delivered again: nothing was stored. Two deliveries of one message at once have
        one effect; PostgreSQL lets the second one wait for the first.

        Errors of the handler, and ConcurrencyError where somebody else has changed the same aggregate, come out as they
        are. So does the error of a subscriber where the unit has a broker: then all was stored before, and the next
        delivery has no effect.

        Raises:
            MessageRejectedError: the message can never be read, so keep it aside.
            UnknownMessageError: nothing here reads it, or not yet.
        """
        await self._deliver(message, Delivery())

    async def _deliver(self, message: Message, delivery: Delivery) -> None:
        """Do what `receive` does, and note how far it has come."""
        if type(message) is not Message:
            raise TypeError(
                f"{self.name}: receive takes a Message, and got {kind_of(message)}; read it with Message.from_json(...)"
            )
        event_class = self._catalog._class_of(message.type)  # pyright: ignore[reportPrivateUsage]  # for our own packages
        if event_class is None:
            if not self._ignores_unknown:
                self._catalog.decode(message)  # it says what is wrong
            return
        handler = self._handlers.get(event_class)
        if handler is None:
            return
        event = self._catalog.decode(message)
        key = _key_of(message)
        delivery.is_read = True
        with caused_by(message):
            async with self._new_unit() as unit:
                delivery.unit = unit

                async def handle() -> None:
                    delivery.is_handled = True
                    await handler(event, unit)

                await unit._commit_once(self.name, key, handle)  # pyright: ignore[reportPrivateUsage]  # as above

    def _new_unit(self) -> UnitT:
        unit = self._make_unit()
        self._check_unit(unit)
        return unit

    def _check_unit(self, unit: Any) -> None:  # Any: it may be whatever, as not everybody uses a checker
        if not isinstance(unit, AnyUnit):
            if is_awaitable(unit):
                dispose(unit)
            raise TypeError(
                f"{self.name}: make_unit returns a new unit, and this one returned {_MAKE.format(kind_of(unit))}"
            )
        self._check_unit_class(self.name, type(unit))
        if unit._usage.is_entered:  # pyright: ignore[reportPrivateUsage]  # for our own packages
            shown = type(unit).__qualname__
            raise UnitClosedError(
                shown,
                f"the consumer {self.name} got one that is in use or has ended; make_unit returns a new one at each "
                f"call, as in lambda: {shown}(engine)",
            )

    @staticmethod
    def _check_unit_class(name: str, unit_class: type) -> None:
        shown = unit_class.__qualname__
        if not issubclass(unit_class, AnyUnit):
            raise TypeError(f"{name}: make_unit makes a unit of work, and this is {_MAKE.format(f'the class {shown}')}")
        if not issubclass(unit_class, UnitOfWork):
            raise TypeError(f"{name}: {shown} is a SyncUnitOfWork, and a consumer awaits; derive it from UnitOfWork")
        if unit_class._inbox is None:  # pyright: ignore[reportPrivateUsage]  # for our own packages
            raise TypeError(
                f"{name}: {shown} has no inbox, where a consumer notes what is done; declare `inbox = Inbox(metadata)` "
                f"in the class"
            )

    def _check_event_class(self, event_class: Any) -> None:  # Any: mistakes of who uses no checker
        if not is_class(event_class):
            from dddkit._core.descriptions import described  # only errors need it

            raise TypeError(
                f"{self.name}: on takes the class of an event, as in on(Order.Cancelled), and got "
                f"{described(event_class)}"
            )
        catalog = self._catalog
        if catalog._is_private(event_class):  # pyright: ignore[reportPrivateUsage]  # for our own packages
            raise ValueError(
                f"{self.name}: {event_class.__qualname__} is private in the catalog, so no message brings it; "
                f"handle it in the process, or give it a name"
            )
        if catalog._name_of(event_class) is None:  # pyright: ignore[reportPrivateUsage]  # as above
            raise UnnamedEventError((event_class,))

    def _check_handler(self, event_class: type, function: Any) -> None:  # Any: as above
        if not callable(function):
            raise TypeError(f"{self.name}: a handler is an async function, and this is {kind_of(function)}")
        write = f"write `async def {_word(function)}(event: {event_class.__qualname__}, unit: ...) -> None`"
        if not is_async(function):
            raise TypeError(
                f"{self.name}: {display_name(function)} is not async, so it could not await the unit; {write}"
            )
        if not _takes_two(function):
            raise TypeError(f"{self.name}: {display_name(function)} is called with the event and the unit; {write}")


_MAKE: Final = "{}; write lambda: ShopUnit(engine)"


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"the name of a consumer is a str, as in 'refunds', and this one is {kind_of(name)}")
    if not name.strip() or len(name) > _LONGEST_NAME or not is_storable(name):
        raise ValueError(
            f"the name of a consumer is one that a person reads and a database holds, as in 'refunds': it is not "
            f"empty, has at most {_LONGEST_NAME} characters, and neither NUL nor lone surrogates"
        )


def _key_of(message: Message) -> str:
    """Return what the message is noted by: ids are those of a source, and another source may count from 1 too."""
    key = f"{message.source.replace(' ', '%20')} {message.id}"
    if is_storable(key):
        return key
    problems = [(name, "NUL") for name, text in (("id", message.id), ("source", message.source)) if "\0" in text]
    raise MessageRejectedError("no database can note that it is done", message.type, problems)


def _takes_nothing(make_unit: Any) -> bool:
    """Return whether it can be called without arguments, as far as that is known without a call."""
    has_self = is_class(make_unit)
    function = make_unit.__init__ if has_self else make_unit
    return not isinstance(function, FunctionType) or function_takes(function, int(has_self))


def _takes_two(function: Any) -> bool:
    """Return whether it can be called with two objects, as far as that is known without a call."""
    if isinstance(function, MethodType) and isinstance(function.__func__, FunctionType):
        return function_takes(function.__func__, 3)
    return not isinstance(function, FunctionType) or function_takes(function, 2)


def _word(function: Any) -> str:
    name = getattr(without_partials(function), "__name__", "handle")
    return name if name.isidentifier() else "handle"
