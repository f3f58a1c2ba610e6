"""`I`, the list of the steps of a story: open in the body of the class, closed after it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dddkit.exceptions import StepListError, StoryDefinitionError

__all__ = ["I", "ListedStep", "StepList", "steps"]


class ListedStep(NamedTuple):
    """A step, and the line that lists it."""

    name: str
    file: str
    line: int


class ListedName(str):
    """What `I.reserve` is: the name of the step, a `str` that says what to write where it is used as the step itself.

    Copies and pickles are plain strings.
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # checkers see Any

        def __call__(self, *_arguments, **_keywords):
            raise StoryDefinitionError(
                f"I.{self} is the name of a step, and cannot be called; a line `I.{self}` lists the step, "
                f"which the story calls when it runs: define {self}(self, state)",
                step=str(self),
            )

        def __getattr__(self, name):
            if name.startswith("_"):
                raise AttributeError(f"I.{self} is the name of a step, and has no attribute {name!r}")
            raise StepListError(
                f"I.{self} is the name of a step, and has no attribute {name!r}; write one line `I.{self}`, "
                f"and where {self} is a story, list I.{name} in its own body",
                step=str(self),
            )

        def __add__(self, other):
            return _reject_chain(self, other) if type(other) is ListedName else super().__add__(other)

        def __rshift__(self, other):
            return _reject_chain(self, other)

        __and__ = __or__ = __rshift__

        def __reduce__(self):
            return str, (str(self),)


def _reject_chain(first: str, other: object) -> None:
    following = f"I.{other}" if isinstance(other, ListedName) else "the next step"
    raise StoryDefinitionError(
        f"I.{first} is the name of a step, and cannot be combined with another; "
        f"list each step in a line of its own: I.{first}, then {following}",
        step=str(first),
    )


def _normalized(name: str) -> str:
    """Return the name as Python reads it in source: an exact `str`, in the form NFKC where it is not ASCII."""
    name = str.__str__(name)  # of a member of an Enum, the value
    if name.isascii():
        return name
    from unicodedata import normalize

    return normalize("NFKC", name)


def _reject_private(name: str) -> None:
    if name.startswith("_"):
        raise AttributeError(f"I.{name} lists no step: names of steps do not begin with an underscore")


class StepList:
    """The steps of one story, in order: open in the body of the class, closed after it."""

    __slots__ = ("__closed", "__listed")

    def __init__(self) -> None:
        self.__listed: list[ListedStep] = []
        self.__closed = False

    def __getattr__(self, name: str, /) -> Any:
        # Any, as `I.charge` says nothing about the type of the step; at run time it is the name.
        _reject_private(name)
        name = _normalized(name)
        if not self.__closed:
            frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # as logging and warnings find their caller
            self.__listed.append(ListedStep(name, frame.f_code.co_filename, frame.f_lineno))
        elif name not in self.__steps__:
            listed = ", ".join(f"I.{step}" for step in self.__steps__)
            raise AttributeError(f"I.{name} is no step of this story; it lists {listed or 'none'}")
        return ListedName(name)

    if not TYPE_CHECKING:  # checkers report these by themselves, because the class does not have them

        def __setattr__(self, name, value):
            if name.startswith("_"):
                object.__setattr__(self, name, value)
                return
            raise StepListError(
                f"I.{name} cannot be assigned; a line `I.{name}` lists a step, "
                f"and {name}(self, state), or a field {name}, says what it does",
                step=name,
            )

        def __delattr__(self, name):
            raise StepListError(
                f"I.{name} cannot be deleted; leave its line out, "
                f"and in a subclass list all the steps that it has, which replaces the list",
                step=name,
            )

        def __getitem__(self, name):
            raise StoryDefinitionError(
                "I has no items; list a step as I.name, or as getattr(I, name) where a variable holds the name",
                step=name if isinstance(name, str) else None,
            )

        __setitem__ = None
        __iter__ = None  # else Python would iterate by `__getitem__`

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
    """What `from dddkit.stories import I` gives, the name that has another value in the body of a story."""

    __slots__ = ()

    def __getattr__(self, name: str, /) -> Any:
        _reject_private(name)
        raise StepListError(
            f"I.{name} lists no step here: `I` is a story's own only in the body of a class that derives from Story, "
            f"and under this name. A comprehension, a function or a class inside the body sees the imported one; "
            f"list dynamic steps with a for statement and getattr(I, name)",
            step=name,
        )

    def __reduce__(self) -> str:
        return "I"  # copies and pickles refer to it by its name


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
