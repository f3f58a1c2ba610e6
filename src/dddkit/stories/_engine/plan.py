"""What the first call of a story class finds out, for all calls that follow.

There are three kinds of compiled source. Each is a special case of the next one, and exists because that costs more:

1. Without hooks: the calls of the steps and nothing else.
2. With hooks that can be deferred, such as the default ones while nothing is logged: the same, and the time after each
   step.
3. With any hooks: their calls as well, and an object with the facts of each step.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Sequence
from contextvars import ContextVar, copy_context
from time import perf_counter
from types import CodeType, CoroutineType, FunctionType, MethodType
from typing import Any, Final, TypeGuard, cast

from dddkit._awaitables import FINISHED, is_async, is_awaitable, is_coroutine_function
from dddkit.exceptions import StoryDefinitionError
from dddkit.stories._engine import outcome
from dddkit.stories._engine.codegen import HookLayout, source_with_hooks, source_without_hooks
from dddkit.stories._engine.compensations import compensations_of
from dddkit.stories._engine.current_run import CURRENT_RUN, end_nested, leave_run, nest_run
from dddkit.stories._engine.deferred import (
    Condition,
    DeferredHooks,
    advance,
    condition_of,
    is_deferrable,
    running_step,
)
from dddkit.stories._engine.facts import FailureMark, RunRecord, StepRecord
from dddkit.stories._engine.generators import enter_generator
from dddkit.stories._engine.hook_results import check_hook_result
from dddkit.stories._engine.lock import LOCK
from dddkit.stories._engine.pickling import reduce_context_variable
from dddkit.stories._engine.registry import Callback, Hooks, collect, registries_of
from dddkit.stories._engine.replacement import Replacement
from dddkit.stories._engine.source import Source, StepLayout, to_function
from dddkit.stories._engine.status import StepStatus
from dddkit.stories._engine.story_steps import is_engine_call, nested_call
from dddkit.stories._engine.undoing import ALL_DONE, Handled, Undoing, log_not_undone, undo, undo_async
from dddkit.stories._engine.validation import check_step_result, is_method, look_up

__all__ = ["Plan", "PreparedRun"]


class Plan:
    """What the first call of a class finds out for all of them, until the class changes.

    Args:
        cls: the story class.
        run_story: what compiled source calls for an object of a child, which may have other steps.

    Attributes:
        names: the steps, in order.
        instance_steps: the names that only an instance can resolve: fields, properties, methods of other mixins.
        compensates: whether the class itself declares what undoes its steps.
        is_async: whether the class shows that the story is async.
        prepared: what was prepared for the current hooks; None after they have changed.

    Raises:
        StoryDefinitionError: the story lists no steps.
    """

    __slots__ = (
        "_always_async",
        "_changes",
        "_cls",
        "_codes",
        "_has_super_calls",
        "_probably_async",
        "_registries",
        "_run_story",
        "compensates",
        "instance_steps",
        "is_async",
        "names",
        "prepared",
    )

    def __init__(self, cls: Any, run_story: Callable[[Any, Any], Any]) -> None:
        self._cls: Final = cls
        self._run_story: Final = run_story
        shows_async = bool(cls.__story__.async_steps)  # read first: another thread may be about to patch the class
        self.names: Final[tuple[str, ...]] = tuple(cls.I.__steps__)
        if not self.names:
            from dddkit.stories._engine.advice import no_steps

            raise StoryDefinitionError(f"{cls.__qualname__} {no_steps(cls)}", cls.__name__)
        compensations = [one.method for one in compensations_of(cls).values()]
        self.compensates: Final = bool(compensations)
        functions: dict[str, object] = {}
        for name in (*self.names, *compensations):
            found = look_up(cls, name)
            # A mixin that is no story would not notify us when it is patched.
            is_known = found is not None and not found.by_instance and _is_fixed(found.value)
            if found is not None and is_known and "__story__" in vars(found.owner):
                functions[name] = found.value
        self.instance_steps: Final = tuple(
            [name for name in dict.fromkeys((*self.names, *compensations)) if name not in functions]
        )
        async_names = {name for name, value in functions.items() if is_async(getattr(value, "__func__", value))}
        # A mixin may have been patched since; but the `__call__` of the class goes on saying that it is async.
        self.is_async: Final = bool(async_names) or shows_async
        coroutine_functions = {name for name in async_names if is_coroutine_function(functions[name])}
        # Nothing can replace them in an instance that has slots only.
        is_fixed = cls.__dictoffset__ == 0 and cls.__getattribute__ is object.__getattribute__
        self._always_async: Final = coroutine_functions if is_fixed else set[str]()
        self._probably_async: Final = async_names.union(self.instance_steps)
        self._has_super_calls: Final = _has_child_with_own_call(cls)
        self._registries: Final = registries_of(cls)
        self._codes: Final[dict[tuple[object, ...], CodeType]] = {}
        self._changes = 0
        self.prepared: PreparedRun | None = None

    def prepare(self) -> PreparedRun:
        """Prepare a run with the current hooks."""
        changes = self._changes
        prepared = PreparedRun(self, collect(self._registries))
        with LOCK:
            self.prepared = prepared
            if self._changes != changes:  # then the run that starts now is the only one to use it
                self.prepared = None
        return prepared

    def invalidate_hooks(self) -> None:
        """Discard what was prepared, since the hooks have changed. The caller holds LOCK."""
        self._changes += 1
        self.prepared = None

    def source(
        self, is_async: bool, undoes: bool, hooks: HookLayout | None, replaced: int | None = None, halts: bool = False
    ) -> Source:
        """Return the source of a run with such hooks."""
        always_async = self._always_async if is_async else ()
        listed = self._cls.I.__listed_steps__
        steps = StepLayout(
            listed, is_async, undoes, always_async, self._probably_async, self._has_super_calls, replaced, halts
        )
        return source_with_hooks(steps, hooks) if hooks else source_without_hooks(steps)

    def function(
        self,
        is_async: bool,
        undoes: bool,
        hooks: HookLayout | None,
        names: dict[str, object],
        replacement: Replacement | None = None,
    ) -> Any:
        """Return the function that runs the story with such hooks.

        Args:
            is_async: whether it is an `async def`.
            undoes: whether it undoes what it has done when it is stopped.
            hooks: what its source depends on; None for no hooks.
            names: the hooks, by their names in the source.
            replacement: what happens in place of one step; None in a usual run.
        """
        replaced, halts, call = None, False, None
        if replacement is not None:
            replaced, halts, call = replacement.index, replacement.halts, replacement.call
        code = self._codes.get((is_async, undoes, hooks, replaced, halts))
        if code is None:
            code = self.source(is_async, undoes, hooks, replaced, halts).compiled()
            # For programs that inject and remove hooks again and again.
            self._codes[is_async, undoes, hooks, replaced, halts] = code
        own = {"story": self._cls, "run_story": self._run_story, "in_place": call}
        return to_function(code, self._cls.__qualname__, {**_NAMES[is_async, undoes], **own, **names})


def _has_child_with_own_call(cls: type) -> bool:
    """Whether a child has a handwritten `__call__`, which calls that of the class by `super()`."""
    children: list[type] = type.__subclasses__(cls)
    return any(not is_engine_call(cast("Any", child).__call__) or _has_child_with_own_call(child) for child in children)


def _is_fixed(value: object) -> bool:
    """Whether it is a method, unless a static one that is a story: it may become async when it changes."""
    return is_method(value) and nested_call(getattr(value, "__func__", value)) is None


class PreparedRun:
    """What a story runs as long as its hooks stay the same.

    Attributes:
        async_hook: the kind and the callback of the first async hook, if there is one.
    """

    __slots__ = ("_functions", "_hooks", "_plan", "async_hook")

    def __init__(self, plan: Plan, hooks: Hooks | None) -> None:
        self._plan: Final = plan
        self._hooks: Final = hooks
        self._functions: Final[dict[tuple[bool, bool], Any]] = {}
        self.async_hook: Final = _async_hook(hooks) if hooks is not None else None

    def function(self, is_async: bool, undoes: bool) -> Any:
        """Return what is called with a story and its state."""
        made = self._functions.get((is_async, undoes))
        if made is None:
            made = self._functions[is_async, undoes] = self._make(is_async, undoes)
        return made

    def function_with(self, replacement: Replacement, is_async: bool, undoes: bool) -> Any:
        """Return what is called with a story and its state in the one run in which something replaces a step."""
        return self._make(is_async, undoes, replacement)

    def source(self, is_async: bool) -> str:
        """Return the source of a run that starts now."""
        hooks = self._hooks
        if hooks is None:
            return str(self._plan.source(is_async, self._plan.compensates, None))
        conditions = _conditions(hooks)
        if any(function(argument) for function, argument in conditions):
            conditions = []
        layout = _layout(_always_called(hooks) if conditions else hooks, conditions)
        return str(self._plan.source(is_async, self._plan.compensates, layout))

    def _make(self, is_async: bool, undoes: bool, replacement: Replacement | None = None) -> Any:
        plan, hooks = self._plan, self._hooks
        if hooks is None:
            return plan.function(is_async, undoes, None, {}, replacement)

        def made_with(called: Hooks, conditions: Sequence[Condition], names: dict[str, object]) -> Any:
            layout = _layout(called, conditions)
            if replacement is not None and replacement.halts:  # deferred hooks would see the next step begin
                layout = layout._replace(is_deferred=False)
            return plan.function(is_async, undoes, layout, names, replacement)

        conditions = _conditions(hooks)
        if not conditions:
            return made_with(hooks, (), _names(plan, hooks))

        def run_with_all_hooks(story: object, state: object) -> Any:
            """Make the function with all hooks at the first run for which a condition holds."""
            names["run_with_all_hooks"] = made = made_with(hooks, (), _names(plan, hooks))
            return made(story, state)

        always = _always_called(hooks)
        own = {**_names(plan, always, conditions), "run_with_all_hooks": run_with_all_hooks}
        made = made_with(always, conditions, own)
        names = made.__globals__
        return made


def _async_hook(hooks: Hooks) -> tuple[str, Callback] | None:
    kinds = (("before", hooks.before), ("after", hooks.after), ("error", hooks.error))
    return next(((kind, hook) for kind, found in kinds for hook in found if is_async(hook)), None)


def _conditions(hooks: Hooks) -> list[Condition]:
    """Return what decides, when a run starts, whether it calls all hooks."""
    finders = dict.fromkeys(condition_of(hook) for kind in hooks for hook in kind)
    return [find() for find in finders if find is not None]


def _always_called(hooks: Hooks) -> Hooks:
    """Return the hooks that are called whether or not a condition holds."""
    return Hooks(*(tuple(hook for hook in kind if condition_of(hook) is None) for kind in hooks))


def _layout(hooks: Hooks, conditions: Sequence[Condition] = ()) -> HookLayout:
    return HookLayout(
        conditions=len(conditions),
        around_story=len(hooks.around_story),
        around_step=len(hooks.around_step),
        before=tuple(map(_is_python_method, hooks.before)),
        after=tuple(map(_is_python_method, hooks.after)),
        is_deferred=not hooks.around_step and all(map(is_deferrable, hooks.before + hooks.after)),
    )


def _names(plan: Plan, hooks: Hooks, conditions: Sequence[Condition] = ()) -> dict[str, object]:
    """Return the hooks and conditions, by their names in the source."""
    names: dict[str, object] = {"hooks": hooks, "catch_up": DeferredHooks(plan.names, hooks).catch_up}
    for number, (function, argument) in enumerate(conditions):
        names |= {f"condition_{number}": function, f"condition_{number}_argument": argument}
    for kind, callbacks in hooks._asdict().items():
        for number, callback in enumerate(callbacks):
            names[f"{kind}_{number}"] = callback
            if kind in ("before", "after") and _is_python_method(callback):
                names |= {f"{kind}_{number}": callback.__func__, f"{kind}_{number}_self": callback.__self__}
    return names


def _is_python_method(callback: Callback) -> TypeGuard[MethodType]:
    return isinstance(callback, MethodType) and isinstance(callback.__func__, FunctionType)


# What the global names of generated source stand for

_BOTH: Final[dict[str, object]] = {
    "ALL_DONE": ALL_DONE,
    "COMPLETED": StepStatus.COMPLETED,
    "FailureMark": FailureMark,
    "Handled": Handled,
    "PENDING": StepStatus.PENDING,
    "RUNNING": StepStatus.RUNNING,
    "RunRecord": RunRecord,
    "StepRecord": StepRecord,
    "StoppedRun": outcome.StoppedRun,
    "abandon_run": outcome.abandon_run,
    "Undoing": Undoing,
    "advance": advance,
    "clock": perf_counter,
    "copy_context": copy_context,
    "current_run": CURRENT_RUN.get,
    "end_nested": end_nested,
    "enter_generator": enter_generator,
    "finish_run": outcome.finish_run,
    "leave_run": leave_run,
    "log_not_undone": log_not_undone,
    "log_not_undone_of": outcome.log_not_undone_of,
    "nest_run": nest_run,
    "reset_current_run": CURRENT_RUN.reset,
    "running_step": running_step,
    "set_current_run": CURRENT_RUN.set,
}
_SYNC: Final = _BOTH | {
    "FINISHED": FINISHED,
    "check_hook_result": check_hook_result,
    "check_step_result": check_step_result,
    "complete_step": outcome.complete_step,
    "finish_stopped_run": outcome.finish_stopped_run,
    "undo": undo,
}
_ASYNC: Final = _BOTH | {
    "CoroutineType": CoroutineType,
    "complete_step": outcome.complete_step_async,
    "finish_stopped_run": outcome.finish_stopped_run_async,
    "is_awaitable": is_awaitable,
    "undo": undo_async,
}
_NAMES: Final = {
    (False, False): _SYNC,
    (True, False): _ASYNC,
    (False, True): _SYNC | {"finish_stopped_run": outcome.undo_stopped_run},
    (True, True): _ASYNC | {"finish_stopped_run": outcome.undo_stopped_run_async},
}

copyreg.pickle(ContextVar, reduce_context_variable)
