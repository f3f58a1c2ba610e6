"""Hooks: their protocol, how they are injected, and the three default ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol, TypeAlias, cast

from dddkit._callables import display_name, kind_of
from dddkit.stories._engine.deferred import deferrable, only_if, show_duration, show_status
from dddkit.stories._engine.expected import expected_errors, is_expected
from dddkit.stories._engine.facts import StepExecutionInfo, StoryExecutionContext
from dddkit.stories._engine.injection import methods_of
from dddkit.stories._engine.metaclass import StoryMeta
from dddkit.stories._engine.registry import Callback, HookRegistration, Hooks, add
from dddkit.stories._engine.status import StepStatus
from dddkit.stories._engine.tree_log import debug_is_on, mark_logged, outermost, was_logged_inside, write_tree
from dddkit.stories.story import Story

__all__ = [
    "ExecutionTimeTracker",
    "HookRegistration",
    "LoggingHook",
    "StatusTracker",
    "StepStatus",
    "StoryHook",
    "inject_hooks",
]


class BeforeHook(Protocol):
    """Called before each step. It may be a guard: raising stops the story."""

    def before(self, context: StoryExecutionContext, step: StepExecutionInfo, /) -> object: ...


class AfterHook(Protocol):
    """Called after each step that was started, however it ended."""

    def after(self, context: StoryExecutionContext, step: StepExecutionInfo, /) -> object: ...


class ErrorHook(Protocol):
    """Called when a step has raised an `Exception`, before the `after` hooks."""

    def error(self, context: StoryExecutionContext, step: StepExecutionInfo, /) -> object: ...


class AroundStoryHook(Protocol):
    """A generator function that yields once: the story runs during its yield."""

    def around_story(self, context: StoryExecutionContext, /) -> Iterator[Any]: ...


class AroundStepHook(Protocol):
    """A generator function that yields once: the step and its other hooks run during its yield."""

    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo, /) -> Iterator[Any]: ...


class AroundCompensationHook(Protocol):
    """A generator function that yields once: what undoes a step of a stopped run happens during its yield."""

    def around_compensation(self, context: StoryExecutionContext, step: StepExecutionInfo, /) -> Iterator[Any]: ...


StoryHook: TypeAlias = BeforeHook | AfterHook | ErrorHook | AroundStoryHook | AroundStepHook | AroundCompensationHook
"""Any object with some of the six methods. One object serves every run, so it keeps nothing about any of them.

`before`, `after` and `error` may be `async def` on async stories. The generators work for sync and async stories alike;
they see the exception at their `yield`, cannot swallow it, and are always resumed.
"""


class StatusTracker:
    """Shows the status of each step in the execution tree."""

    __slots__ = ()

    @deferrable
    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        show_status(step)

    @deferrable
    def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        show_status(step)

    @deferrable
    def error(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        show_status(step)


class ExecutionTimeTracker:
    """Shows the seconds that each completed step took in the execution tree."""

    __slots__ = ()

    @deferrable
    def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        show_duration(step)


class LoggingHook:
    """Writes the execution tree to the logger `dddkit.stories.story`.

    A failure is logged once at ERROR, with the traceback and the whole tree, by the innermost run that has the hook;
    the runs that the same exception passes afterwards are logged at DEBUG. When a run has undone its steps the tree
    follows once more, at INFO if all of them are undone, else at ERROR. At DEBUG also before each step, and at the
    end of a run that did not fail.

    Where the level is off, nothing is rendered. Whether DEBUG is on is checked when a run starts. The location
    of a record (`%(pathname)s:%(lineno)d`) is the line of the story that lists the step, and that of the first step at
    the end of a run. Of several such hooks, a run calls that of the nearest class, and there the last injected.

    Args:
        ascii: write ASCII only, for streams that cannot encode the glyphs: `>` for a running step, `+` for a completed
            one, `x` for a failed one, `!` for a cancelled one, `<` for an undone one. Other characters are escaped, in
            the traceback too.
        expected: the exceptions that are outcomes and no faults, such as a declined card: logged at INFO, without a
            traceback.

    Raises:
        TypeError: `expected` is no exception class, nor a list of such.
    """

    __slots__ = ("__dict__",)

    __hook_role__ = "log"

    _ascii = False  # for a subclass whose `__init__` does not call this one
    _expected: tuple[type[Exception], ...] = ()

    def __init__(
        self,
        *,
        ascii: bool = False,  # noqa: A002  # what `ascii()` does
        expected: type[Exception] | Iterable[type[Exception]] = (),
    ) -> None:
        self._ascii = ascii
        self._expected = expected_errors(expected, "LoggingHook")

    def __hook_key__(self) -> object:
        return self._ascii, self._expected

    @only_if(debug_is_on)
    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        try:
            yield
        finally:
            if context.status is not StepStatus.FAILED:
                write_tree(context, "DEBUG", in_ascii=self._ascii)

    @only_if(debug_is_on)
    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        write_tree(context, "DEBUG", step.step_index, in_ascii=self._ascii)

    def error(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        error, role = step.error, self.__hook_role__
        if issubclass(type(error), RecursionError):
            # The innermost runs find no room on the stack to log it; the whole tree would have no end.
            write_tree(context, "ERROR", step.step_index, error=error, in_ascii=self._ascii)
            return
        if was_logged_inside(context, error):
            write_tree(context, "DEBUG", step.step_index, in_ascii=self._ascii)
            return
        mark_logged(context)
        tree = outermost(context, role)
        if is_expected(error, self._expected):
            write_tree(context, "INFO", step.step_index, tree=tree, in_ascii=self._ascii)
        else:
            write_tree(context, "ERROR", step.step_index, tree=tree, error=error, in_ascii=self._ascii)

    def __undone__(self, context: StoryExecutionContext, is_complete: bool) -> None:
        """Write the tree after the undoing of a run, which calls this."""
        tree = outermost(context, self.__hook_role__)
        write_tree(context, "INFO" if is_complete else "ERROR", tree=tree, in_ascii=self._ascii)


_DEFAULT_HOOKS: Final[tuple[StoryHook, ...]] = (StatusTracker(), ExecutionTimeTracker(), LoggingHook())


def inject_hooks(story: Callable[..., Story], hooks: Iterable[StoryHook] | None = None) -> HookRegistration:
    """Add hooks to every run of a story class and of its subclasses.

    They are called in the order given, after those of base classes. A hook that the class has already is not added
    again.

    Args:
        story: the class, abstract ones included.
        hooks: objects with some of the methods of `StoryHook`. None: StatusTracker, ExecutionTimeTracker and
            LoggingHook. An empty list: none.

    Returns:
        A registration, whose `remove()` takes away what this call added, and so does leaving it as a context manager.

    Raises:
        TypeError: no story class, a hook class instead of an object, an object without any hook method, with one
            whose name is misspelt, or with one that cannot be called with its arguments. Nothing has been injected
            then.
    """
    if not isinstance(story, StoryMeta):
        own: object = type(story)  # of a story object
        name = own.__qualname__ if isinstance(own, StoryMeta) else "Checkout"
        raise TypeError(f"inject_hooks takes the class of a story, as in inject_hooks({name}), not {kind_of(story)}")
    given = _DEFAULT_HOOKS if hooks is None else _listed(hooks)
    wanted: dict[str, list[Callback]] = {kind: [] for kind in Hooks._fields}
    for hook in given:
        for kind, callback in methods_of(hook).items():
            wanted[kind].append(callback)
    return add(cast("type[Story]", story).__step_hooks__, wanted)


def _listed(hooks: object) -> tuple[object, ...]:
    if not isinstance(hooks, Iterable):
        raise TypeError(f"inject_hooks takes a list of hooks: hooks=[{display_name(hooks)}(...)]")
    return tuple(cast("Iterable[object]", hooks))
