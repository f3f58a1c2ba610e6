"""What is measured of every run, under which names, and when; no library that counts is known here."""

# pyright: reportPrivateUsage=false
# `MetricsHook.after` reads the facts of a step as the engine writes them.

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import Final, Generic, Protocol, TypeAlias, TypeVar
from weakref import ref

from dddkit.stories._engine.compensations import compensations_of
from dddkit.stories._engine.encoding import to_encodable
from dddkit.stories._engine.exclusion import EXCLUSION, call_exclusively, is_inside, postpone
from dddkit.stories._engine.expected import is_expected, outcome_word
from dddkit.stories._engine.facts import StepExecutionInfo, StoryExecutionContext
from dddkit.stories._engine.failure_log import FailureLog
from dddkit.stories._engine.metric_options import (
    DEFAULT_BUCKETS,
    DEFAULT_NAME,
    Histogram,
    Settings,
    check_registry,
)
from dddkit.stories._engine.status import Suspended, status_of

__all__ = [
    "DEFAULT_BUCKETS",
    "DEFAULT_NAME",
    "Histogram",
    "Histograms",
    "Metric",
    "MetricsHook",
    "Observe",
    "Removals",
    "Settings",
    "check_registry",
]

_WORDS: Final = ("completed", "failed", "cancelled")
_WORDS_OF_UNDOING: Final = ("completed", "failed")

Observe: TypeAlias = Callable[[float], object]
"""Counts one duration, in milliseconds."""

_Registry = TypeVar("_Registry")
_Metric = TypeVar("_Metric", bound="Metric")
_Value = TypeVar("_Value")


class Metric(Protocol):
    """One metric, as a backend has made it.

    Attributes:
        wanted: what it was made from.
        removals: notifies the hooks when the user removes series from it.
        expected: which exceptions are refusals for the hooks that count in the same series, by `Settings.series`.
    """

    @property
    def wanted(self) -> Histogram: ...

    @property
    def removals(self) -> Removals: ...

    @property
    def expected(self) -> dict[tuple[str, ...], tuple[type[Exception], ...]]: ...

    def child(self, values: tuple[str, ...]) -> Observe:
        """Return what counts one combination of label values; the same one, as long as it is not removed."""
        ...


class Removals:
    """Notifies hooks when series are removed from a metric: they ask for new ones, which the registry shows."""

    __slots__ = ("_hooks",)

    def __init__(self) -> None:
        self._hooks: tuple[ref[MetricsHook], ...] = ()

    def add(self, hook: MetricsHook) -> None:
        with EXCLUSION:
            self._hooks = (*[known for known in self._hooks if known() is not None], ref(hook))

    def notify(self) -> None:
        for known in self._hooks:
            hook = known()
            if hook is not None:
                hook.ask_anew()


class Histograms(Generic[_Registry, _Metric]):
    """The metrics of a backend, which hooks with the same prefix share.

    Args:
        make: makes and registers one; a ValueError says that its name is taken.
        find: returns the one that a registry has under a name; None where there is none, or where it is not ours.
        discard: removes one from its registry again.
    """

    def __init__(
        self,
        make: Callable[[_Registry, Histogram], _Metric],
        find: Callable[[_Registry, str], _Metric | None],
        discard: Callable[[_Registry, _Metric], object],
    ) -> None:
        self._make = make
        self._find = find
        self._discard = discard

    def get(self, registry: _Registry, settings: Settings) -> tuple[_Metric, _Metric, _Metric]:
        """Return the metrics of runs, steps and compensations, new or shared; all or, with a ValueError, none."""
        made: list[_Metric] = []
        metrics: list[_Metric] = []
        with EXCLUSION:
            try:
                for histogram in (settings.story, settings.step, settings.compensation):
                    # Asked first: a signal handler may have come while this thread holds the registry's own lock.
                    metric = self._find(registry, histogram.name)
                    if metric is not None:
                        _check_equal(histogram, metric.wanted)
                        _check_expected(histogram, settings, metric.expected)
                    else:
                        metric = self._made(registry, histogram)
                        made.append(metric)
                    metrics.append(metric)
            except ValueError:
                for metric in made:
                    self._discard(registry, metric)
                raise
            for metric in metrics:
                metric.expected[settings.series] = settings.expected
        story, step, compensation = metrics
        return story, step, compensation

    def _made(self, registry: _Registry, histogram: Histogram) -> _Metric:
        try:
            return self._make(registry, histogram)
        except ValueError as error:
            raise ValueError(
                f"the metric {histogram.name} is in the registry already, and was not made by a hook of dddkit; "
                f"give the hook another prefix=, or a registry= of its own"
            ) from error


def _check_equal(wanted: Histogram, there: Histogram) -> None:
    for what, old, new in (("labels", there.labels, wanted.labels), ("buckets", there.buckets, wanted.buckets)):
        if old != new:
            raise ValueError(
                f"the metric {wanted.name} exists with the {what} {_listed(old)}, and this hook wants "
                f"{_listed(new)}; hooks with one prefix have the same {what}: give this one the same, "
                f"or a prefix= of its own"
            )


def _check_expected(
    wanted: Histogram, settings: Settings, there: dict[tuple[str, ...], tuple[type[Exception], ...]]
) -> None:
    known = there.get(settings.series, settings.expected)
    if known != settings.expected:
        raise ValueError(
            f"a hook counts in the same series of {wanted.name} already, with expected={_classes(known)}, and this "
            f"hook wants expected={_classes(settings.expected)}; give both the same, or this one another app_name or "
            f"prefix"
        )


def _classes(expected: Iterable[type]) -> str:
    return _listed(f"{one.__module__}.{one.__qualname__}" for one in expected)


def _listed(values: Iterable[object]) -> str:
    return f"({', '.join(map(str, values))})"


class MetricsHook:
    """Counts every run, every started step and every compensation, with its duration, by how it ended.

    The base of the hooks that users inject. Of several hooks with equal settings, a run calls only the first.

    Args:
        settings: the options.
        story: the metric of whole runs.
        step: the metric of steps.
        compensation: the metric of compensations.
    """

    __slots__ = (
        "__weakref__",
        "_begun",
        "_compensation",
        "_compensations",
        "_completed",
        "_failures",
        "_settings",
        "_step",
        "_steps",
        "_stories",
        "_story",
    )

    def __init__(self, settings: Settings, story: Metric, step: Metric, compensation: Metric) -> None:
        self._settings: Final = settings
        self._story: Final = story
        self._step: Final = step
        self._compensation: Final = compensation
        self._failures: Final = FailureLog(type(self).__qualname__)
        self.ask_anew()
        story.removals.add(self)
        step.removals.add(self)
        compensation.removals.add(self)

    def ask_anew(self) -> None:
        """Ask the metrics again for what counts each combination of label values, since some may be removed."""
        # New dictionaries: a thread that has just asked for a removed one puts it into the old ones.
        self._stories = _Children(self._settings, self._story, _WORDS)
        self._steps = steps = _Children(self._settings, self._step, _WORDS)
        self._compensations = _Children(self._settings, self._compensation, _WORDS_OF_UNDOING)
        # The ids of the stories whose compensations have their series: a set of classes would keep these alive.
        self._begun = set[int]()
        # Most steps complete: their children, by story and step, without a key to be built and hashed each time.
        self._completed = _ByName(lambda story: _ByName(lambda step: steps[story, step, "completed"]))

    def __hook_key__(self) -> object:
        return id(self._story), id(self._step), id(self._compensation), self._settings.series

    def __expects__(self, error: BaseException) -> bool:
        return is_expected(error, self._settings.expected)

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        # The exception at the yield counts, and not the status: a hook inside this one may fail after the last step.
        raised: BaseException | None = None
        try:
            yield
        except BaseException as error:
            raised = error
            raise
        finally:
            # Most runs complete, and reading the name of a status takes as long as all the rest.
            word = "completed" if raised is None else self._word(raised)
            del raised  # this frame is in its traceback
            story = type(context.story)
            try:
                if word:
                    self._stories[story.__name__, word](context.duration * 1000)
                if id(story) not in self._begun:
                    self._begin(story)
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
                word = outcome_word(step.status, step.error, self._settings.expected)
                self._steps[story, step.step_name, word](step.duration * 1000)
        except Exception:
            self._failures.log()

    def around_compensation(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        word = "failed"
        started = perf_counter()
        try:
            yield
            word = "completed"
        except Suspended:
            word = ""
            raise
        finally:
            try:
                seconds = perf_counter() - started
                if word:
                    self._compensations[type(context.story).__name__, step.step_name, word](seconds * 1000)
            except Exception:
                self._failures.log()

    def _word(self, error: BaseException) -> str:
        """Return the word for a run that an exception has ended; nothing for one that has not ended."""
        return "" if type(error) is Suspended else outcome_word(status_of(error), error, self._settings.expected)

    def _begin(self, story: type) -> None:
        """Let the series of a story's compensations begin at 0, so that Prometheus sees the first one."""
        if is_inside():  # a later run does it
            return
        for step in compensations_of(story):
            self._compensations[story.__name__, step, "completed"]  # makes them
        self._begun.add(id(story))


class _Children(dict[tuple[str, ...], Observe]):
    """The children of one metric by story, step and status, made when the first of them is asked for."""

    __slots__ = ("_metric", "_settings", "_words")

    def __init__(self, settings: Settings, metric: Metric, words: tuple[str, ...]) -> None:
        super().__init__()
        self._settings: Final = settings
        self._metric: Final = metric
        self._words: Final = words

    def __missing__(self, key: tuple[str, ...]) -> Observe:
        if is_inside():
            return _Later(self, key)
        children: Observe = call_exclusively(lambda: self._made(key))
        return children

    def _made(self, key: tuple[str, ...]) -> Observe:
        # Every way to end begins at 0: of a counter that appears with the first failure, Prometheus would overlook
        # that failure. Only refusals get a series when there is one, since most stories never refuse.
        *names, wanted = key
        shown = (self._settings.service, *map(to_encodable, names))
        made = {
            word: self._metric.child((*shown, word, *self._settings.values))
            for word in dict.fromkeys((*self._words, wanted))
        }
        self.update({(*names, word): child for word, child in made.items()})
        return made[wanted]


class _Later:
    """Counts when the call is over that a finalizer or a signal handler has come into."""

    __slots__ = ("_children", "_key")

    def __init__(self, children: _Children, key: tuple[str, ...]) -> None:
        self._children: Final = children
        self._key: Final = key

    def __call__(self, milliseconds: float) -> None:
        postpone(lambda: self._children[self._key](milliseconds))


class _ByName(dict[str, _Value]):
    """Makes what it does not have."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[str], _Value]) -> None:
        super().__init__()
        self._make: Final = make

    def __missing__(self, name: str) -> _Value:
        made = self._make(name)
        if type(made) is not _Later:
            self[name] = made
        return made
