"""The options of a metrics hook: names, labels and buckets, and what is rejected of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final, cast

from dddkit.stories._engine.expected import expected_errors

__all__ = ["DEFAULT_BUCKETS", "DEFAULT_NAME", "Histogram", "Settings", "check_registry"]

DEFAULT_NAME: Final = "dddkit_stories"
DEFAULT_BUCKETS: Final = (10.0, 25.0, 50.0, 100.0, 300.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0)
"""Upper bounds in milliseconds."""

_STORY_LABELS: Final = ("service", "story_name", "status")
_STEP_LABELS: Final = ("service", "story_name", "step_name", "status")
_TAKEN: Final = frozenset({*_STEP_LABELS, "le", "job"})  # `job` is what the Prometheus server calls its target


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


class Settings:
    """The options of a hook, checked.

    Attributes:
        service: the value of the label `service`.
        values: the values of the labels of one's own, in the order of their names.
        expected: the exceptions that are refusals.
        story: the metric of whole runs.
        step: the metric of steps.
        compensation: the metric of compensations.

    Raises:
        TypeError: a name or a label's value that is no text; labels that are no mapping, buckets that are no list;
            an expected exception that is none.
        ValueError: a name that Prometheus does not allow, a lone surrogate, or buckets that do not grow.
    """

    __slots__ = ("compensation", "expected", "service", "step", "story", "values")

    def __init__(
        self,
        app_name: str,
        prefix: str,
        labels: Mapping[str, str] | None,
        buckets: Iterable[str | float] | None,
        expected: object = (),
    ) -> None:
        _check_text("app_name", app_name)
        _check_prefix(prefix)
        self.expected: Final = expected_errors(expected, "PrometheusMetricsHook")
        own = {} if labels is None else _own_labels(labels)
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
        self.compensation: Final = Histogram(
            f"{prefix}_compensations_latency_ms", "Story step compensation time", (*_STEP_LABELS, *names), bounds
        )

    @property
    def series(self) -> tuple[str, ...]:
        """What tells the series of hooks apart that share the metrics."""
        return self.service, *self.values


def check_registry(registry: object, expected: type) -> None:
    """Reject what is no registry of the library, such as that of the other library."""
    if not isinstance(registry, expected):
        raise TypeError(
            f"registry has to be a {expected.__name__} of {expected.__module__.partition('.')[0]}, "
            f"not {_kind(registry)}"
        )


def _kind(value: object) -> str:
    return "None" if value is None else f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def _check_text(what: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{what} has to be a str, not {_kind(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{what} has a lone surrogate at index {error.start}, which no page of metrics can encode; "
            f"decode the bytes it comes from with the right encoding"
        ) from None


def _check_prefix(prefix: str) -> None:
    _check_text("prefix", prefix)
    if not re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", prefix):
        raise ValueError(
            f"prefix={prefix!r} cannot begin the name of a metric; use the letters a to z, digits and underscores, "
            f"and no digit first"
        )


def _own_labels(labels: object) -> dict[str, str]:
    if not hasattr(labels, "keys"):  # `dict` also takes pairs: of ["me"] it would make {"m": "e"}
        raise TypeError(f'labels has to map names to values, as in {{"env": "production"}}, not {_kind(labels)}')
    own: dict[str, str] = dict(cast("Mapping[str, str]", labels))
    for name, value in own.items():
        _check_text("the name of a label", name)
        if name in _TAKEN:
            raise ValueError(f"the label {name!r} has a meaning already; give yours another name")
        if name.startswith("__") or not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
            raise ValueError(
                f"{name!r} cannot be the name of a label; use the letters a to z, digits and underscores, "
                f"no digit first, and no two underscores either"
            )
        _check_text(f"the label {name!r}", value)
    return own


def _bounds(buckets: object) -> tuple[float, ...]:
    # Text is iterable too: "12" would be the buckets 1 and 2.
    if isinstance(buckets, (str, bytes, bytearray)) or not isinstance(buckets, Iterable):
        raise TypeError(f"buckets has to be a list of numbers, as in [10, 50, 100], not {_kind(buckets)}")
    given = list(cast("Iterable[str | float]", buckets))
    bounds: list[float] = []
    for value in given:
        try:
            bounds.append(float(value))
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"buckets={given!r}: {value!r} is no number of milliseconds") from error
    if bounds and bounds[-1] == inf:
        bounds.pop()
    if not bounds:
        raise ValueError(f"buckets={given!r} has no upper bound; leave buckets out for the default ones")
    before = -0.0
    for index, bound in enumerate(bounds):
        if not (bound > before or (index == 0 and bound == 0)) or bound == inf:
            wrong = (
                f"do not grow: {given[index]!r} follows {given[index - 1]!r}; sort them, and give each once"
                if index
                else f"begin with {given[0]!r}; begin with a number of milliseconds, 0 or more"
            )
            raise ValueError(f"buckets={given!r} {wrong}")
        before = bound
    return tuple(bounds)
