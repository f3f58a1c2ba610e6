"""How a run goes: the order of steps and hooks, sync and async.

The first call of a class prepares a `Plan`: which steps there are, whether it is sync or async. Any change of the class
drops it. Then there are three ways to run, each a special case of the next, and there for what the next one costs:

1. Without hooks: the steps written out as calls (`written.py`), which are the `__call__` of the class themselves. The
   loop that stood here before took 7 to 19 times as long as the calls alone; this takes 1.1 times.
2. With hooks that need not be called at every step, as the default ones while nothing is logged: the same calls, and
   the time after each. The hooks are made up for when somebody looks at the steps, or when one fails.
3. With any hooks: step by step, each with a sheet of facts. It took 119 times the calls alone when every step had
   objects of its own for its start and its end, and takes about 22 now.
"""

# pyright: reportPrivateUsage=false
# The engine writes the facts of a run, which belong to `context.py`.

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextvars import ContextVar, Token
from threading import Lock
from time import perf_counter
from types import CoroutineType, FunctionType, GeneratorType, MethodType
from typing import Any, Final, TypeAlias, cast

from dddkit._colour import dispose, is_async, is_awaitable
from dddkit._finished import FINISHED
from dddkit.exceptions import StoryDefinitionError
from dddkit.stories.context import Failure, StepExecutionInfo, StepStatus, StoryExecutionContext, fact_sheet
from dddkit.stories.declaration import as_step, is_method, look_up
from dddkit.stories.registry import Callback, HookRegistry, Hooks, collect, condition, is_put_off, snapshot
from dddkit.stories.written import written_out

__all__ = ["PREPARING", "Plan", "is_ours", "run"]

# The run with hooks that goes on here, and the index of its step (None: whichever runs), so that a story inside the
# step can be drawn under it.
_PLACE: Final[ContextVar[tuple[StoryExecutionContext, int | None] | None]] = ContextVar("dddkit_step", default=None)

_RUNNING: Final = StepStatus.RUNNING
_COMPLETED: Final = StepStatus.COMPLETED


class Plan:
    """What the first call of a class finds out for all of them."""

    __slots__ = (
        "_cls",
        "_has_dict",
        "_written",
        "accompanying",
        "async_names",
        "by_name",
        "is_async",
        "names",
        "noting",
        "per_instance",
        "qualname",
        "registries",
        "seen",
        "steps",
    )

    def __init__(self, cls: Any) -> None:
        self._cls: Final = cls
        self.names: Final[tuple[str, ...]] = tuple(cls.I.__steps__)
        if not self.names:
            raise StoryDefinitionError(
                f"{cls.__qualname__} lists no steps, so calling it would do nothing; list them with I.name in its body",
                cls.__name__,
            )
        functions: dict[str, Callable[..., Any] | None] = {}
        for name in self.names:
            found = look_up(cls, name)
            # A mixin that is no story would not tell us when it is patched.
            is_settled = found is not None and not found.by_instance and is_method(found.value)
            if found is not None and is_settled and "__story__" in vars(found.owner):
                functions[name] = found.value
        self.async_names: Final = {
            name for name, value in functions.items() if is_async(getattr(value, "__func__", value))
        }
        self.per_instance: Final = tuple([name for name in dict.fromkeys(self.names) if name not in functions])
        """The steps that only an instance can show."""
        self.registries: Final = [
            base.__dict__["__step_hooks__"] for base in reversed(cls.__mro__) if "__step_hooks__" in base.__dict__
        ]
        """The hooks of the bases, then its own."""
        self.by_name: Final[_Steps] = tuple([(name, None) for name in self.names])
        # Plain functions are called as such, which saves making a bound method of each.
        plain = cls.__getattribute__ is object.__getattribute__
        self.steps: Final[_Steps] = tuple(
            [
                (name, value if plain and type(value := functions.get(name)) is FunctionType else None)
                for name in self.names
            ]
        )
        self._has_dict: Final = cls.__dictoffset__ != 0
        self.seen: list[HookRegistry] | None = None
        self.accompanying: _Accompanying | None = None
        self.is_async: Final = bool(self.async_names)
        self.qualname: Final = f"{cls.__qualname__}.__call__"
        self._written: list[Any] = [None, None]
        self.noting: list[Any] = [None, None]

    def look_for_hooks(self) -> _Accompanying | None:
        """Find what accompanies a run that starts now; what was found stands as long as the registries are `seen`."""
        seen = snapshot(self.registries)
        hooks = collect(seen)
        found = None if hooks is None else _Accompanying(hooks)
        self.accompanying, self.seen = found, seen
        return found

    def steps_of(self, story: Any) -> _Steps:
        """The names of the steps, each with its function, unless this instance may have something else of the name."""
        if self._has_dict and not story.__dict__.keys().isdisjoint(self.names):
            return self.by_name
        return self.steps

    def written(self, any_async: bool) -> Any:
        """The steps written out as calls, in the colour of the story."""
        made = self._written[any_async]
        if made is None:
            made = self._written[any_async] = self._write(any_async, noting=False)
        return made

    def write_noting(self, any_async: bool) -> Any:
        """The same, noting how it goes on; kept in `noting`."""
        made = self.noting[any_async] = self._write(any_async, noting=True)
        return made

    def _write(self, any_async: bool, *, noting: bool) -> Any:
        async_names = {*self.async_names, *self.per_instance} if any_async else None
        places = self._cls.I.__places__
        return written_out(self._cls.__qualname__, places, _NAMES, async_names=async_names, noting=noting)


_Steps: TypeAlias = "tuple[tuple[str, Callable[..., Any] | None], ...]"

_NAMES: Final[dict[str, object]] = {  # what the text that is written out uses
    "FINISHED": FINISHED,
    "Coroutine": CoroutineType,
    "clock": perf_counter,
    "is_awaitable": is_awaitable,
}

PREPARING: Final = Lock()
"""Held where a class is given its `__call__`, or loses it because it has changed."""


class _Accompanying:
    """The hooks of a class, and which of them a run need not call."""

    __slots__ = ("all", "async_hook", "can_wait", "conditions", "idle_around")

    def __init__(self, hooks: Hooks) -> None:
        self.all: Final = hooks
        self.async_hook: Final = next(
            ((kind, hook) for kind in ("before", "after", "error") for hook in getattr(hooks, kind) if is_async(hook)),
            None,
        )
        self.conditions: Final = tuple(
            [given() for given in {condition(hook) for kind in hooks for hook in kind} if given is not None]
        )
        idle = Hooks(*(tuple(hook for hook in kind if condition(hook) is None) for kind in hooks))
        self.idle_around: Final = idle.around_story
        self.can_wait: Final = not idle.around_step and all(is_put_off(hook) for hook in idle.before + idle.after)
        """Whether, when no condition holds, no step needs to call a hook unless it fails."""


def run(story: object, state: Any) -> Awaitable[None]:
    """Run a story: now, when all its steps are sync; else give the coroutine that will."""
    cls: Any = type(story)
    plan: Plan = cls.__story__.plan or _plan(cls)
    any_async = plan.is_async if not plan.per_instance else _decide(story, ())
    accompanying = plan.accompanying if plan.seen == plan.registries else plan.look_for_hooks()
    if accompanying is not None:
        if accompanying.async_hook is not None and not any_async:
            _refuse_async_story_hook(cls, *accompanying.async_hook)
        if not plan.per_instance:
            _put_in_place(cls, plan, _with_hooks(plan), asks_for_hooks=True)
        if any_async:
            return _coroutine_with_hooks(story, state, plan, accompanying)
        return _run_sync_hooked(story, state, plan, accompanying)
    written = plan.written(any_async)
    if not plan.per_instance:
        _put_in_place(cls, plan, written, asks_for_hooks=False)
    finished: Awaitable[None] = written(story, state)
    return finished


def _with_hooks(plan: Plan) -> Callable[[object, Any], Awaitable[None]]:
    """The `__call__` of a story that has hooks: the usual case of `run`, without finding out whether it is."""
    go = _coroutine_with_hooks if plan.is_async else _run_sync_hooked

    def __call__(self: object, state: Any, /) -> Awaitable[None]:  # noqa: N807
        accompanying = plan.accompanying
        if accompanying is not None and plan.seen == plan.registries:
            return go(self, state, plan, accompanying)
        return run(self, state)

    __call__.__qualname__ = plan.qualname
    return __call__


def _coroutine_with_hooks(story: object, state: Any, plan: Plan, accompanying: _Accompanying) -> Awaitable[None]:
    coroutine: Any = _run_async_hooked(story, state, plan, accompanying)
    # For the warning that it was never awaited: it should name the story and not the engine.
    coroutine.__qualname__ = plan.qualname
    return cast("Awaitable[None]", coroutine)


# What is known before the first step


def _plan(cls: type[Any]) -> Plan:
    declaration = cls.__story__
    plan: Plan | None = declaration.plan
    if plan is None:
        plan = declaration.plan = Plan(cls)  # of several threads the last one notes it; they find the same
    return plan


def is_ours(call: object) -> bool:
    """Whether a class's `__call__` is the engine's: `Story.__call__`, or the steps written out."""
    return isinstance(call, FunctionType) and getattr(call, "__ours__", False)


def _put_in_place(cls: Any, plan: Plan, written: Any, *, asks_for_hooks: bool) -> None:
    """Let the steps written out be the `__call__` of their class, so that nothing stands between it and its caller."""
    with PREPARING:
        may_stay = asks_for_hooks or not any(plan.registries)  # somebody may have added some meanwhile
        if may_stay and cls.__story__.plan is plan and is_ours(cls.__dict__.get("__call__")):
            written.__ours__ = True
            type.__setattr__(cls, "__call__", written)


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
    accompanying = plan.look_for_hooks() if path and not any_async else None
    if accompanying is not None and accompanying.async_hook is not None:
        _refuse_async_story_hook(cls, *accompanying.async_hook)
    return any_async


def _refuse_async_story_hook(cls: type, kind: str, hook: Callback) -> None:
    raise TypeError(
        f"{cls.__qualname__}: the {kind} hook {_name(hook)} is async, but no step of the story is; "
        f"make the hook a plain function, or one step async"
    )


def _nested_story(step: object) -> Any:
    if isinstance(step, MethodType) and getattr(step.__func__, "__name__", None) == "__call__":
        step = step.__self__
    return step if "__story__" in type(step).__dict__ else None


def _name(callback: object) -> str:
    return getattr(callback, "__qualname__", None) or repr(callback)


# Without hooks: see `written.py`


def _refuse_awaitable(story: object, name: str, result: object) -> None:
    """What a step of a sync story may not return; None, FINISHED and all that cannot be awaited count as nothing."""
    if result is FINISHED or not is_awaitable(result):
        return
    dispose(result)
    raise TypeError(
        f"{type(story).__qualname__}: step {name} returned an awaitable ({type(result).__name__}), but the story is "
        f"sync: none of its steps is declared async; make it `async def {name}`"
    )


_NAMES["settle"] = _refuse_awaitable

# With hooks

_Entered = list[Generator[Any, Any, Any]]  # around hooks that stand at their yield, the outermost first


class _Ending:
    """How a step or a run ends: with its own error, and with what hooks have raised on top of it.

    Its own error stands, then the first hook's. Only what is no `Exception` (Ctrl-C, a cancelled task) comes before
    one that is. What cannot be raised is logged, so nothing is lost.
    """

    __slots__ = ("_context", "_hook", "_traceback", "closed", "error", "trouble")

    def __init__(self, context: StoryExecutionContext, error: BaseException | None) -> None:
        self._context: Final = context
        self._hook: object = None
        self._traceback = error.__traceback__ if error is not None else None
        self.error: Final = error
        self.trouble: BaseException | None = None  # what is to be raised instead of `error`
        self.closed = isinstance(error, GeneratorExit)  # then nothing can be awaited any more

    @property
    def passing(self) -> BaseException | None:
        return self.trouble or self.error

    def note(self, own: BaseException, hook: object) -> None:
        """Judge what a hook has raised."""
        self.closed = self.closed or isinstance(own, GeneratorExit)
        standing = self.passing
        if own is self.error or own is self.trouble:
            return  # it has merely let it pass
        if standing is None or (isinstance(standing, Exception) and not isinstance(own, Exception)):
            if self.trouble is not None:
                self._log(self.trouble, self._hook)
            self.trouble, self._hook = own, hook
        else:
            self._log(own, hook)

    def leave(self, entered: _Entered) -> None:
        """Let the generators see how it went, the innermost first."""
        while entered:
            generator = entered.pop()
            try:
                _leave(generator, self.passing)
            except BaseException as own:
                self.note(own, generator)
            self.restore()

    def restore(self) -> None:
        """Take the lines of hooks, which the error may have passed, out of its traceback."""
        if self.error is not None:
            self.error.__traceback__ = self._traceback

    def _log(self, error: BaseException, hook: object) -> None:
        import logging  # not at the top, as it takes long to import

        logging.getLogger("dddkit.stories.hooks").error(
            "%s: the hook %s failed while another error was on its way",
            self._context.story_name,
            _name(hook),
            exc_info=error,
        )


def _outcome(error: BaseException | None) -> StepStatus:
    if error is None:
        return StepStatus.COMPLETED
    return StepStatus.FAILED if isinstance(error, Exception) else StepStatus.CANCELLED


def _stand_under_step(context: StoryExecutionContext, place: tuple[StoryExecutionContext, int | None]) -> None:
    """Let a run that starts inside a step be drawn under it; a task may have outlived the step that started it."""
    outer, index = place
    if outer.status is StepStatus.RUNNING:
        for step in outer.steps:
            if step.status is StepStatus.RUNNING and index in (None, step.step_index):
                step.nested.append(context)


def _leave_story(
    context: StoryExecutionContext,
    begun: float,
    token: Token[tuple[StoryExecutionContext, int | None] | None],
    around: _Entered | None,
    error: BaseException | None,
) -> BaseException | None:
    """Close the books; what comes back is to be raised instead of `error`."""
    context.status = _COMPLETED if error is None else _outcome(error)
    context.duration = perf_counter() - begun
    trouble: BaseException | None = None
    if around:
        ending = _Ending(context, error)
        ending.leave(around)
        trouble = ending.trouble
        context.status = _outcome(ending.passing)
    _leave_place(token)
    return trouble


def _leave_place(token: Token[tuple[StoryExecutionContext, int | None] | None]) -> None:
    try:  # noqa: SIM105  # `suppress` would take as long as two steps
        _PLACE.reset(token)
    except ValueError:
        pass  # the coroutine ends, or is closed, in another context, which never saw our value


# The same twice, sync and async


def _run_sync_hooked(story: Any, state: Any, plan: Plan, accompanying: _Accompanying) -> Awaitable[None]:
    context = fact_sheet(story, state, plan.names)
    if (place := _PLACE.get()) is not None:
        _stand_under_step(context, place)
    context.status = _RUNNING
    token = _PLACE.set((context, None))  # a sync run goes on with its next step when nothing of the last one runs
    hooks, is_idle = accompanying.all, True
    around: _Entered | None = None
    for wanted in accompanying.conditions:
        if wanted():
            is_idle = False
            break
    ended = 0.0
    begun = perf_counter()
    try:
        if around_story := accompanying.idle_around if is_idle else hooks.around_story:
            around = []
            for hook in around_story:
                around.append(_enter(hook, hook(context)))
        if is_idle and accompanying.can_wait and not context._made:
            context._put_off = hooks
            marks = context._marks
            marks.append(perf_counter() if around else begun)
            steps = plan.noting[False] or plan.write_noting(False)
            try:
                steps(story, state, marks.append, context._made, _PLACE.set, context)
            except BaseException as error:
                step, failure = _failed(context, error)
                trouble = _settle_sync(context, step, hooks, None, failure)
                if trouble is not None:
                    raise trouble from error
                raise
            if context._made:
                _go_on_sync(context, plan, hooks)
            else:
                ended = marks[-1]
        else:
            _sync_steps(context, plan, hooks)
    except BaseException as error:
        trouble = _leave_story(context, begun, token, around, error)
        if trouble is not None:
            raise trouble from error
        raise
    if around is not None:
        trouble = _leave_story(context, begun, token, around, None)
        if trouble is not None:
            raise trouble
        return FINISHED
    context.duration = (ended or perf_counter()) - begun
    context.status = _COMPLETED
    _PLACE.reset(token)
    return FINISHED


def _go_on_sync(context: StoryExecutionContext, plan: Plan, hooks: Hooks) -> None:
    """Somebody has looked at the steps: go on step by step from there."""
    for step, duration in context._ended_since():
        trouble = _settle_sync(context, step, hooks, None, duration)
        if trouble is not None:
            raise trouble
    _sync_steps(context, plan, hooks)


def _sync_steps(context: StoryExecutionContext, plan: Plan, hooks: Hooks) -> None:
    story, state, facts, made, clock = context.story, context.state, context._facts, context._made, perf_counter
    _, around_step, before, after, _ = hooks
    index = len(facts)
    entered: _Entered | None = None
    noted: tuple[BaseException, Callback] | None = None
    for name, function in plan.steps_of(story)[index:]:
        step: Any
        if index < len(made):  # somebody has looked at the steps already
            step = made[index]
        else:
            step = StepExecutionInfo()
            step.step_name = name
            step.step_index = index
            step._facts = facts
            step._notes = None
            made.append(step)
        facts.append(None)
        started = 0.0
        try:
            if around_step:
                entered = []
                for hook in around_step:
                    entered.append(_enter(hook, hook(context, step)))
            for hook in before:
                if (result := hook(context, step)) is not None:
                    _refuse_async_hook(hook, result)
            started = clock()
            result = getattr(story, name)(state) if function is None else function(story, state)
            if result is not None:
                _refuse_awaitable(story, name, result)
            facts[index] = clock() - started
        except BaseException as error:
            failure = Failure(clock() - started if started else 0.0, _outcome(error), error)
            trouble = _settle_sync(context, step, hooks, entered, failure)
            if trouble is not None:
                raise trouble from error
            raise
        index += 1
        if entered is not None:
            trouble = _settle_sync(context, step, hooks, entered, step.duration)
            if trouble is not None:
                raise trouble
            continue
        for hook in after:
            try:
                if (result := hook(context, step)) is not None:
                    _refuse_async_hook(hook, result)
            except BaseException as own:
                noted = own, hook
                break
        if noted is not None:
            rest = hooks._replace(after=after[after.index(noted[1]) + 1 :])
            trouble = _settle_sync(context, step, rest, None, step.duration, noted)
            if trouble is not None:
                raise trouble


def _settle_sync(
    context: StoryExecutionContext,
    step: StepExecutionInfo,
    hooks: Hooks,
    entered: _Entered | None,
    fact: float | Failure,
    noted: tuple[BaseException, Callback] | None = None,
) -> BaseException | None:
    ending = _end_step(context, step, fact, noted)
    for hook in _hooks_after(hooks, ending.error):
        try:
            _refuse_async_hook(hook, hook(context, step))
        except BaseException as own:
            ending.note(own, hook)
            ending.restore()
    ending.leave(entered or [])
    return ending.trouble


def _failed(context: StoryExecutionContext, error: BaseException) -> tuple[StepExecutionInfo, Failure]:
    """The step that has failed in a run that nobody has looked at."""
    taken = perf_counter() - context._marks[-1]
    return context.steps[len(context._marks) - 1], Failure(taken, _outcome(error), error)


def _end_step(
    context: StoryExecutionContext,
    step: StepExecutionInfo,
    fact: float | Failure,
    noted: tuple[BaseException, Callback] | None,
) -> _Ending:
    facts = context._facts
    if step.step_index == len(facts):
        facts.append(fact)
    else:
        facts[step.step_index] = fact
    ending = _Ending(context, fact.error if isinstance(fact, Failure) else None)
    if noted is not None:
        ending.note(*noted)
    return ending


def _hooks_after(hooks: Hooks, error: BaseException | None) -> tuple[Callback, ...]:
    return hooks.error + hooks.after if isinstance(error, Exception) else hooks.after


async def _run_async_hooked(story: Any, state: Any, plan: Plan, accompanying: _Accompanying) -> None:
    context = fact_sheet(story, state, plan.names)
    if (place := _PLACE.get()) is not None:
        _stand_under_step(context, place)
    context.status = _RUNNING
    token = _PLACE.set(None)
    hooks, is_idle = accompanying.all, True
    around: _Entered | None = None
    for wanted in accompanying.conditions:
        if wanted():
            is_idle = False
            break
    begun = perf_counter()
    try:
        if around_story := accompanying.idle_around if is_idle else hooks.around_story:
            around = []
            for hook in around_story:
                around.append(_enter(hook, hook(context)))
        if is_idle and accompanying.can_wait and not context._made:
            context._put_off = hooks
            marks = context._marks
            marks.append(perf_counter() if around else begun)
            steps = plan.noting[True] or plan.write_noting(True)
            try:
                await steps(story, state, marks.append, context._made, _PLACE.set, context)
            except BaseException as error:
                step, failure = _failed(context, error)
                trouble = await _settle_async(context, step, hooks, None, failure)
                if trouble is not None:
                    raise trouble from error
                raise
            if context._made:
                await _go_on_async(context, plan, hooks)
        else:
            await _async_steps(context, plan, hooks)
    except BaseException as error:
        trouble = _leave_story(context, begun, token, around, error)
        if trouble is not None:
            raise trouble from error
        raise
    if around is not None:
        trouble = _leave_story(context, begun, token, around, None)
        if trouble is not None:
            raise trouble
        return
    context.duration = perf_counter() - begun
    context.status = _COMPLETED
    _leave_place(token)


async def _go_on_async(context: StoryExecutionContext, plan: Plan, hooks: Hooks) -> None:
    for step, duration in context._ended_since():
        trouble = await _settle_async(context, step, hooks, None, duration)
        if trouble is not None:
            raise trouble
    await _async_steps(context, plan, hooks)


async def _async_steps(context: StoryExecutionContext, plan: Plan, hooks: Hooks) -> None:
    story, state, facts, made, clock = context.story, context.state, context._facts, context._made, perf_counter
    _, around_step, before, after, _ = hooks
    index = len(facts)
    entered: _Entered | None = None
    noted: tuple[BaseException, Callback] | None = None
    for name, function in plan.steps_of(story)[index:]:
        step: Any
        if index < len(made):  # somebody has looked at the steps already
            step = made[index]
        else:
            step = StepExecutionInfo()
            step.step_name = name
            step.step_index = index
            step._facts = facts
            step._notes = None
            made.append(step)
        facts.append(None)
        _PLACE.set((context, index))
        started = 0.0
        try:
            if around_step:
                entered = []
                for hook in around_step:
                    entered.append(_enter(hook, hook(context, step)))
            for hook in before:
                if (result := hook(context, step)) is not None and is_awaitable(result):
                    await result
            started = clock()
            result = getattr(story, name)(state) if function is None else function(story, state)
            if type(result) is CoroutineType or (result is not None and is_awaitable(result)):
                await result
            facts[index] = clock() - started
        except BaseException as error:
            failure = Failure(clock() - started if started else 0.0, _outcome(error), error)
            trouble = await _settle_async(context, step, hooks, entered, failure)
            if trouble is not None:
                raise trouble from error
            raise
        index += 1
        if entered is not None:
            trouble = await _settle_async(context, step, hooks, entered, step.duration)
            if trouble is not None:
                raise trouble
            continue
        for hook in after:
            try:
                if (result := hook(context, step)) is not None and is_awaitable(result):
                    await result
            except BaseException as own:
                noted = own, hook
                break
        if noted is not None:
            rest = hooks._replace(after=after[after.index(noted[1]) + 1 :])
            trouble = await _settle_async(context, step, rest, None, step.duration, noted)
            if trouble is not None:
                raise trouble


async def _settle_async(
    context: StoryExecutionContext,
    step: StepExecutionInfo,
    hooks: Hooks,
    entered: _Entered | None,
    fact: float | Failure,
    noted: tuple[BaseException, Callback] | None = None,
) -> BaseException | None:
    ending = _end_step(context, step, fact, noted)
    for hook in _hooks_after(hooks, ending.error):
        try:
            result = hook(context, step)
            if result is not None and is_awaitable(result):
                if ending.closed:
                    _finish_without_waiting(hook, result)
                else:
                    await result
        except BaseException as own:
            ending.note(own, hook)
            ending.restore()
    ending.leave(entered or [])
    return ending.trouble


def _refuse_async_hook(hook: Callback, result: object) -> None:
    if result is not None and result is not FINISHED and is_awaitable(result):
        dispose(result)
        raise TypeError(
            f"the hook {_name(hook)} returned an awaitable, but the story is sync; make it a plain function"
        )


def _finish_without_waiting(hook: Callback, awaitable: Awaitable[object]) -> None:
    """Run an async hook of a closed coroutine, which may not wait for anything any more, as far as it gets."""

    async def finish() -> None:
        await awaitable

    finishing = finish()
    try:
        finishing.send(None)
    except StopIteration:
        return
    finishing.close()
    raise RuntimeError(f"the hook {_name(hook)} could not wait: the coroutine of the run was closed")


# Generators around a story or a step


def _enter(hook: Callback, made: object) -> Generator[Any, Any, Any]:
    if not isinstance(made, GeneratorType):
        dispose(made)
        raise RuntimeError(f"the around hook {_name(hook)} has to yield exactly once, but is no generator function")
    generator = cast("Generator[Any, Any, Any]", made)
    try:
        next(generator)
    except StopIteration:
        raise RuntimeError(f"the around hook {_name(hook)} has to yield exactly once, but never did") from None
    return generator


def _leave(generator: Generator[Any, Any, Any], error: BaseException | None) -> None:
    try:
        if error is None:
            next(generator)
        else:
            generator.throw(error)
    except StopIteration:
        return
    except RuntimeError as own:
        # PEP 479: a StopIteration that leaves a generator is wrapped
        if isinstance(error, StopIteration) and own.__cause__ is error:
            return
        raise
    generator.close()
    raise RuntimeError(f"the around hook {_name(generator)} has to yield exactly once, but yielded again")
