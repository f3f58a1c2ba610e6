"""What a broker subscribes: event classes, predicates and handlers; anything else is rejected by name."""

from __future__ import annotations

import inspect
from abc import ABC, ABCMeta
from types import FunctionType
from typing import TYPE_CHECKING, Any

from dddkit._awaitables import is_async, is_awaitable
from dddkit._callables import display_name, function_takes, without_partials
from dddkit._core.typing_objects import is_class, is_typing_object

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Handler: TypeAlias = Callable[[Any], Any]  # of any event, with any result: both are the user's
    Predicate: TypeAlias = Callable[[Any], bool]

__all__ = [
    "is_matched_by_mro",
    "validate_event_classes",
    "validate_handler",
    "validate_predicate",
    "validate_selector",
]


def validate_selector(selector: object) -> None:
    """Raise TypeError for what is neither an event class nor a predicate."""
    wanted = "subscribe takes an event class or a predicate, and got"
    _reject_typing_object(wanted, selector)
    if is_class(selector):
        _reject_uncheckable(wanted, selector)
    elif callable(selector):
        _validate_predicate(selector)
    else:
        instead = _instead(selector) or "broker.subscribe(ProductCreated, handler)"
        raise TypeError(f"{wanted} {_described(selector)}; write {instead}")


def validate_predicate(predicate: object) -> None:
    """Raise TypeError for what is no predicate."""
    if is_class(predicate) or not callable(predicate) or is_typing_object(predicate):
        given, written = _described(predicate), _instead(predicate)
        instead = f"write {written}" if "@" in written else "write a function that takes the event, and returns a bool"
        raise TypeError(f"register takes a predicate, and got {given}; {instead}")
    _validate_predicate(predicate)


def validate_event_classes(method: str, event_classes: tuple[object, ...]) -> None:
    """Raise TypeError for what is no event class, or where there is none."""
    wanted = f"{method} takes event classes, and got"
    for event_class in event_classes:
        _reject_typing_object(wanted, event_class)
        if is_class(event_class):
            _reject_uncheckable(wanted, event_class)
    if not event_classes or not all(map(is_class, event_classes)):
        given = ", ".join(map(_described, event_classes)) or "nothing"
        only = event_classes[0] if len(event_classes) == 1 else None
        raise TypeError(f"{wanted} {given}; write {_instead(only) or f'@broker.{method}({_event_of(only)})'}")


def validate_handler(handler: object, selector: object) -> None:
    """Raise TypeError for a handler that cannot be called with an event, or whose body would not run when it is."""
    if is_typing_object(handler):
        raise TypeError(
            f"a handler is called with the event, and {_described(handler)} is a typing object; write a function"
        )
    if not callable(handler):
        was_called = handler is None or is_awaitable(handler)  # as in subscribe(ProductCreated, index())
        instead = "pass the function itself, and not what it returns" if was_called else "write a function"
        raise TypeError(f"a handler is called with the event, and {_described(handler)} cannot be called; {instead}")
    if _makes_callables(handler):
        name = display_name(handler)
        raise TypeError(
            f"{name} is a class: called with the event, it makes an object, and does not call that; "
            f"pass an object of it: {name}(...)"
        )
    if isinstance(handler, FunctionType) and not function_takes(handler, 1):
        raise TypeError(_misfit(handler, selector))
    if _is_generator(handler):
        raise TypeError(
            f"{display_name(handler)} is a generator: called with an event, its body would not run; take the yield out"
        )


def is_matched_by_mro(event_class: type) -> bool:
    """Return whether its subclasses are exactly the classes with it in their MRO.

    An abstract class may have registered subclasses; a protocol matches whatever has its methods.
    """
    if not isinstance(event_class, ABCMeta):
        return True
    is_first = all(base is ABC or not isinstance(base, ABCMeta) for base in event_class.__bases__)
    return not (is_first or event_class.__abstractmethods__ or getattr(event_class, "_is_protocol", False))


def _reject_typing_object(wanted: str, given: object) -> None:
    if is_typing_object(given):
        raise TypeError(f"{wanted} {_described(given)}; write {_replacement(given)}")


def _reject_uncheckable(wanted: str, event_class: type) -> None:
    if not is_matched_by_mro(event_class):
        try:
            isinstance(None, event_class)
        except TypeError:
            raise TypeError(
                f"{wanted} {_described(event_class)}, a protocol that isinstance cannot check; decorate it with "
                f"@runtime_checkable"
            ) from None


def _validate_predicate(predicate: Handler) -> None:
    kind = "is async" if is_async(predicate) else "is a generator" if _is_generator(predicate) else None
    if kind is not None:
        raise TypeError(
            f"a predicate returns a bool, and {display_name(predicate)} {kind}: what it returns is true for every "
            f"event; make it a plain function"
        )


def _makes_callables(value: object) -> bool:
    """Return whether it is a class whose objects can be called; those of a metaclass are classes, which always can."""
    mro: tuple[type, ...] = value.__mro__ if is_class(value) else ()
    return type not in mro and any("__call__" in base.__dict__ for base in mro)


def _is_generator(function: Handler) -> bool:
    """Return whether calling it runs nothing of its body: it, the function in a partial, or its `__call__` yields."""
    inner = without_partials(function)
    call: Handler = type(inner).__call__
    return any(
        (inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each)) and not _is_generator_coroutine(each)
        for each in (inner, without_partials(call))
    )


def _is_generator_coroutine(function: Handler) -> bool:
    flags: object = getattr(getattr(function, "__code__", None), "co_flags", 0)
    return isinstance(flags, int) and bool(flags & inspect.CO_ITERABLE_COROUTINE)  # by `types.coroutine`


def _described(value: object) -> str:
    from dddkit._core.descriptions import described

    return described(value)


def _replacement(value: object) -> str:
    from dddkit._core.descriptions import replacement

    return replacement(value)


def _misfit(handler: object, selector: object) -> str:
    from dddkit._core.descriptions import misfit

    return misfit(handler, selector)


def _event_of(handler: object) -> str:
    from dddkit._core.descriptions import event_of

    return event_of(handler)


def _instead(value: object) -> str:
    from dddkit._core.descriptions import instead

    return instead(value)
