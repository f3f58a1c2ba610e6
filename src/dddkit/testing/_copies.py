"""Copies of a story: one for each run, with a world of its own, and one for each process of a run."""

from __future__ import annotations

from contextlib import suppress
from copy import copy, deepcopy
from types import MemberDescriptorType
from typing import Any, Final, cast

from dddkit.stories._engine.compensations import steps_of
from dddkit.stories._engine.story_steps import story_of_step

__all__ = ["as_another_process_has_it", "with_its_own_world"]

# Any: stories, and what they were given.


def with_its_own_world(story: Any) -> tuple[Any, list[str]]:
    """Return a deep copy of a story, and which of its attributes are shared, since they cannot be copied."""
    try:
        return deepcopy(story), []
    except Exception:  # some of it cannot be copied
        made = copy(story)
        memo: dict[int, Any] = {}
        shared: list[str] = []
        for name, value in _attributes(story).items():
            known = memo.copy()
            try:
                copied = deepcopy(value, known)
            except Exception:
                shared.append(name)
                continue
            memo = known  # kept only now, since a copy that fails leaves halves behind
            object.__setattr__(made, name, copied)
        return made, shared


def as_another_process_has_it(story: Any) -> Any:
    """Return a copy of a story that knows nothing of what steps leave in it.

    The objects that it was given are the same: they stand for the world. Attributes are its own, and so are lists, sets
    and dicts in them; those of stories that are its steps as well.
    """
    made = copy(story)
    for name, value in _attributes(story).items():
        object.__setattr__(made, name, _remembered(value))
    for name in steps_of(type(story)):
        nested = story_of_step(story, name)
        if nested is not None and nested is getattr(story, name):
            with suppress(AttributeError):  # of the class, whose objects have slots
                object.__setattr__(made, name, as_another_process_has_it(nested))
    return made


def _remembered(value: Any) -> Any:
    kind: Any = cast("type[object]", type(value))
    if kind in (_LIST, _SET):
        return kind(map(_remembered, value))
    if kind is _DICT:
        return {key: _remembered(item) for key, item in value.items()}
    return value


def _attributes(thing: Any) -> dict[str, Any]:
    """Return what an object holds, in its dictionary and in slots."""
    held: dict[str, Any] = {}
    for base in type(thing).__mro__:
        for name, member in vars(base).items():
            if isinstance(member, MemberDescriptorType):
                try:
                    held[name] = member.__get__(thing)
                except AttributeError:
                    continue
    return held | getattr(thing, "__dict__", {})


_LIST: Final[Any] = list  # Any: else checkers believe to know what is in it
_SET: Final[Any] = set
_DICT: Final[Any] = dict
