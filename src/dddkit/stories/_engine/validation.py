"""Judging what a story lists: does each name stand for something that takes the state?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import FunctionType, MemberDescriptorType, MethodType
from typing import Any, Final, NamedTuple

from dddkit._annotations import own_annotations
from dddkit.exceptions import StoryDefinitionError

__all__ = ["Found", "as_step", "is_method", "judge_class", "look_up", "supplies_names"]

# Written by hand, any of these may give an instance attributes that its class does not show.
_SUPPLIERS: Final = (
    "__init__",
    "__new__",
    "__post_init__",
    "__attrs_post_init__",
    "__getattr__",
    "__getattribute__",
)
_NO_STEPS: Final = ("I", "State", "register_hook")

_VARARGS: Final = 0x04  # inspect.CO_VARARGS
_GENERATORS: Final = 0x20 | 0x200  # inspect.CO_GENERATOR, CO_ASYNC_GENERATOR
_ITERABLE_COROUTINE: Final = 0x100  # a generator that `types.coroutine` has made awaitable


class Found(NamedTuple):
    """Where a step's name leads, read off the class dictionaries."""

    owner: type
    """The class that says so, of those in the MRO."""
    value: Any
    """What stands in that class, as it stands there; None for a field."""
    by_instance: bool
    """Whether only an instance can show it: a field, a slot, a property."""


def look_up(cls: type, name: str) -> Found | None:
    """Find a name along the MRO, in the dictionaries: `getattr` would find what metaclasses have."""
    for base in cls.__mro__:
        if name in own_annotations(base) or _is_built_field(base, name):
            return Found(base, None, by_instance=True)
        if name in base.__dict__:
            value = base.__dict__[name]
            return Found(base, value, by_instance=_waits_for_instance(value))
    return None


def _is_built_field(cls: type, name: str) -> bool:
    """Whether attrs has made a field of it that left neither annotation nor value behind."""
    return any(field.name == name for field in cls.__dict__.get("__attrs_attrs__", ()))


def _waits_for_instance(value: object) -> bool:
    kind = type(value)
    if is_method(value) or isinstance(value, MethodType):  # bound already, though some Pythons give it a `__get__`
        return False
    if isinstance(value, MemberDescriptorType) or (kind.__module__, kind.__name__) in (
        ("attr._make", "_CountingAttr"),  # attrs' `field()` before `define` has read it
        ("dataclasses", "Field"),  # without annotation; `dataclass` itself complains, and better
    ):
        return True
    return hasattr(kind, "__get__") and not isinstance(value, type)


def _is_supplied_by_hand(cls: type) -> bool:
    """Whether some hand-written method may give instances any attribute."""
    for base in cls.__mro__:
        story = base.__dict__.get("__story__")
        if story is not None:  # noted before any decorator could add an `__init__`
            if story.supplies_names:
                return True
            continue
        if any(_is_written(base, base.__dict__[name]) for name in _SUPPLIERS if name in base.__dict__):
            return True
    return False


def supplies_names(namespace: dict[str, Any]) -> bool:
    """Whether a class body writes a method that may supply any attribute."""
    return any(name in namespace for name in _SUPPLIERS)


def _is_written(cls: type, method: object) -> bool:
    method = getattr(method, "__func__", method)  # `__new__` is a static method
    if not isinstance(method, FunctionType):
        return False
    source = method.__code__.co_filename
    by_dataclass = "__dataclass_fields__" in cls.__dict__ and source == "<string>"
    by_attrs = source.startswith("<attrs generated")
    by_others = method.__module__.partition(".")[0] in ("typing", "typing_extensions", "pydantic")
    return not (by_dataclass or by_attrs or by_others)


def judge_class(cls: type, names: tuple[str, ...]) -> None:
    """Refuse what is visible when a class is defined.

    Raises:
        StoryDefinitionError: a name that can never resolve, a step that is not callable, or that cannot take
            the state as its one positional argument.
    """
    for name in dict.fromkeys(names):
        found = look_up(cls, name)
        if found is None:
            if not _is_supplied_by_hand(cls):
                refuse_missing(cls, name)
        elif not found.by_instance and (is_method(found.value) or not _is_supplied_by_hand(cls)):
            judge_value(cls, name, found.value, bound=False)


def is_method(value: object) -> bool:
    """Whether it is a function as class bodies define them, which every instance of the class then has."""
    return isinstance(value, (FunctionType, staticmethod, classmethod))


def refuse_missing(cls: type, name: str) -> None:
    """Raise for a listed name that stands for nothing, with the nearest one that would."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(_names_like_steps(cls)), n=1)
    hint = (
        f'did you mean "{near[0]}"?'
        if near
        else f"define a method {name}(self, state), abstract where a subclass provides it, or annotate a field {name}"
    )
    raise _refusal(cls, name, f"names no step; {hint}")


def _names_like_steps(cls: type) -> Iterator[str]:
    for base in cls.__mro__:
        for name in [*base.__dict__, *own_annotations(base)]:
            if not name.startswith("_") and name not in _NO_STEPS:
                yield name


def judge_value(cls: type, name: str, value: object, *, bound: bool) -> None:
    """Refuse a step that cannot be called with the state.

    Args:
        cls: the story.
        name: the listed name.
        value: what it stands for.
        bound: whether `value` was read off an instance, so that a function takes the state alone.

    Raises:
        StoryDefinitionError: naming story and step.
    """
    if isinstance(value, type):
        kind = value.__qualname__
        raise _refusal(cls, name, f"is the class {kind}, where an instance belongs; did you mean {kind}()?")
    call, given = _unwrapped(value, bound=bound)
    if not callable(call):
        found = f"{value!r} ({type(value).__qualname__})"
        raise _refusal(cls, name, f"is no callable, but {found}; a step is a method or any callable")
    if not isinstance(call, FunctionType):
        own = getattr(type(call), "__call__", None)  # noqa: B004  # the function itself is wanted, not a yes or no
        if isinstance(own, FunctionType):
            call, given = own, given + 1
    if not (_function_takes(call, given) if isinstance(call, FunctionType) else _takes(call, given)):
        shape = "(self, state)" if given == 2 else "(state)"
        raise _refusal(
            cls, name, f"is {_described(name, call)}, which cannot be called with the state alone; a step takes {shape}"
        )
    while isinstance(call, partial):
        call = call.func
    flags = call.__code__.co_flags if isinstance(call, FunctionType) else 0
    if flags & _GENERATORS and not flags & _ITERABLE_COROUTINE:
        raise _refusal(cls, name, "is a generator function: calling it runs nothing of its body; take the yield out")


def _unwrapped(value: object, *, bound: bool) -> tuple[Any, int]:
    """What is called in the end, and with how many positional arguments, the state included."""
    wrapped: Any = value
    if isinstance(value, staticmethod):
        return wrapped.__func__, 1
    if isinstance(value, (classmethod, MethodType)):
        return wrapped.__func__, 2
    return wrapped, 2 if isinstance(value, FunctionType) and not bound else 1


def _function_takes(function: FunctionType, given: int) -> bool:
    """Count parameters on the code object: true for what is really called, and far cheaper than `inspect`."""
    code = function.__code__
    required = code.co_argcount - len(function.__defaults__ or ())
    optional_keywords = function.__kwdefaults__ or {}
    keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return (
        required <= given
        and (given <= code.co_argcount or bool(code.co_flags & _VARARGS))
        and all(keyword in optional_keywords for keyword in keywords)
    )


def _takes(call: Callable[..., object], given: int) -> bool:
    """Whether anything else (a partial, something written in C) takes so many; True where it does not tell."""
    from inspect import signature

    try:
        shape = signature(call, follow_wrapped=False)
    except (TypeError, ValueError):  # many built-in functions have no signature to show
        return True
    try:
        shape.bind(*[None] * given)
    except TypeError:
        return False
    return True


def _described(name: str, call: Callable[..., object]) -> str:
    from inspect import Signature, signature

    shape = signature(call, follow_wrapped=False).parameters.values()
    return f"{name}{Signature([parameter.replace(annotation=parameter.empty) for parameter in shape])}"


def as_step(cls: type, story: object, name: str) -> Any:
    """Read a step off the instance that is about to run, and judge it.

    Raises:
        StoryDefinitionError: the instance has no such attribute, or something there that takes no state.
    """
    try:
        value = getattr(story, name)
    except AttributeError as error:
        if look_up(cls, name) is None:
            refuse_missing(cls, name)
        raise _refusal(cls, name, f"is declared, but this {cls.__qualname__} has no value for it: {error}") from error
    judge_value(cls, name, value, bound=True)
    return value


def _refusal(cls: type, name: str, what: str) -> StoryDefinitionError:
    return StoryDefinitionError(f"{cls.__qualname__}: I.{name} {what}", cls.__name__, name)
