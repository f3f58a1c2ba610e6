"""How one line of the execution tree is rendered: a template, and what hooks have added to it."""

from __future__ import annotations

import re
from functools import lru_cache
from types import NoneType
from typing import Any, Final

from dddkit.stories._engine.nested import NestedRuns
from dddkit.stories._engine.status import StepStatus

__all__ = ["DEFAULT_TEMPLATE", "TreeLine"]

DEFAULT_TEMPLATE: Final = "    I.{step_name}"
_WITH_STATUS: Final = "    {meta[status]}I.{step_name}"
_DURATION: Final = " [{meta[duration]:.3f}s]"
_WITH_DURATION: Final = {template: template + _DURATION for template in (DEFAULT_TEMPLATE, _WITH_STATUS)}

_NAME: Final = None
_META: Final = re.compile(r"meta\[([A-Za-z_]\w*)\]").fullmatch
_IMMUTABLE: Final = {str, int, float, bool, NoneType, StepStatus}


class TreeLine:
    """What hooks have added to one step of one run, and how the step is rendered.

    A log at DEBUG renders n lines before each of n steps, and most have not changed since. While only the default hooks
    have changed `meta` and `template`, they reset the rendered line themselves. After another hook has had access, all
    of `meta` is compared at each rendering, which takes 0.3 µs a line.

    Attributes:
        nested: the runs inside the step; None if there was none.
        undoing: what is shown of the undoing of the step, before its status: ↩✓ if it is undone, ↩✗ if that failed.
        is_shared: whether a hook that is none of the default ones has had access.
        rendered: the text, as long as nothing has changed and nothing is shared; else empty.
    """

    __slots__ = ("_cached", "_cached_for", "is_shared", "meta", "nested", "rendered", "template", "undoing")

    def __init__(self) -> None:
        self.meta: dict[str, Any] = {}
        self.nested: NestedRuns | None = None
        self.template = DEFAULT_TEMPLATE
        self.undoing = ""
        self.is_shared = False
        self.rendered = ""
        self._cached = ""
        self._cached_for: tuple[object, str, dict[str, Any]] | None = None

    def shared(self) -> TreeLine:
        """Return the line for code that may change it at any time."""
        self.is_shared, self.rendered = True, ""
        return self

    def show_status(self, status: StepStatus) -> None:
        """Render the step with this status from now on: `meta["status"]`."""
        if "status" not in self.meta:
            template = self.template
            is_default = template is DEFAULT_TEMPLATE
            self.template = (
                _WITH_STATUS if is_default else template.replace("I.{step_name}", "{meta[status]}I.{step_name}", 1)
            )
        self.meta["status"] = status
        self.rendered = ""

    def show_duration(self, seconds: float) -> None:
        """Render the step with these seconds from now on: `meta["duration"]`."""
        if "duration" not in self.meta:
            self.meta["duration"] = seconds
            self.template = _WITH_DURATION.get(self.template) or self.template + _DURATION
            self.rendered = ""

    def show_undoing(self, error: BaseException | None) -> None:
        """Render the step as undone from now on; with an error, as one whose undoing has failed."""
        self.undoing = _UNDOING[error is None]
        self.rendered = ""

    def render(self, step: Any, progress: object) -> str:
        """Return the line of the step.

        Args:
            step: the object whose attributes a template can name.
            progress: another object whenever one of these attributes has changed.
        """
        if not self.is_shared:
            self.rendered = rendered = _default_line(step.step_name, self.meta, self.undoing)
            return rendered
        cached_for = self._cached_for
        if (
            cached_for is None
            or cached_for[0] is not progress
            or cached_for[1] is not self.template
            or cached_for[2] != self.meta
        ):
            self._cached = self._format(step)
            is_immutable = _IMMUTABLE.issuperset(map(type, self.meta.values()))
            self._cached_for = (progress, self.template, self.meta.copy()) if is_immutable else None
        return self._cached

    def _format(self, step: Any) -> str:
        parts = _parts(self.template)
        if parts is None:
            return self.template.format_map(_Attributes(step))
        text = ""
        for literal, key, spec in parts:
            text += literal
            if key is _NAME:
                text += step.step_name
            elif key in self.meta:
                value = self.meta[key]
                text += _glyphs(value, self.undoing) if type(value) is StepStatus and not spec else format(value, spec)
        return text


_UNDOING: Final = {True: "↩✓", False: "↩✗"}


def _glyphs(status: StepStatus, undoing: str) -> str:
    """Return the status of a step; of one that has completed and was undone, how that ended."""
    return undoing if undoing and status is StepStatus.COMPLETED else undoing + status._value_


def _default_line(name: str, meta: dict[str, Any], undoing: str) -> str:
    """Return what the templates of the default hooks give, without parsing them."""
    text = f"    {_glyphs(meta['status'], undoing)}I.{name}" if "status" in meta else f"    I.{name}"
    return f"{text} [{meta['duration']:.3f}s]" if "duration" in meta else text


@lru_cache
def _parts(template: str) -> list[tuple[str, str | None, str]] | None:
    """Split a template into literals, each with the key of `meta` that follows; None where it names other facts."""
    from string import Formatter  # most runs are never rendered

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


class _Attributes:
    """What a template can name. An unknown name is empty, so that an incomplete `meta` renders too."""

    __slots__ = ("_step",)

    def __init__(self, step: Any) -> None:
        self._step = step

    def __getitem__(self, name: str) -> Any:
        return _Meta(self._step.meta) if name == "meta" else getattr(self._step, name, _EMPTY)


class _Meta(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        return _EMPTY


class _Empty:
    """Formats to nothing under any format specification, and so does every attribute and item of it."""

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
