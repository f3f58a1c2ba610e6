"""What is measured of every run, under which names, and when; no library that counts is known here."""

# pyright: reportPrivateUsage=false
# `MetricsHook.after` reads the facts of a step as the engine writes them.

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from threading import Lock
from typing import Final, Generic, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from dddkit._callables import kind_of
from dddkit.stories._engine.facts import StepExecutionInfo, StoryExecutionContext
from dddkit.stories._engine.failure_log import FailureLog
from dddkit.stories._engine.status import status_of

__all__ = ["DEFAULT_BUCKETS", "DEFAULT_NAME", "Histogram", "Histograms", "MetricsHook", "Observe", "Settings"]

DEFAULT_NAME: Final = "dddkit_stories"
DEFAULT_BUCKETS: Final = (10.0, 25.0, 50.0, 100.0, 300.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0)
"""Upper bounds in milliseconds."""

_STORY_LABELS: Final = ("service", "story_name", "status")
_STEP_LABELS: Final = ("service", "story_name", "step_name", "status")
_TAKEN: Final = frozenset({*_STEP_LABELS, "le", "job"})  # `job` is what the Prometheus server calls its target

_WORDS: Final = ("completed", "failed", "cancelled")

Observe: TypeAlias = Callable[[float], object]
"""Counts one duration, in milliseconds."""

_Registry = TypeVar("_Registry")
_Made = TypeVar("_Made")
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Histogram:
    """One metric, as every backend has to make it.

    Attributes:
        name: its full name.
        help: what Prometheus shows as its meaning.
        labels: the names of its labels, in the order in which values are given.
        buckets: the finite upper bounds in milliseconds, growing; the infinite one comes on top.
    """

    name: str
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...]


class Histograms(Generic[_Registry, _Made]):
    """The metrics a backend has made, so that hooks with the same prefix share them.

    Args:
        make: makes and registers one; a ValueError says that its name is taken.
        discard: takes one out of its registry again.
    """

    def __init__(
        self, make: Callable[[_Registry, Histogram], _Made], discard: Callable[[_Registry, _Made], object]
    ) -> None:
        self._make = make
        self._discard = discard
        self._known: WeakKeyDictionary[_Registry, dict[str, tuple[Histogram, _Made]]] = WeakKeyDictionary()
        self._making = Lock()

    def get(self, registry: _Registry, *wanted: Histogram) -> tuple[_Made, ...]:
        """Give the metrics, new or shared; all of them or, with a ValueError, none."""
        made: list[tuple[Histogram, _Made]] = []
        shared: dict[str, _Made] = {}
        with self._making:
            known = self._known.setdefault(registry, {})
            try:
                for histogram in wanted:
                    try:
                        made.append((histogram, self._make(registry, histogram)))
                    except ValueError as error:
                        shared[histogram.name] = _share(histogram, known.get(histogram.name), error)
            except ValueError:
                for _, one in made:
                    self._discard(registry, one)
                raise
            known.update({histogram.name: (histogram, one) for histogram, one in made})
            return tuple(known[histogram.name][1] for histogram in wanted)


def _share(wanted: Histogram, found: tuple[Histogram, _Made] | None, error: ValueError) -> _Made:
    if found is None:
        raise ValueError(
            f"the metric {wanted.name} is in the registry already, and was not made by a hook of dddkit; "
            f"choose another prefix, or a registry of your own"
        ) from error
    there, made = found
    for what, old, new in (("labels", there.labels, wanted.labels), ("buckets", there.buckets, wanted.buckets)):
        if old != new:
            raise ValueError(
                f"the metric {wanted.name} exists with the {what} {_listed(old)}, and this hook wants "
                f"{_listed(new)}; hooks with one prefix have the same {what}: change them, or the prefix"
            ) from error
    return made


def _listed(values: Iterable[object]) -> str:
    return f"({', '.join(map(str, values))})"


class MetricsHook:
    """Counts every run and every started step, with its duration, by how it ended.

    The base of the hooks that users inject: a backend passes what makes a child, the counter of one combination of
    label values, for each of the two metrics.
    """

    __slots__ = ("_completed", "_failures", "_steps", "_stories")

    def __init__(
        self,
        settings: Settings,
        story_child: Callable[[tuple[str, ...]], Observe],
        step_child: Callable[[tuple[str, ...]], Observe],
    ) -> None:
        self._stories: Final = _Children(settings, story_child)
        steps = _Children(settings, step_child)
        self._steps: Final = steps
        # Most steps complete: their children, by story and step, without a key to be built and hashed each time.
        self._completed: Final = _ByName(lambda story: _ByName(lambda step: steps[story, step, "completed"]))
        self._failures: Final = FailureLog(type(self).__qualname__)

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        # The exception at the yield counts, and not the status: a hook inside this one may fail after the last step.
        raised: BaseException | None = None
        try:
            yield
        except BaseException as error:
            raised = error
            raise
        finally:
            word = status_of(raised).name.lower()
            del raised  # this frame is in its traceback
            try:
                self._stories[type(context.story).__name__, word](context.duration * 1000)
            except Exception:
                self._failures.log()

    def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        try:
            # What `status` and `duration` would each read and interpret.
            progress = step._progress
            story = type(context.story).__name__
            if type(progress) is float:
                self._completed[story][step.step_name](progress * 1000)
            else:
                self._steps[story, step.step_name, step.status.name.lower()](step.duration * 1000)
        except Exception:
            self._failures.log()


class _Children(dict[tuple[str, ...], Observe]):
    """The children of one metric by story, step and status, made when the first of them is asked for."""

    __slots__ = ("_child", "_settings")

    def __init__(self, settings: Settings, child: Callable[[tuple[str, ...]], Observe]) -> None:
        super().__init__()
        self._settings: Final = settings
        self._child: Final = child

    def __missing__(self, key: tuple[str, ...]) -> Observe:
        # Every way to end begins at 0: of a counter that appears with the first failure, Prometheus would overlook
        # that failure.
        *names, wanted = key
        made = {word: self._child((self._settings.service, *names, word, *self._settings.values)) for word in _WORDS}
        self.update({(*names, word): child for word, child in made.items()})
        return made[wanted]


class _ByName(dict[str, _Value]):
    """Makes what it does not have."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[str], _Value]) -> None:
        super().__init__()
        self._make: Final = make

    def __missing__(self, name: str) -> _Value:
        self[name] = made = self._make(name)
        return made


# What the options of a hook have to be


class Settings:
    """The options of a hook, checked.

    Attributes:
        service: the value of the label `service`.
        values: the values of the labels of one's own, in the order of their names.
        story: the metric of whole runs.
        step: the metric of steps.

    Raises:
        TypeError: a name or a label's value that is no text.
        ValueError: a name that Prometheus does not allow, or buckets that do not grow.
    """

    __slots__ = ("service", "step", "story", "values")

    def __init__(
        self,
        app_name: str,
        prefix: str,
        labels: Mapping[str, str] | None,
        buckets: Iterable[str | float] | None,
    ) -> None:
        own = {} if labels is None else dict(labels)
        _check_text("app_name", app_name)
        _check_prefix(prefix)
        _check_labels(own)
        bounds = DEFAULT_BUCKETS if buckets is None else _bounds(buckets)
        names = tuple(sorted(own))
        self.service: Final = app_name
        self.values: Final = tuple(own[name] for name in names)
        self.story: Final = Histogram(
            f"{prefix}_executions_latency_ms", "Story Execution Time", (*_STORY_LABELS, *names), bounds
        )
        self.step: Final = Histogram(
            f"{prefix}_step_executions_latency_ms", "Story step execution time", (*_STEP_LABELS, *names), bounds
        )


def _check_text(what: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{what} has to be a str, not {kind_of(value)}")


def _check_prefix(prefix: str) -> None:
    _check_text("prefix", prefix)
    if not re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", prefix):
        raise ValueError(
            f"prefix={prefix!r} cannot begin the name of a metric; use the letters a to z, digits and underscores, "
            f"and no digit first"
        )


def _check_labels(labels: Mapping[str, str]) -> None:
    for name, value in labels.items():
        _check_text("the name of a label", name)
        if name in _TAKEN:
            raise ValueError(f"the label {name!r} has a meaning already; give yours another name")
        if name.startswith("__") or not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
            raise ValueError(
                f"{name!r} cannot be the name of a label; use the letters a to z, digits and underscores, "
                f"no digit first, and no two underscores either"
            )
        _check_text(f"the label {name!r}", value)


def _bounds(buckets: Iterable[str | float]) -> tuple[float, ...]:
    given = list(buckets)
    bounds: list[float] = []
    for value in given:
        try:
            bounds.append(float(value))
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"buckets={given!r}: {value!r} is no number of milliseconds") from error
    if bounds and bounds[-1] == inf:
        bounds.pop()
    if not bounds:
        raise ValueError(f"buckets={given!r} has no upper bound; None gives the default ones")
    before = -0.0
    for index, bound in enumerate(bounds):
        if not (bound > before or (index == 0 and bound == 0)) or bound == inf:
            raise ValueError(
                f"buckets={given!r} do not grow: {given[index]!r} follows {given[index - 1]!r}"
                if index
                else f"buckets={given!r}: no duration is below {given[0]!r}"
            )
        before = bound
    return tuple(bounds)
