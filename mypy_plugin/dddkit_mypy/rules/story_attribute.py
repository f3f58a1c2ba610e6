"""An instance of a story serves many runs; mypy sees nothing wrong in an attribute that a step assigns."""

from __future__ import annotations

from typing import Final

from mypy.nodes import TypeInfo

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy._rule import ClassContext, OnClass, Rule
from dddkit_mypy.stories.attributes import Leak, leaks_of, place_of
from dddkit_mypy.stories.compensations import name_in_message
from dddkit_mypy.stories.declaration import is_story

CODE: Final = codes.STORY_ATTRIBUTE


def check(ctx: ClassContext) -> None:
    """Report the public attributes of a story that one step or compensation assigns, and one of these reads."""
    leaks = leaks_of(ctx.info)
    if not leaks:
        return
    known = {leak.attribute for base in ctx.info.mro[1:] if is_story(base) for leak in leaks_of(base)}
    for leak in leaks:
        if leak.attribute not in known:
            ctx.report(_message(ctx.info, leak), place_of(ctx.info, leak), CODE)


def _message(info: TypeInfo, leak: Leak) -> str:
    name, setter, reader = leak.attribute, name_in_message(info, leak.setter), name_in_message(info, leak.reader)
    reads = "reads it first" if leak.reader == leak.setter else f"{reader} reads it"
    return (
        f"{info.name}: {setter} assigns self.{name}, and {reads}, but one story serves many runs; "
        f"keep {name} in the State: state.{name}"
    )


RULE: Final = Rule(
    code=CODE,
    reason=(
        "What a step leaves in the story is there in the next run too, and in runs at the same time. The State belongs "
        "to one run. Names that begin with `_` are left alone, since caches and counters are meant to be shared, and "
        "so are properties, descriptors and class variables. What the steps and compensations do themselves counts, "
        "also decorated and inherited ones, and not what the methods do that they call. mypy itself reports the "
        "assignment in a frozen dataclass."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


@dataclass
class Checkout(Story):
    I.add_up
    I.charge

    class State(StoryState):
        prices: list[int]

    total: int = 0

    def add_up(self, state: State) -> None:
        self.total = sum(state.prices)

    def charge(self, state: State) -> None:
        print(self.total)
""",
    good="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState, variable


@dataclass
class Checkout(Story):
    I.add_up
    I.charge

    class State(StoryState):
        prices: list[int]
        total: int = variable()

    def add_up(self, state: State) -> None:
        state.total = sum(state.prices)

    def charge(self, state: State) -> None:
        print(state.total)
""",
    checks=(OnClass((names.STORY,), check),),
)
