"""How the call of a story finds what to run.

The first call of a class makes its `Plan`, compiles the source of its run, and installs the result as the `__call__` of
the class. A change of the class, or of its hooks, discards what it concerns (`metaclass.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable
from types import MethodType
from typing import Any

from dddkit._awaitables import is_async
from dddkit.exceptions import StoryDefinitionError
from dddkit.stories._engine.plan import PREPARING, Plan, PreparedRun, is_engine_call
from dddkit.stories._engine.validation import reject_async_hook, step_of

__all__ = ["run_story", "source_of"]


def run_story(story: object, state: Any) -> Awaitable[None]:
    """Run a story: at once if all its steps are sync; else return the coroutine that runs it."""
    cls: Any = type(story)
    plan: Plan = cls.__story__.plan or _plan_of(cls)
    any_async = plan.is_async if not plan.instance_steps else _is_async(story, ())
    prepared = plan.prepared or plan.prepare()
    if prepared.async_hook is not None and not any_async:
        reject_async_hook(cls, *prepared.async_hook)
    function = prepared.function(any_async)
    if not plan.instance_steps:
        _install(cls, plan, prepared, function)
    finished: Awaitable[None] = function(story, state)
    return finished


def source_of(cls: Any) -> str:
    """Return the source of what a story class runs with its current hooks, to read it.

    What only an instance can show (whether an injected step is async) counts as sync.
    """
    plan = _plan_of(cls)
    return (plan.prepared or plan.prepare()).source(plan.is_async)


def _install(cls: Any, plan: Plan, prepared: PreparedRun, function: Any) -> None:
    """Make the compiled function the `__call__` of the class, so that nothing stands between it and the caller."""
    with PREPARING:  # another thread may have changed the class or its hooks meanwhile
        is_current = cls.__story__.plan is plan and plan.prepared is prepared
        if is_current and is_engine_call(cls.__dict__.get("__call__")):
            function.__engine_call__ = True
            type.__setattr__(cls, "__call__", function)


def _plan_of(cls: type[Any]) -> Plan:
    declaration = cls.__story__
    plan: Plan | None = declaration.plan
    if plan is None:
        plan = declaration.plan = Plan(cls, run_story)  # several threads may do this; their plans are equal
    return plan


def _is_async(story: object, path: tuple[object, ...]) -> bool:
    """Return whether a story is async; validate what only instances can show, this one and the stories nested in it."""
    cls: type[Any] = type(story)
    if any(story is outer for outer in path):
        through = " -> ".join(type(outer).__qualname__ for outer in (*path, story))
        raise StoryDefinitionError(f"{cls.__qualname__} reaches itself through its steps: {through}", cls.__name__)
    plan = _plan_of(cls)
    any_async = plan.is_async
    for name in plan.instance_steps:
        step = step_of(cls, story, name)
        nested = _nested_story(step)
        if nested is None:
            any_async = is_async(step) or any_async
        else:
            any_async = _is_async(nested, (*path, story)) or is_async(type(nested).__call__) or any_async
    if path and not any_async:
        prepared = plan.prepared or plan.prepare()
        if prepared.async_hook is not None:
            reject_async_hook(cls, *prepared.async_hook)
    return any_async


def _nested_story(step: object) -> Any:
    if isinstance(step, MethodType) and getattr(step.__func__, "__name__", None) == "__call__":
        step = step.__self__
    return step if "__story__" in type(step).__dict__ else None
