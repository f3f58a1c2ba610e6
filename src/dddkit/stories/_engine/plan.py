"""How a call of a story finds what to run: which steps and hooks there are, whether it is sync or async.

The first call of a class prepares a `Plan` and writes the steps out as the `__call__` of the class (`written.py`); any
change of the class, or of its hooks, drops what it concerns. There are three texts, each a special case of the last,
and there for what that one costs:

1. Without hooks: the calls of the steps and nothing else.
2. With hooks that need not be called at every step, as the default ones while nothing is logged: the same, and the
   time after each step. The hooks are made up for when somebody looks at the steps, or when one fails.
3. With any hooks: between their calls, and with a sheet of facts for each step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from threading import Lock
from time import perf_counter
from types import CodeType, CoroutineType, FunctionType, MethodType
from typing import Any, Final, TypeGuard, cast

from dddkit._awaitables import FINISHED, dispose, is_async, is_awaitable, is_coroutine_function
from dddkit._callables import display_name
from dddkit.exceptions import StoryDefinitionError
from dddkit.stories._engine import outcome as ending
from dddkit.stories._engine.codegen import Shape, Steps, bound, with_hooks, without_hooks
from dddkit.stories._engine.current_run import PLACE, stand_under
from dddkit.stories._engine.facts import (
    PutOff,
    StepExecutionInfo,
    StoryExecutionContext,
    passed,
    running_step,
)
from dddkit.stories._engine.registry import Callback, Condition, Hooks, collect, condition, is_put_off
from dddkit.stories._engine.status import StepStatus
from dddkit.stories._engine.validation import as_step, is_method, look_up

__all__ = ["PREPARING", "Plan", "is_ours", "run"]

PREPARING: Final = Lock()
"""Held where a class is given its `__call__`, or loses it because it has changed."""


class Plan:
    """What the first call of a class finds out for all of them."""

    __slots__ = (
        "_changes",
        "_cls",
        "_codes",
        "_expected_async",
        "_is_inherited",
        "_registries",
        "_surely_async",
        "is_async",
        "names",
        "per_instance",
        "prepared",
    )

    def __init__(self, cls: Any) -> None:
        self._cls: Final = cls
        self.names: Final[tuple[str, ...]] = tuple(cls.I.__steps__)
        if not self.names:
            raise StoryDefinitionError(
                f"{cls.__qualname__} lists no steps, so calling it would do nothing; list them with I.name in its body",
                cls.__name__,
            )
        functions: dict[str, object] = {}
        for name in self.names:
            found = look_up(cls, name)
            # A mixin that is no story would not tell us when it is patched.
            is_settled = found is not None and not found.by_instance and is_method(found.value)
            if found is not None and is_settled and "__story__" in vars(found.owner):
                functions[name] = found.value
        self.per_instance: Final = tuple([name for name in dict.fromkeys(self.names) if name not in functions])
        """The steps that only an instance can show."""
        async_names = {name for name, value in functions.items() if is_async(getattr(value, "__func__", value))}
        self.is_async: Final = bool(async_names)
        surely = {name for name in async_names if is_coroutine_function(functions[name])}
        # Nothing else can stand in its place where an instance holds no attributes besides its slots.
        is_fixed = cls.__dictoffset__ == 0 and cls.__getattribute__ is object.__getattribute__
        self._surely_async: Final = surely if is_fixed else set[str]()
        self._expected_async: Final = async_names.union(self.per_instance)
        self._is_inherited: Final = _has_calls_of_their_own(cls)
        self._registries: Final = [
            base.__dict__["__step_hooks__"] for base in reversed(cls.__mro__) if "__step_hooks__" in base.__dict__
        ]
        self._codes: Final[dict[tuple[bool, Shape | None], CodeType]] = {}
        self._changes = 0
        self.prepared: _Prepared | None = None
        """What goes for the hooks of now."""

    def prepare(self) -> _Prepared:
        changes = self._changes
        prepared = _Prepared(self, collect(self._registries))
        with PREPARING:
            if self._changes == changes:  # else it is good for the run that starts now, and no more
                self.prepared = prepared
        return prepared

    def forget_hooks(self) -> None:
        """The hooks have changed; the caller holds PREPARING."""
        self._changes += 1
        self.prepared = None

    def bound(self, any_async: bool, shape: Shape | None, names: dict[str, object]) -> Any:
        """The text for these hooks as a function, in the colour of the story."""
        code = self._codes.get((any_async, shape))
        if code is None:
            surely = self._surely_async if any_async else ()
            steps = Steps(self._cls.I.__places__, any_async, surely, self._expected_async, self._is_inherited)
            code = with_hooks(steps, shape) if shape else without_hooks(steps)
            self._codes[any_async, shape] = code  # for those who inject and remove hooks again and again
        return bound(code, self._cls.__qualname__, {**_NAMES[any_async], "story": self._cls, "run": run, **names})


def _has_calls_of_their_own(cls: type) -> bool:
    """Whether any child has a `__call__` by hand, which calls that of the class by `super()`."""
    children: list[type] = type.__subclasses__(cls)
    return any(not is_ours(cast("Any", child).__call__) or _has_calls_of_their_own(child) for child in children)


class _Prepared:
    """What a story runs, as long as its hooks stay the same."""

    __slots__ = ("_calls", "_hooks", "_plan", "async_hook")

    def __init__(self, plan: Plan, hooks: Hooks | None) -> None:
        self._plan: Final = plan
        self._hooks: Final = hooks
        self._calls: Final[dict[bool, Any]] = {}
        self.async_hook: Final = _async_hook(hooks) if hooks is not None else None

    def call(self, any_async: bool) -> Any:
        """What is called with a story and its state."""
        made = self._calls.get(any_async)
        if made is None:
            made = self._calls[any_async] = self._made(any_async)
        return made

    def _made(self, any_async: bool) -> Any:
        plan, hooks = self._plan, self._hooks
        if hooks is None:
            return plan.bound(any_async, None, {})
        conditions = _conditions(hooks)
        if not conditions:
            return _accompanied(plan, any_async, hooks)

        def listening(story: object, state: object) -> Any:
            """At the first run for which a condition holds, write the text with all hooks."""
            names["listening"] = made = _accompanied(plan, any_async, hooks)
            return made(story, state)

        idle = Hooks(*(tuple(hook for hook in kind if condition(hook) is None) for kind in hooks))
        made = _accompanied(plan, any_async, idle, conditions, listening)
        names = made.__globals__
        return made


def _async_hook(hooks: Hooks) -> tuple[str, Callback] | None:
    kinds = (("before", hooks.before), ("after", hooks.after), ("error", hooks.error))
    return next(((kind, hook) for kind, found in kinds for hook in found if is_async(hook)), None)


def _conditions(hooks: Hooks) -> list[Condition]:
    """What decides, when a run starts, whether it needs all hooks."""
    given = dict.fromkeys(condition(hook) for kind in hooks for hook in kind)
    return [find() for find in given if find is not None]


def _accompanied(
    plan: Plan,
    any_async: bool,
    hooks: Hooks,
    conditions: Sequence[Condition] = (),
    listening: Callable[..., Any] | None = None,
) -> Any:
    shape = Shape(
        conditions=len(conditions),
        around_story=len(hooks.around_story),
        around_step=len(hooks.around_step),
        before=tuple(map(_is_plain_method, hooks.before)),
        after=tuple(map(_is_plain_method, hooks.after)),
        waits=not hooks.around_step and all(map(is_put_off, hooks.before + hooks.after)),
    )
    names: dict[str, object] = {
        "hooks": hooks,
        "put_off": PutOff(plan.names, hooks),
        "listening": listening,
    }
    for number, (function, argument) in enumerate(conditions):
        names |= {f"condition_{number}": function, f"condition_{number}_of": argument}
    for kind, callbacks in hooks._asdict().items():
        for number, callback in enumerate(callbacks):
            names[f"{kind}_{number}"] = callback
            if kind in ("before", "after") and _is_plain_method(callback):
                names |= {f"{kind}_{number}": callback.__func__, f"{kind}_{number}_of": callback.__self__}
    return plan.bound(any_async, shape, names)


def _is_plain_method(callback: Callback) -> TypeGuard[MethodType]:
    return isinstance(callback, MethodType) and isinstance(callback.__func__, FunctionType)


def run(story: object, state: Any) -> Awaitable[None]:
    """Run a story: now, when all its steps are sync; else give the coroutine that will."""
    cls: Any = type(story)
    plan: Plan = cls.__story__.plan or _plan(cls)
    any_async = plan.is_async if not plan.per_instance else _decide(story, ())
    prepared = plan.prepared or plan.prepare()
    if prepared.async_hook is not None and not any_async:
        _refuse_async_hook(cls, *prepared.async_hook)
    call = prepared.call(any_async)
    if not plan.per_instance:
        _put_in_place(cls, plan, prepared, call)
    finished: Awaitable[None] = call(story, state)
    return finished


def _put_in_place(cls: Any, plan: Plan, prepared: _Prepared, call: Any) -> None:
    """Let the steps written out be the `__call__` of their class, so that nothing stands between it and its caller."""
    with PREPARING:  # somebody may have changed the class or its hooks meanwhile
        is_current = cls.__story__.plan is plan and plan.prepared is prepared
        if is_current and is_ours(cls.__dict__.get("__call__")):
            call.__ours__ = True
            type.__setattr__(cls, "__call__", call)


def is_ours(call: object) -> bool:
    """Whether a class's `__call__` is the engine's: `Story.__call__`, or the steps written out."""
    return isinstance(call, FunctionType) and getattr(call, "__ours__", False)


# What is known before the first step


def _plan(cls: type[Any]) -> Plan:
    declaration = cls.__story__
    plan: Plan | None = declaration.plan
    if plan is None:
        plan = declaration.plan = Plan(cls)  # of several threads the last one notes it; they find the same
    return plan


def _decide(story: object, path: tuple[object, ...]) -> bool:
    """Judge what only instances can show, this one and the stories nested in it: missing steps; whether it is async."""
    cls: type[Any] = type(story)
    if any(story is outer for outer in path):
        through = " -> ".join(type(outer).__qualname__ for outer in (*path, story))
        raise StoryDefinitionError(f"{cls.__qualname__} reaches itself through its steps: {through}", cls.__name__)
    plan = _plan(cls)
    any_async = plan.is_async
    for name in plan.per_instance:
        step = as_step(cls, story, name)
        nested = _nested_story(step)
        if nested is None:
            any_async = is_async(step) or any_async
        else:
            any_async = _decide(nested, (*path, story)) or is_async(type(nested).__call__) or any_async
    if path and not any_async:
        prepared = plan.prepared or plan.prepare()
        if prepared.async_hook is not None:
            _refuse_async_hook(cls, *prepared.async_hook)
    return any_async


def _refuse_async_hook(cls: type, kind: str, hook: Callback) -> None:
    raise TypeError(
        f"{cls.__qualname__}: the {kind} hook {display_name(hook)} is async, but no step of the story is; "
        f"make the hook a plain function, or one step async"
    )


def _nested_story(step: object) -> Any:
    if isinstance(step, MethodType) and getattr(step.__func__, "__name__", None) == "__call__":
        step = step.__self__
    return step if "__story__" in type(step).__dict__ else None


# What the texts use


def _refuse_awaitable(story: object, name: str, result: object) -> None:
    """What a step of a sync story may not return; None, FINISHED and all that cannot be awaited count as nothing."""
    if result is FINISHED or not is_awaitable(result):
        return
    dispose(result)
    raise TypeError(
        f"{type(story).__qualname__}: step {name} returned an awaitable ({type(result).__name__}), but the story is "
        f"sync: none of its steps is declared async; make it `async def {name}`"
    )


_BOTH: Final[dict[str, object]] = {
    "COMPLETED": StepStatus.COMPLETED,
    "Context": StoryExecutionContext,
    "PENDING": StepStatus.PENDING,
    "RUNNING": StepStatus.RUNNING,
    "Sheet": StepExecutionInfo,
    "Stopped": ending.Stopped,
    "clock": perf_counter,
    "end": ending.end,
    "enter": PLACE.set,
    "go_in": ending.go_in,
    "passed": passed,
    "place": PLACE.get,
    "running_step": running_step,
    "stand_under": stand_under,
}
_SYNC: Final = _BOTH | {
    "FINISHED": FINISHED,
    "end_step": ending.end_step,
    "fail": ending.fail,
    "leave": PLACE.reset,
    "refuse": ending.refuse_async_hook,
    "settle": _refuse_awaitable,
}
_ASYNC: Final = _BOTH | {
    "Coroutine": CoroutineType,
    "end_step": ending.end_step_async,
    "fail": ending.fail_async,
    "is_awaitable": is_awaitable,
    "leave": PLACE.reset,
}
_NAMES: Final = {False: _SYNC, True: _ASYNC}
