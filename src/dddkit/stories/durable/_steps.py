"""The steps of a durable story, flattened: what is recorded, in order, under which labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast, get_origin

from dddkit._awaitables import is_async
from dddkit._callables import kind_of
from dddkit.exceptions import StoryDefinitionError
from dddkit.stories._engine.compensations import Compensation, compensations_of, steps_of
from dddkit.stories._engine.fields import VARIABLE
from dddkit.stories._engine.story_steps import is_engine_call, story_of_step
from dddkit.stories._engine.validation import step_of
from dddkit.stories.durable.retry import Retry
from dddkit.stories.durable.waiting import Delay, Signal

__all__ = ["PlannedStep", "StoryPlan", "check_retries", "plan_of", "signal_of"]


class PlannedStep:
    """A step that is recorded, or a story that is a step, whose steps are recorded one by one.

    Attributes:
        label: what it is called in the record: `charge`, `pay.authorize`, `charge#2` where it is listed again.
        path: the same without the occurrence, by which retries name it.
        story: the story that lists it.
        name: the name that the story lists.
        index: its position there.
        around: the step that this story is; None in the outer one.
        parts: the steps of the story that it is; none where it is recorded itself.
        position: how many recorded steps come before it.
        compensation: what undoes it.
        waits_for: the Signal or Delay that it is.
        is_async: whether it is known to give an awaitable.
        is_undone_async: the same of its compensation.
    """

    __slots__ = (
        "around",
        "compensation",
        "index",
        "is_async",
        "is_undone_async",
        "label",
        "name",
        "parts",
        "path",
        "position",
        "story",
        "waits_for",
    )

    def __init__(self, story: object, name: str, index: int, around: PlannedStep | None) -> None:
        self.story: Final = story
        self.name: Final = name
        self.index: Final = index
        self.around: Final = around
        self.path: Final[str] = name if around is None else f"{around.path}.{name}"
        self.label = self.path
        self.parts: tuple[PlannedStep, ...] = ()
        self.position = 0
        self.compensation: Compensation | None = None
        self.waits_for: Signal | Delay | None = None
        self.is_async = False
        self.is_undone_async = False

    @property
    def undo_path(self) -> str:
        """What retries call its compensation: the name of the method, after that of the story that is a step."""
        method = "" if self.compensation is None else self.compensation.method
        return method if self.around is None else f"{self.around.path}.{method}"

    @property
    def chain(self) -> list[PlannedStep]:
        """The steps around it, the outermost first, and the step itself."""
        found: list[PlannedStep] = [self]
        while found[-1].around is not None:
            found.append(found[-1].around)
        return found[::-1]

    def __repr__(self) -> str:
        return f"<planned step {self.label}>"


class StoryPlan:
    """What is known of a durable story before it runs.

    Attributes:
        name: the name that the durable story has.
        story: the story.
        is_async: whether it is async.
        listed: the steps that the story itself lists.
        steps: the steps that are recorded, those of stories that are steps in their places.
        signals: the signals that a step waits for, by name.
    """

    __slots__ = ("is_async", "listed", "name", "signals", "steps", "story")

    def __init__(self, name: str, story: object, listed: tuple[PlannedStep, ...]) -> None:
        self.name: Final = name
        self.story: Final = story
        self.listed: Final = listed
        self.steps: Final = tuple(step for step in self.all_steps() if not step.parts)
        self.is_async: Final = any(step.is_async or step.is_undone_async for step in self.all_steps())
        self.signals: Final = {
            step.waits_for.name: step.waits_for for step in self.steps if isinstance(step.waits_for, Signal)
        }

    def all_steps(self) -> Iterator[PlannedStep]:
        """Yield all steps, those that are stories before their own steps."""
        waiting = list(reversed(self.listed))
        while waiting:
            step = waiting.pop()
            yield step
            waiting += reversed(step.parts)


def plan_of(story: object, name: str, state_class: Any) -> StoryPlan:
    """Flatten a story, and reject what a durable run cannot do.

    Args:
        story: the story object.
        name: the name that the durable story has.
        state_class: the State that it runs with, a StoryState.

    Raises:
        TypeError: no story, or the class of one.
        StoryDefinitionError: as a plain call would.
        ValueError: by name: a story with a `__call__` of its own, a Signal in a sync story, one whose `into` is no
            field that a step can set, a signal that two steps wait for, a step whose name is no identifier.
    """
    cls: Any = cast("Any", story) if isinstance(story, type) else type(story)
    if "__story__" not in cls.__dict__:
        raise TypeError(f"a durable story is made of a story, such as Checkout(...), not of {kind_of(story)}")
    if isinstance(story, type):
        raise TypeError(f"a durable story is made of an object, not of the class: write {cls.__qualname__}(...)")
    if not is_engine_call(cls.__call__):
        raise ValueError(
            f"{cls.__qualname__} has a __call__ of its own, which a durable run would not call; move what it does "
            f"into steps, or list the story as a step of another one"
        )
    plan = StoryPlan(name, story, _flattened(story, None, ()))
    _number(plan)
    _check_signals(plan, get_origin(state_class) or state_class)
    return plan


def _flattened(story: object, around: PlannedStep | None, outer: tuple[object, ...]) -> tuple[PlannedStep, ...]:
    cls: Any = type(story)
    names = steps_of(cls)
    if not names:
        from dddkit.stories._engine.advice import no_steps

        raise StoryDefinitionError(f"{cls.__qualname__} {no_steps(cls)}", cls.__name__)
    if any(story is one for one in outer):
        path = "" if around is None else around.path
        raise StoryDefinitionError(
            f"{cls.__qualname__} reaches itself through its step {path}; give that step another story", cls.__name__
        )
    compensations = compensations_of(cls)
    steps: list[PlannedStep] = []
    for index, name in enumerate(names):
        if not name.isidentifier():
            raise ValueError(f"{cls.__qualname__}: {name!r} is no identifier, and cannot be recorded; rename the step")
        step = PlannedStep(story, name, index, around)
        step.compensation = compensations.get(name)
        if step.compensation is not None:
            step.is_undone_async = is_async(step_of(cls, story, step.compensation.method))
        given: object = getattr(story, name, None)
        if isinstance(given, (Signal, Delay)):
            step.waits_for = given
        else:
            given = step_of(cls, story, name)
            nested = story_of_step(story, name)
            if nested is None:
                step.is_async = is_async(given)
            else:
                step.parts = _flattened(nested, step, (*outer, story))
        steps.append(step)
    return tuple(steps)


def _number(plan: StoryPlan) -> None:
    occurrences: dict[str, int] = {}
    position = 0
    for step in plan.all_steps():
        number = occurrences[step.path] = occurrences.get(step.path, 0) + 1
        if number > 1:
            step.label = f"{step.path}#{number}"
        step.position = position
        position += not step.parts


def _check_signals(plan: StoryPlan, state_class: Any) -> None:
    waiting: dict[str, PlannedStep] = {}
    for step in plan.steps:
        signal = step.waits_for
        if not isinstance(signal, Signal):
            continue
        story = type(step.story).__qualname__
        if not plan.is_async:
            raise ValueError(
                f"{story}: I.{step.name} is a Signal, and the story is sync, so that it could not wait for one in a "
                f"plain run either; make a step of it async"
            )
        other = waiting.setdefault(signal.name, step)
        if other is not step:
            raise ValueError(
                f"{story}: {other.label} and {step.label} both wait for the signal {signal.name!r}, whose first value "
                f"would go to both; give each a name of its own"
            )
        fields: Mapping[str, object] = state_class.__state_fields__
        if signal.into not in fields:
            raise ValueError(
                f"{story}: I.{step.name} puts its value into {signal.into!r}, which {state_class.__qualname__} does "
                f"not declare; {_hint(signal.into, fields, 'its fields are')}"
            )
        if signal.into in state_class.__state_final__ and fields[signal.into] is not VARIABLE:
            raise ValueError(
                f"{story}: I.{step.name} puts its value into {signal.into!r}, which is Final; take Final off, "
                f"or name another field"
            )


def signal_of(plan: StoryPlan, name: object) -> Signal:
    """Return the signal of that name.

    Raises:
        ValueError: no step waits for one.
    """
    found = plan.signals.get(name) if isinstance(name, str) else None
    if found is None:
        given = repr(name) if isinstance(name, str) else kind_of(name)
        told = _hint(str(name), plan.signals, "it has")
        raise ValueError(f"{plan.name}: no step waits for a signal {given}; {told}")
    return found


def check_retries(plan: StoryPlan, retries: Mapping[str, Retry]) -> None:
    """Reject retries for what is no step, or cannot be repeated.

    A step is named by its path: `charge`, `pay.authorize`. A compensation is named by its method, in the same way:
    `refund`, `pay.release`. A step that is listed twice is named once.

    Raises:
        ValueError: by name.
        TypeError: no dict, or something in it that is no Retry.
    """
    story = type(plan.story).__qualname__
    if not isinstance(cast("object", retries), Mapping):
        given = kind_of(retries)
        raise TypeError(f'{story}: retries is a dict, not {given}; write retries={{"charge": Retry(on=...)}}')
    tried = _tried(plan)
    stories = {step.path: step for step in plan.all_steps() if step.parts}
    for name, retry in retries.items():
        if not isinstance(cast("object", retry), Retry):
            raise TypeError(f"{story}: retries[{name!r}] is {kind_of(retry)}; write Retry(on=(ConnectionError,))")
        if name in stories:
            inside = ", ".join(repr(step.path) for step in stories[name].parts)
            raise ValueError(f"{story}: retries[{name!r}] is a story; name its steps: {inside}")
        if name not in tried:
            raise ValueError(f"{story}: retries[{name!r}] names no step; {_unknown(plan, name, tried)}")
        waits_for, is_known_async, called = tried[name]
        if waits_for is not None:
            raise ValueError(
                f"{story}: retries[{name!r}] is a {type(waits_for).__name__}, which cannot fail in a way that another "
                f"attempt would cure; take it out"
            )
        if retry.timeout is not None and not is_known_async:
            raise ValueError(
                f"{story}: retries[{name!r}] has a timeout, but {called} is sync, and nothing can stop it; "
                f"make it async, or give the limit to what it calls"
            )


_Tried = dict[str, "tuple[Signal | Delay | None, bool, str]"]


def _tried(plan: StoryPlan) -> _Tried:
    found: _Tried = {}
    for step in plan.all_steps():
        if not step.parts:
            found[step.path] = step.waits_for, step.is_async, step.name
        if step.compensation is not None:
            found[step.undo_path] = None, step.is_undone_async, step.compensation.method
    return found


def _unknown(plan: StoryPlan, name: str, tried: Mapping[str, object]) -> str:
    for step in plan.all_steps():
        if name == step.label:
            return f'a step that is listed again is named once: "{step.path}"'
        if step.compensation is not None and name in (f"undo:{step.label}", f"undo:{step.path}"):
            return f'a compensation is named by its method: "{step.undo_path}"'
    return _hint(name, tried, "there are")


def _hint(name: str, known: Mapping[str, object], others: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(str(name), known, n=1)
    return f'did you mean "{near[0]}"?' if near else f"{others} {', '.join(known) or 'none'}"
