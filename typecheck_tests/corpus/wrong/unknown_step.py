from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import attrs

import dddkit.stories as kit
from dddkit.stories import I, Story, StoryState, steps
from dddkit.stories import I as step

T = TypeVar("T")
FLAG = bool(__name__)


class St(StoryState):
    n: int = 0


@attrs.frozen
class Misspelt(Story):
    I.resrve  # E: dddkit-unknown-step
    I.reserve

    State = St
    charge: Callable[[St], None]

    def reserve(self, state: St) -> None: ...


class Private(Story):
    I.go
    I._check  # E: dddkit-unknown-step

    def go(self, state: St) -> None: ...

    def _check(self, state: St) -> None: ...


class Child(Misspelt):
    I.reserve
    I.chrge  # E: dddkit-unknown-step
    I.charge


class Batch(Story, Generic[T]):
    I: ClassVar[Batch[Any]] = steps()
    I.sort
    I.srt  # E: attr-defined

    def sort(self, state: list[T]) -> None: ...


def function_local(name: str) -> Story:
    class Local(Story):
        I.go
        I.gone  # E: dddkit-unknown-step

        def go(self, state: St) -> None: ...

    return Local()


class Elsewhere:
    I.go  # E: dddkit-unknown-step

    def go(self, state: St) -> None: ...


def in_a_function() -> None:
    I.go  # E: dddkit-unknown-step


class ThroughTheModule(Story):
    I.go
    kit.I.go  # E: dddkit-unknown-step

    def go(self, state: St) -> None: ...


class UnderAnotherName(Story):
    I.go
    step.go  # E: dddkit-unknown-step

    def go(self, state: St) -> None: ...


class Called(Story):
    I.go()  # E: dddkit-unknown-step

    def go(self, state: St) -> None: ...


@dataclass
class Dotted(Story):
    I.gateway.charge  # E: dddkit-unknown-step

    gateway: Any = None

    def charge(self, state: St) -> None: ...


class Conditional(Story):
    if FLAG:
        I.go
    else:
        I.og  # E: dddkit-unknown-step

    def go(self, state: St) -> None: ...
