"""Steps that are stories themselves, and what they say about the story around them."""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType, MethodType, MethodWrapperType
from typing import Any

from dddkit._awaitables import is_async
from dddkit._callables import without_partials
from dddkit.stories._engine.validation import look_up

__all__ = ["async_steps", "is_engine_call", "is_undone_by_itself", "nested_call", "story_of_step"]


def is_engine_call(call: object) -> bool:
    """Whether a `__call__` is `Story.__call__`, or was compiled from generated source."""
    return isinstance(call, FunctionType) and getattr(call, "__engine_call__", False)


def async_steps(shown: Mapping[str, object]) -> set[str]:
    """Return which of the steps that a class shows are async; a story that is a step counts by what its class shows."""
    found: set[str] = set()
    for name, value in shown.items():
        call = getattr(value, "__func__", value)
        nested = nested_call(call)
        if is_async(call if nested is None else nested[1]):
            found.add(name)
    return found


def nested_call(step: object) -> tuple[object, object] | None:
    """Return the story that a step runs, with the `__call__` that it runs by; None where the step is another callable.

    The step is the story, its bound `__call__`, or a partial of these.
    """
    if isinstance(step, FunctionType):  # the usual step
        return None
    step = without_partials(step)
    call: object = None
    while isinstance(step, (MethodType, MethodWrapperType)) and getattr(step, "__name__", None) == "__call__":
        call = call or getattr(step, "__func__", None)
        step = step.__self__
    if "__story__" not in type(step).__dict__:
        return None
    cls: Any = type(step)
    return step, call or cls.__call__


def story_of_step(story: object, name: str) -> object | None:
    """Return the story that a step is, whose own compensations undo it; None where the step is anything else.

    A story with a `__call__` of its own, and a partial of one, may do more than its steps: they are none.
    """
    found = look_up(type(story), name)
    if found is not None and isinstance(found.value, FunctionType):
        return None
    try:
        step: object = getattr(story, name)
    except Exception:  # a property may raise anything
        return None
    return step if is_undone_by_itself(step) else None


def is_undone_by_itself(step: object) -> bool:
    """Whether a step is a story that the engine runs, so that its own compensations undo it."""
    cls: Any = type(step)
    return "__story__" in cls.__dict__ and is_engine_call(cls.__call__)
