"""How the call of a story finds what to run.

The first call of a class makes its `Plan`, compiles the source of its run, and installs the result as the `__call__` of
the class. A change of the class, or of its hooks, discards what it concerns (`metaclass.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from types import FunctionType
from typing import Any, NamedTuple

from dddkit._awaitables import is_async
from dddkit.exceptions import StoryDefinitionError
from dddkit.stories._engine.lock import LOCK
from dddkit.stories._engine.plan import Plan, PreparedRun
from dddkit.stories._engine.replacement import OPEN, replacement_for
from dddkit.stories._engine.story_steps import is_engine_call, is_undone_by_itself, nested_call
from dddkit.stories._engine.validation import reject_async_hook, step_of

__all__ = ["async_first_call", "is_async_call", "run_story", "source_of"]


def run_story(story: object, state: Any) -> Awaitable[None]:
    """Run a story: at once if all its steps are sync; else return the coroutine that runs it."""
    cls: Any = type(story)
    plan: Plan = cls.__story__.plan or _plan_of(cls)
    any_async, undoes = (
        _validate(story, (), {}) if plan.instance_steps else Shown(plan.is_async, undoes=plan.compensates)
    )
    prepared = plan.prepared or plan.prepare()
    if prepared.async_hook is not None and not any_async:
        reject_async_hook(cls, *prepared.async_hook)
    if OPEN and (replacement := replacement_for(story)) is not None:
        replaced: Awaitable[None] = prepared.function_with(replacement, any_async, undoes)(story, state)
        return replaced
    function = prepared.function(any_async, undoes)
    if not plan.instance_steps:
        _install(cls, plan, prepared, function)
    finished: Awaitable[None] = function(story, state)
    return finished


def async_first_call(cls: type, call: FunctionType) -> object:
    """Return what stands for `Story.__call__` in a class that shows an async step: a coroutine function.

    From Python 3.12 on a mark is enough, so that a definition error comes at the call.
    """
    made: Any
    if sys.version_info >= (3, 12):
        from inspect import markcoroutinefunction

        made = markcoroutinefunction(FunctionType(call.__code__, call.__globals__, call.__name__))
    else:

        async def run(self: object, state: Any, /) -> None:
            await run_story(self, state)

        made = run
        made.__name__ = call.__name__
    _describe(cls, made, call)
    return made


def _describe(cls: type, made: Any, call: Any) -> None:
    """Make a function that stands for `Story.__call__` look like it."""
    made.__engine_call__ = True
    made.__qualname__ = f"{cls.__qualname__}.__call__"
    made.__doc__, made.__annotations__ = call.__doc__, call.__annotations__


def source_of(cls: Any) -> str:
    """Return the source of what a story class runs with its current hooks, to read it.

    What only an instance can show (whether an injected step is async) counts as sync.
    """
    plan = _plan_of(cls)
    return (plan.prepared or plan.prepare()).source(plan.is_async)


def _install(cls: Any, plan: Plan, prepared: PreparedRun, function: Any) -> None:
    """Make the compiled function the `__call__` of the class, so that nothing stands between it and the caller."""
    call = cls.__dict__.get("__call__")
    if not is_engine_call(call):
        return
    _describe(cls, function, call)
    with LOCK:
        # Another thread may have changed the class or its hooks meanwhile, or a finalizer at the line above.
        _ = cls.__story__.plan is plan and plan.prepared is prepared and type.__setattr__(cls, "__call__", function)


def _plan_of(cls: type[Any]) -> Plan:
    declaration = cls.__story__
    plan: Plan | None = declaration.plan
    if plan is None:
        plan = declaration.plan = Plan(cls, run_story)  # several threads may do this; their plans are equal
    return plan


def is_async_call(story: object, call: object) -> bool:
    """Return whether `call`, the `__call__` of a story, gives an awaitable, as far as the steps show it now.

    It answers before any run. What is for the run to report (a step that this object lacks) counts as sync here.
    """
    return _is_async_call(story, call, {})


def _is_async_call(story: object, call: object, seen: dict[int, object]) -> bool:
    if not is_engine_call(call) and is_async(call):
        return True
    if _returns_none(call) or id(story) in seen:
        return False
    seen[id(story)] = story  # which keeps it alive: another story could get its id
    try:
        plan = _plan_of(type(story))
    except StoryDefinitionError:  # it lists no steps
        return False
    return plan.is_async or any(_is_async_step(story, name, seen) for name in plan.instance_steps)


def _is_async_step(story: object, name: str, seen: dict[int, object]) -> bool:
    try:
        step: object = getattr(story, name)
    except Exception:  # a property may raise anything, and does so again at the run
        return False
    nested = nested_call(step)
    return is_async(step) if nested is None else _is_async_call(*nested, seen)


def _returns_none(call: object) -> bool:
    """Whether a handwritten `__call__` says that it returns nothing, so that it runs the steps itself."""
    try:
        return getattr(call, "__annotations__", {}).get("return", ...) in (None, "None")
    except NameError:  # from Python 3.14 on, annotations are evaluated here
        return False


class Shown(NamedTuple):
    """What an object shows of its run."""

    is_async: bool
    undoes: bool
    """Whether a step has a compensation, its own or one inside a nested story."""


def _validate(story: object, path: tuple[object, ...], known: dict[int, tuple[object, Shown]]) -> Shown:
    """Validate what only instances can show, of a story and those nested in it.

    Args:
        story: the story.
        path: the stories around it, the outermost first, each followed by the step that leads to the next one.
        known: the answers so far by the id of the story, with the story itself: each is validated once.
    """
    cls: type[Any] = type(story)
    if any(story is outer for outer in path):
        names = [f"I.{each}" if isinstance(each, str) else type(each).__qualname__ for each in (*path, story)]
        raise StoryDefinitionError(
            f"{cls.__qualname__} reaches itself through its steps: {' -> '.join(names)}; "
            f"give one of these steps another story",
            cls.__name__,
        )
    if id(story) in known:
        return known[id(story)][1]
    plan = _plan_of(cls)
    any_async, undoes = plan.is_async, plan.compensates
    for name in plan.instance_steps:
        step = step_of(cls, story, name)
        nested = nested_call(step)
        if nested is None:
            any_async = is_async(step) or any_async
        else:
            inner, call = nested
            shown = _validate(inner, (*path, story, name), known)
            any_async = (shown.is_async and not _returns_none(call)) or is_async(call) or any_async
            undoes = undoes or (shown.undoes and is_undone_by_itself(step))
    if path and not any_async:
        prepared = plan.prepared or plan.prepare()
        if prepared.async_hook is not None:
            reject_async_hook(cls, *prepared.async_hook)
    known[id(story)] = story, Shown(any_async, undoes)
    return known[id(story)][1]
