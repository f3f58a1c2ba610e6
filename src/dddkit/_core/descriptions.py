"""What messages call an object that is no event class, and what to write instead of a typing object.

Only an error imports it.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, Union

from dddkit._annotations import text_of
from dddkit._callables import display_name
from dddkit._core.typing_objects import is_class, is_typed_dict, is_typing_object

__all__ = ["described", "event_of", "instead", "misfit", "replacement"]

_FUNCTIONS: Final = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)


def replacement(value: object) -> str:
    """Return what to write instead of a typing object."""
    if typing.get_origin(value) is Literal:
        return "a predicate"
    if is_class(value) and is_typed_dict(value):
        return "dict, or a predicate"
    try:
        names = [found.__qualname__ for found in _event_classes(value)]
    except RecursionError:  # type A = A | int
        names = []
    if len(names) > 1:
        return f"@broker.handle({', '.join(names)})"
    return names[0] if names else "an event class"


def instead(value: object) -> str:
    """Return what to write instead of an object that is neither an event class nor a predicate; nothing if unknown."""
    if isinstance(value, str):
        return "the class itself, and not its name"
    if is_typing_object(value):
        return replacement(value)
    is_listed = isinstance(value, (list, tuple, set, frozenset))
    if classes := _listed_classes(value if is_listed else [value]):
        return f"@broker.handle({', '.join(map(described, classes))})"
    if is_listed or callable(value) or type(value).__module__ == "builtins":
        return ""
    return f"its class, {type(value).__qualname__}"


def event_of(handler: object) -> str:
    """Return the event that a handler takes, as its annotation names it, for `@broker.handle` without its brackets."""
    if not isinstance(handler, types.FunctionType):
        return "ProductCreated"
    names = handler.__code__.co_varnames[: handler.__code__.co_argcount]
    try:
        annotation = handler.__annotations__.get(names[-1] if names else "")
    except Exception:  # 3.14 evaluates it now, and a name may be imported for checkers only
        annotation = None
    written = text_of(annotation)
    if written is None:
        classes = [] if annotation is None else _event_classes(annotation)
        written = ", ".join(found.__qualname__.rpartition("<locals>.")[2] for found in classes if found is not object)
    is_class_names = re.fullmatch(r"[\w., |]+", written) and not re.search(r"\bAny\b", written)
    return written.replace(" | ", ", ") if is_class_names else "<the class of its event>"


def misfit(handler: Any, selector: object) -> str:
    """Return what to say of a function that cannot be called with the event alone."""
    code, name = handler.__code__, display_name(handler)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    taken = f"({', '.join(names)}), and is called with the event alone" if names else "no event"
    event = f": {selector.__qualname__.rpartition('<locals>.')[2]}" if is_class(selector) else ""
    keyword = "async def" if inspect.iscoroutinefunction(handler) else "def"
    written = f"write {keyword} {handler.__name__}(event{event})"
    if not handler.__name__.isidentifier():  # a lambda
        written = "write lambda event: and its body"
    elif names[:1] == ("self",) and len(names) > 1:
        wanted = event[2:] or "predicate"
        written = f"subscribe the method of an object, as in broker.subscribe({wanted}, it.{handler.__name__})"
    return f"{name} takes {taken}; {written}"


def _listed_classes(values: Any) -> list[type]:
    """Return the values, if all of them are classes; else none."""
    listed = list(values)
    return listed if all(map(is_class, listed)) else []


def described(value: object) -> str:
    """Return what to call it in a message: a class or a function by its name, all else by its class.

    A repr could show secrets: the values of an event, of a Literal, of what an Annotated holds.
    """
    if is_class(value) or isinstance(value, _FUNCTIONS):
        return display_name(value)
    if value is None:
        return "None"
    if isinstance(value, str) and value.replace(".", "_").isidentifier():
        return repr(value)  # the name of a class
    if not is_typing_object(value):
        return f"an instance of {type(value).__qualname__}"
    kind, name = type(value).__name__, getattr(value, "__name__", type(value).__name__)
    origin, arguments = typing.get_origin(value), typing.get_args(value)
    if origin is Annotated or origin is Literal:
        return "Annotated[...]" if origin is Annotated else "Literal[...]"
    if origin in (Union, types.UnionType):
        return " | ".join(map(_inside, arguments))
    if origin is not None and arguments:
        return f"{display_name(origin)}[{', '.join(map(_inside, arguments))}]"
    if kind == "TypeAliasType":
        return f"the type alias {name}"
    return f"the {kind} {name}" if kind in {"NewType", "ParamSpec", "TypeVar", "TypeVarTuple"} else name


def _inside(argument: object) -> str:
    if argument is None or argument is type(None):
        return "None"
    return described(argument) if is_class(argument) or is_typing_object(argument) else "..."


def _event_classes(value: object) -> list[type]:
    """Return the classes of the objects for which the typing object stands, as far as it tells."""
    if is_class(value):
        return [object] if value is Any else [value]
    if value is Any:  # before Python 3.11
        return [object]
    origin, arguments = typing.get_origin(value), typing.get_args(value)
    if origin is Annotated or origin is type:
        return _event_classes(arguments[0]) if arguments else [type]
    if origin in (Union, types.UnionType):
        return _all_classes(argument for argument in arguments if argument is not type(None))
    if origin is not None:
        return _event_classes(origin)
    for attribute in ("__supertype__", "__bound__", "__value__"):  # a NewType, a TypeVar, a `type` statement
        try:
            inner = getattr(value, attribute, None)
        except Exception:  # the statement names what is not there: it is evaluated now
            return []
        if inner not in (None, type(None)):  # what an unbound ParamSpec is bound to, from 3.13 on
            return _event_classes(inner)
    return []


def _all_classes(values: Iterable[object]) -> list[type]:
    found = [_event_classes(value) for value in values]
    return [each for classes in found for each in classes] if all(found) else []
