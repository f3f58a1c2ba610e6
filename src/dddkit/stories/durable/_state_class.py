"""Which State a story takes: what is recorded, and what `start` accepts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any, get_origin, get_type_hints

from dddkit.exceptions import StoryDefinitionError
from dddkit.stories._engine.compensations import steps_of
from dddkit.stories.state import StoryState

__all__ = ["state_class_of"]


def state_class_of(story: object, name: str) -> Any:
    """Return the class of a story's State: the one that its body declares or inherits, or that its steps take.

    A generic one is returned with its arguments, as in `State = Box[int]`.

    Raises:
        StoryDefinitionError: there is none, or there are several.
    """
    cls: Any = type(story)
    declared = getattr(cls, "State", None)
    if isinstance(_class_of(declared), type) and issubclass(_class_of(declared), StoryState):
        return declared
    found = list(dict.fromkeys(_annotated(story)))
    narrowest = [one for one in found if all(issubclass(_class_of(one), _class_of(other)) for other in found)]
    if len({*map(_class_of, narrowest)}) == len(narrowest) > 0:  # not Box[int] here and Box[str] there
        return narrowest[0]
    if isinstance(declared, type):  # no StoryState: its own message says what to write
        return declared
    told = (
        f"its steps take {' and '.join(getattr(one, '__qualname__', str(one)) for one in found)}"
        if found
        else "neither its body nor the annotations of its steps say so"
    )
    raise StoryDefinitionError(
        f"{name}: which State {cls.__qualname__} takes is not clear, {told}; write `class State(StoryState): ...` in "
        f"its body"
    )


def _class_of(declared: Any) -> Any:
    return get_origin(declared) or declared


def _annotated(story: object) -> Iterator[Any]:
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
            if isinstance(_class_of(hint), type) and hint not in (object, Any):  # a class too, from 3.11 on
                yield hint


def _hints(function: FunctionType, cls: type) -> dict[str, Any]:
    module = sys.modules.get(function.__module__)
    names = {name: value for base in reversed(cls.__mro__) for name, value in vars(base).items()}
    try:
        return get_type_hints(function, vars(module) if module else {}, names)
    except Exception:  # an annotation that cannot be evaluated, such as one that is imported for checkers only
        return {}
