"""How one line of the execution tree is drawn: a template, and what hooks have noted for it."""

from __future__ import annotations

import re
from functools import lru_cache
from types import NoneType
from typing import Any, Final

from dddkit.stories._engine.status import StepStatus

__all__ = ["TEMPLATE", "Notes"]

TEMPLATE: Final = "    I.{step_name}"
_WITH_STATUS: Final = "    {meta[status]}I.{step_name}"
_DURATION: Final = " [{meta[duration]:.3f}s]"
_WITH_DURATION: Final = {template: template + _DURATION for template in (TEMPLATE, _WITH_STATUS)}

_NAME: Final = None
_META: Final = re.compile(r"meta\[([A-Za-z_]\w*)\]").fullmatch
_PLAIN: Final = {str, int, float, bool, NoneType, StepStatus}  # cannot change without being another object


class Notes:
    """What hooks have added to one step of one run, and how it is drawn.

    A log at DEBUG draws n lines before each of n steps, and most have not changed since. As long as none but the
    default hooks has had a hand in `meta` and `template` they tell themselves when a line has changed; afterwards all
    of `meta` is compared each time, for 0.3 µs a line.

    Attributes:
        nested: the runs inside the step.
        is_ours: whether nobody else has had a hand in it.
        line: how it is drawn, while that is so and nothing has changed; empty otherwise.
    """

    __slots__ = ("_drawn", "_drawn_from", "is_ours", "line", "meta", "nested", "template")

    def __init__(self) -> None:
        self.meta: dict[str, Any] = {}
        self.nested: list[Any] = []  # of contexts, which stand on this module
        self.template = TEMPLATE
        self.is_ours = True
        self.line = ""
        self._drawn = ""
        self._drawn_from: tuple[object, str, dict[str, Any]] | None = None

    def hand_out(self) -> Notes:
        """Give it to somebody who may change it at any time."""
        self.is_ours, self.line = False, ""
        return self

    def show_status(self, status: StepStatus) -> None:
        """Let the step be drawn with how it stands now: `meta["status"]`."""
        if "status" not in self.meta:
            template = self.template
            is_default = template is TEMPLATE
            self.template = (
                _WITH_STATUS if is_default else template.replace("I.{step_name}", "{meta[status]}I.{step_name}", 1)
            )
        self.meta["status"] = status
        self.line = ""

    def show_duration(self, seconds: float) -> None:
        """Let the step be drawn with the seconds it took: `meta["duration"]`."""
        if "duration" not in self.meta:
            self.meta["duration"] = seconds
            self.template = _WITH_DURATION.get(self.template) or self.template + _DURATION
            self.line = ""

    def draw(self, step: Any, fact: object) -> str:
        """The line of the step.

        Args:
            step: what a template may ask for its facts.
            fact: another object whenever one of those has changed.
        """
        if self.is_ours:
            self.line = line = _default_line(step.step_name, self.meta)
            return line
        drawn_from = self._drawn_from
        if (
            drawn_from is None
            or drawn_from[0] is not fact
            or drawn_from[1] is not self.template
            or drawn_from[2] != self.meta
        ):
            self._drawn = self._filled(step)
            is_plain = _PLAIN.issuperset(map(type, self.meta.values()))
            self._drawn_from = (fact, self.template, self.meta.copy()) if is_plain else None
        return self._drawn

    def _filled(self, step: Any) -> str:
        parts = _parts(self.template)
        if parts is None:
            return self.template.format_map(_Shown(step))
        text = ""
        for literal, key, spec in parts:
            text += literal
            if key is _NAME:
                text += step.step_name
            elif key in self.meta:
                value = self.meta[key]
                text += value._value_ if type(value) is StepStatus and not spec else format(value, spec)
        return text


def _default_line(name: str, meta: dict[str, Any]) -> str:
    """What the templates of the default hooks give."""
    text = f"    {meta['status']._value_}I.{name}" if "status" in meta else f"    I.{name}"
    return f"{text} [{meta['duration']:.3f}s]" if "duration" in meta else text


@lru_cache
def _parts(template: str) -> list[tuple[str, str | None, str]] | None:
    """The template as literals, each with the key of the `meta` that follows; None where it names other facts."""
    from string import Formatter  # not every run is looked at

    parts: list[tuple[str, str | None, str]] = []
    for literal, field, spec, conversion in Formatter().parse(template):
        if field is None:
            parts.append((literal, "", ""))
        elif conversion or "{" in (spec or ""):
            return None
        elif field == "step_name" and not spec:
            parts.append((literal, _NAME, ""))
        elif (key := _META(field)) is not None:
            parts.append((literal, key[1], spec or ""))
        else:
            return None
    return parts


class _Shown:
    """What a template may name; an unknown name is empty, so a half-filled `meta` still draws."""

    __slots__ = ("_step",)

    def __init__(self, step: Any) -> None:
        self._step = step

    def __getitem__(self, name: str) -> Any:
        return _Filled(self._step.meta) if name == "meta" else getattr(self._step, name, _EMPTY)


class _Filled(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        return _EMPTY


class _Empty:
    """Formats to nothing under any format specification, and so does whatever is asked of it."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return ""

    def __repr__(self) -> str:
        return ""

    def __getitem__(self, name: object) -> _Empty:
        return self

    def __getattr__(self, name: str) -> _Empty:
        return self


_EMPTY: Final = _Empty()
