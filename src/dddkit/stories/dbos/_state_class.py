"""Which State a story takes: what is recorded, and what `start` accepts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any, get_type_hints

from dddkit.exceptions import StoryDefinitionError
from dddkit.stories._engine.compensations import steps_of
from dddkit.stories.state import StoryState

__all__ = ["state_class_of"]


def state_class_of(story: object, name: str) -> type:
    """Return the class of a story's State: the one that its body declares or inherits, or that its steps take.

    Raises:
        StoryDefinitionError: there is none, or there are several.
    """
    cls: Any = type(story)
    declared = getattr(cls, "State", None)
    if isinstance(declared, type) and issubclass(declared, StoryState):
        return declared
    found = list(dict.fromkeys(_annotated(story)))
    narrowest = [one for one in found if all(issubclass(one, other) for other in found)]
    if narrowest:
        return narrowest[0]
    if isinstance(declared, type):  # no StoryState: its own message says what to write
        return declared
    told = (
        f"its steps take {' and '.join(one.__qualname__ for one in found)}"
        if found
        else "neither its body nor the annotations of its steps say so"
    )
    raise StoryDefinitionError(
        f"{name}: which State {cls.__qualname__} takes is not clear, {told}; write `class State(StoryState): ...` in "
        f"its body"
    )


def _annotated(story: object) -> Iterator[type]:
    """Yield the classes that the steps' parameters are annotated with."""
    cls = type(story)
    for step in steps_of(cls):
        value: object = getattr(story, step, None)
        function = getattr(value, "__func__", value)
        if isinstance(function, FunctionType):
            code = function.__code__
            names = code.co_varnames[: code.co_argcount]
            if not names:
                continue
            hint = _hints(function, cls).get(names[-1])
            if isinstance(hint, type) and hint not in (object, Any):  # a class too, from 3.11 on
                yield hint


def _hints(function: FunctionType, cls: type) -> dict[str, Any]:
    module = sys.modules.get(function.__module__)
    names = {name: value for base in reversed(cls.__mro__) for name, value in vars(base).items()}
    try:
        return get_type_hints(function, vars(module) if module else {}, names)
    except Exception:  # an annotation that cannot be evaluated, such as one that is imported for checkers only
        return {}
