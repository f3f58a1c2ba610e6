"""What is rejected when hooks are injected: methods that a run would never call, or could not call."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import FunctionType, MethodType
from typing import Any, Final

from dddkit._awaitables import is_async
from dddkit._callables import display_name, kind_of, without_partials
from dddkit.stories._engine.registry import Callback, Hooks
from dddkit.stories._engine.validation import takes

__all__ = ["check_callback", "methods_of"]

_GENERATOR: Final = 0x20  # inspect.CO_GENERATOR, CO_ASYNC_GENERATOR, CO_ITERABLE_COROUTINE
_ASYNC_GENERATOR: Final = 0x200
_ITERABLE_COROUTINE: Final = 0x100
_CLOSE: Final = 0.81  # the ratio of `difflib`; "befor", "around_steps", not the words "later" and "alter" (0.8)


def methods_of(hook: object) -> dict[str, Callback]:
    """Return the methods of a hook by kind.

    Raises:
        TypeError: it has none, or one that no run could call.
    """
    if isinstance(hook, type):
        raise TypeError(f"the hook {hook.__qualname__} is a class; pass an object of it: {hook.__qualname__}()")
    found = {kind: method for kind in Hooks._fields if (method := getattr(hook, kind, None)) is not None}
    name = display_name(hook)
    _reject_misspelt(hook, name, found)
    if not found:
        hint = "; register_hook(kind, function) takes functions" if isinstance(hook, FunctionType) else ""
        raise TypeError(
            f"{kind_of(hook)} is no hook: it has none of the methods {', '.join(sorted(Hooks._fields))}{hint}"
        )
    for kind, method in found.items():
        if not callable(method):
            raise TypeError(f"{kind!r} of the hook {name} is no method, but {kind_of(method)}")
        check_callback(kind, method, f"{kind!r} of the hook {name}")
    return found


def check_callback(kind: str, callback: Callback, described: str) -> None:
    """Reject a callback that no run could call, or that would do nothing.

    Raises:
        TypeError: it begins with `described`.
    """
    flags = _flags_of(callback)
    if kind.startswith("around"):
        if is_async(callback) or flags & _ASYNC_GENERATOR:
            raise TypeError(f"{described} is async; make it a plain generator function, which serves async stories too")
    elif flags & _ASYNC_GENERATOR or (flags & _GENERATOR and not flags & _ITERABLE_COROUTINE):
        raise TypeError(f"{described} is a generator function: calling it runs nothing of its body; take the yield out")
    if not takes(callback, _given(kind)):
        parameters = "(context)" if _given(kind) == 1 else "(context, step)"
        raise TypeError(f"{described} cannot be called with {parameters}; a method takes them after self")


def _given(kind: str) -> int:
    return 1 if kind == "around_story" else 2


def _flags_of(callback: Any) -> int:
    """Return the flags of the function that is called in the end; 0 where it is no function of Python."""
    call: object = without_partials(callback)
    if type(call) not in (FunctionType, MethodType):
        call = getattr(type(call), "__call__", None)  # noqa: B004  # the function itself is wanted
    function: object = call.__func__ if type(call) is MethodType else call
    return function.__code__.co_flags if type(function) is FunctionType else 0


def _reject_misspelt(hook: object, described: str, found: dict[str, Callback]) -> None:
    """Reject a method that would be a hook under another name, which the object has not."""
    absent = [kind for kind in Hooks._fields if kind not in found]
    for name in _public_names(hook) if absent else ():
        kind = _near(name, absent)
        if kind is None:
            continue
        method = getattr(hook, name, None)
        if callable(method) and takes(method, _given(kind)):
            raise TypeError(
                f"{name!r} of the hook {described} would never be called; did you mean {kind!r}? "
                f"A helper needs another name, such as _{name}"
            )


def _near(name: str, absent: list[str]) -> str | None:
    from difflib import get_close_matches

    if name in Hooks._fields:
        return None
    plain = name.removeprefix("on_")
    return next(iter([plain] if plain in absent else get_close_matches(name, absent, n=1, cutoff=_CLOSE)), None)


def _public_names(hook: Any) -> Iterator[str]:
    """The names of what can be a method: read off the dictionaries, since a property may do anything."""
    for holder in (*type(hook).__mro__, hook):
        for name, value in list(getattr(holder, "__dict__", {}).items()):
            if not name.startswith("_") and isinstance(value, _METHODS):
                yield name


_METHODS: Final = (FunctionType, MethodType, staticmethod, classmethod, partial)
