"""What a broker subscribes: event classes, predicates and handlers; anything else is rejected by name."""

from __future__ import annotations

import inspect
from abc import ABC, ABCMeta
from typing import TYPE_CHECKING, Any, cast

from dddkit._awaitables import is_async
from dddkit._callables import display_name, without_partials
from dddkit._core.typing_objects import is_class, is_typing_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
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
        raise TypeError(f"{wanted} {_described(selector)}")


def validate_predicate(predicate: object) -> None:
    """Raise TypeError for what is no predicate."""
    if is_class(predicate) or not callable(predicate) or is_typing_object(predicate):
        given = _described(predicate)
        raise TypeError(f"register takes a predicate, and got {given}; for classes there is handle(...)")
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
        raise TypeError(f"{wanted} {given}; write {_corrected(method, event_classes)}")


def _corrected(method: str, event_classes: tuple[object, ...]) -> str:
    if len(event_classes) == 1 and isinstance(event_classes[0], (list, tuple)):
        listed = list(cast("Iterable[object]", event_classes[0]))
        if listed and all(map(is_class, listed)):
            return f"@broker.handle({', '.join(map(_described, listed))})"
    return f"@broker.{method}(ProductCreated)"


def validate_handler(handler: object) -> None:
    """Raise TypeError for a handler that cannot be called with an event, or whose body would not run when it is."""
    if is_typing_object(handler):
        raise TypeError(
            f"a handler is called with the event, and {_described(handler)} is a typing object; write a function"
        )
    if not callable(handler):
        raise TypeError(f"a handler is called with the event, and {_described(handler)} cannot be called")
    if _is_generator(handler):
        raise TypeError(f"{display_name(handler)} is a generator: called with an event, its body would not run")


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
        except TypeError as error:  # it is a protocol without @runtime_checkable
            raise TypeError(f"{wanted} {_described(event_class)}: {error}") from None


def _validate_predicate(predicate: Handler) -> None:
    kind = "is async" if is_async(predicate) else "is a generator" if _is_generator(predicate) else None
    if kind is not None:
        name = display_name(predicate)
        raise TypeError(f"a predicate returns a bool, and {name} {kind}: what it returns is true for every event")


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
