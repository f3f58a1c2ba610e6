"""Why a field of a state is not set, as far as the steps tell. Only an error imports it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

from dddkit.stories._engine.assignments import assigns, codes_of
from dddkit.stories._engine.validation import is_method, look_up

__all__ = ["why_unset"]


def why_unset(state: type, name: str) -> str:
    """Return what to say of a field that is not set, and what to do.

    It may be that no step assigns it, that the step which does is not listed, comes later, or took another path, or
    that the story has not run. The first two show in the code of the story, if the State is declared in it.
    """
    story = _story_of(state)
    rest = (
        "before those that read it, let it set it on every path, and call the story first (with await if it is async)"
    )
    unknown = f"no step has set it yet; list the step that sets it {rest}"
    if story is None or any(assigns(code, name) for base in state.__mro__[:-1] for _, code in codes_of(base)):
        return unknown
    stories = list(_with_subclasses(story))
    listed = {step for cls in stories for step in cls.I.__steps__}
    methods = [
        found for base in dict.fromkeys(base for cls in stories for base in cls.__mro__) for found in codes_of(base)
    ]
    setters = dict.fromkeys(method for method, code in methods if assigns(code, name, but_of=_self_of(code)))
    if steps := [setter for setter in setters if setter in listed]:
        verb, it = ("has", "it") if len(steps) == 1 else ("have", "one")
        return f"{' and '.join(steps)} {verb} not set it yet; list {it} {rest}"
    if not listed or not all(_is_plain(cls, step) for cls in stories for step in cls.I.__steps__):
        return unknown
    called = {used for _, code in methods for used in code.co_names}
    if not setters:
        owner = story.__qualname__.rpartition("<locals>.")[2]
        return f"no step of {owner} sets it; in the step that makes it, write `state.{name} = <its value>`"
    unlisted = [setter for setter in setters if not setter.startswith("_") and setter not in called]
    if len(unlisted) == len(setters) == 1:
        return f"{unlisted[0]} sets it, but is not listed; write I.{unlisted[0]} before the steps that read it"
    return unknown


def _story_of(state: type) -> Any:
    """Return the story in whose body a State is declared; None where it cannot be found."""
    found: Any = sys.modules.get(state.__module__)
    for part in state.__qualname__.split(".")[:-1]:
        found = getattr(found, "__dict__", {}).get(part)
    return found if hasattr(found, "__story__") and found.State is state else None


def _with_subclasses(story: type) -> Iterator[Any]:
    yield story
    children: list[Any] = type.__subclasses__(story)
    for child in children:
        yield from _with_subclasses(child)


def _self_of(code: CodeType) -> str | None:
    return code.co_varnames[0] if code.co_argcount > 1 else None


def _is_plain(cls: type, step: str) -> bool:
    """Whether a step is a method whose code is all that runs, and not another story, or what a decorator has made."""
    found = look_up(cls, step)
    if found is None or not is_method(found.value):
        return False
    code: CodeType = getattr(found.value, "__func__", found.value).__code__
    return set(code.co_freevars) <= {"__class__"}
