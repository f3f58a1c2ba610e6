"""When two hook objects do the same, so that a run calls only the first; and when one replaces another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MethodType
from typing import Any

from dddkit._callables import are_same

__all__ = ["do_the_same", "role_of"]


def do_the_same(one: Callable[..., Any], other: Callable[..., Any], kinds: Iterable[str]) -> bool:
    """Return whether two callbacks are the same one, or belong to hooks with equal settings.

    A hook class takes part by a method `__hook_key__`, which returns its settings. A hook of a subclass does the same
    only where it overrides no callback and has no other attributes.

    Args:
        one: a callback.
        other: another of the same kind.
        kinds: the names of the methods of a hook.
    """
    if are_same(one, other):
        return True
    if not (isinstance(one, MethodType) and isinstance(other, MethodType)):
        return False
    first: object = one.__self__
    second: object = other.__self__
    if not (hasattr(type(first), "__hook_key__") and hasattr(type(second), "__hook_key__")):
        return False
    try:
        return (
            _key(first) == _key(second)
            and all(getattr(type(first), kind, None) is getattr(type(second), kind, None) for kind in kinds)
            and _own_attributes(first) == _own_attributes(second)
        )
    except Exception:  # attributes of a subclass that cannot be compared
        return False


def role_of(callback: Callable[..., Any]) -> object:
    """Return what a hook does that only one of several may do in a run, that of the nearest class; None: nothing."""
    hook: object = callback.__self__ if isinstance(callback, MethodType) else None
    return getattr(type(hook), "__hook_role__", None)


def _key(hook: Any) -> object:
    return hook.__hook_key__()


def _own_attributes(hook: object) -> dict[str, object]:
    """Return what a subclass has added to the attributes of the class with the key."""
    own: dict[str, object] = dict(getattr(hook, "__dict__", {}))
    for cls in type(hook).__mro__:
        if "__hook_key__" in vars(cls):
            break
        slots = vars(cls).get("__slots__", ())
        own |= {name: getattr(hook, name, None) for name in ([slots] if isinstance(slots, str) else slots)}
    return own
