"""`I`, the list of the steps of a story: open in the body of the class, closed after it."""

from __future__ import annotations

import sys
from typing import Any, Final, NamedTuple

from dddkit.exceptions import StoryDefinitionError

__all__ = ["I", "ListedStep", "StepList", "steps"]


class ListedStep(NamedTuple):
    """A step, and the line that lists it."""

    name: str
    file: str
    line: int


class StepList:
    """The steps of one story, in order: open in the body of the class, closed after it."""

    __slots__ = ("__closed", "__listed")

    def __init__(self) -> None:
        self.__listed: list[ListedStep] = []
        self.__closed = False

    def __getattr__(self, name: str, /) -> Any:
        # Any, as `I.charge` says nothing about the type of the step; at run time it is the name.
        if name.startswith("_"):
            raise AttributeError(f"I.{name} lists no step: names of steps do not begin with an underscore")
        if not self.__closed:
            frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # as logging and warnings find their caller
            self.__listed.append(ListedStep(name, frame.f_code.co_filename, frame.f_lineno))
        elif name not in self.__steps__:
            listed = ", ".join(f"I.{step}" for step in self.__steps__)
            raise AttributeError(f"I.{name} is no step of this story; it lists {listed or 'none'}")
        return name

    @property
    def __steps__(self) -> list[str]:
        """The names in order, in a list that is the caller's."""
        return [step.name for step in self.__listed]

    @property
    def __listed_steps__(self) -> tuple[ListedStep, ...]:
        """The steps in order, each with the line of the class body that lists it."""
        return tuple(self.__listed)

    def __close__(self) -> None:
        self.__closed = True

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.__steps__]

    def __repr__(self) -> str:
        return f"<steps: {', '.join(self.__steps__) or 'none'}>"


class _ImportedSteps(StepList):
    """What `from dddkit.stories import I` gives: the name, which has another value in the body of a story."""

    __slots__ = ()

    def __getattr__(self, name: str, /) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"I.{name} lists no step: names of steps do not begin with an underscore")
        raise StoryDefinitionError(
            f"I.{name} lists no step here: `I` is a story's own only in the body of a class that derives from Story. "
            f"A comprehension, a function or a class inside the body sees the imported one; "
            f"list dynamic steps with a for statement and getattr(I, name)",
            step=name,
        )


I: Final[StepList] = _ImportedSteps()  # the vocabulary: "I reserve, I charge, I ship"


def steps() -> Any:
    """Give a story its list of steps by hand, so that every type checker can look them up on the class itself.

        class Checkout(Story):
            I: ClassVar[Checkout] = steps()
            I.reserve
            I.charge

    Optional: it changes nothing at run time. Write it before the first step.
    """
    return StepList()
