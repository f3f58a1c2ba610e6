"""The ways to give a story a constructor, as a parameter for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import attrs
import pydantic.dataclasses
import pytest

from dddkit.stories import Story

Constructor: TypeAlias = Callable[[type[Story]], Any]

_ANY_TYPE: Final[pydantic.ConfigDict] = {"arbitrary_types_allowed": True}


def by_hand(cls: type[Story]) -> Any:
    """Return a child of `cls` with a hand-written `__init__` that sets its annotated fields."""

    def __init__(self: Any, *values: Any) -> None:
        names = [name for name in cls.__annotations__ if name != "I"]
        for name, value in zip(names, values, strict=True):
            setattr(self, name, value)

    metaclass: Any = type(cls)
    return metaclass(cls.__name__, (cls,), {"__init__": __init__, "__module__": cls.__module__})


CONSTRUCTORS: Final[dict[str, Constructor]] = {
    "dataclass": dataclass,
    "dataclass slots": dataclass(slots=True),
    "dataclass frozen slots": dataclass(frozen=True, slots=True),
    "attrs": attrs.define(slots=False),
    "attrs slots": attrs.define,
    "attrs frozen slots": attrs.frozen,
    "pydantic": pydantic.dataclasses.dataclass(config=_ANY_TYPE),
    "pydantic slots": pydantic.dataclasses.dataclass(slots=True, config=_ANY_TYPE),
    "by hand": by_hand,
}

every_constructor = pytest.mark.parametrize("made", CONSTRUCTORS.values(), ids=CONSTRUCTORS)
