"""A step's parameter and the story's State are declared apart; only a call would compare them."""

from __future__ import annotations

from typing import Final

from mypy.types import Instance, Type, get_proper_type

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnClass, Rule, new_code
from dddkit_mypy.mypy_api import format_type, format_type_distinctly
from dddkit_mypy.stories.acceptance import parameter_of
from dddkit_mypy.stories.declaration import is_story
from dddkit_mypy.stories.state import state_of
from dddkit_mypy.stories.steps import checked_steps

_TITLE: Final = "Every step accepts the State of its story"
CODE: Final = new_code("dddkit-step-state", _TITLE)


def check(ctx: ClassContext) -> None:
    """Report the steps whose parameter is neither the State, nor a supertype of it, nor a protocol it satisfies."""
    if ctx.checker is None:
        return
    options = ctx.checker.options
    for step in checked_steps(ctx):
        if step.state is None or step.signature_error is not None:
            continue
        prefix = f"{ctx.info.name}: I.{step.name}"
        inner = _state_of_nested(step.type)
        if inner is not None and not mypy_api.is_subtype(step.state, inner):
            expected, given = format_type_distinctly(inner, step.state, options=options)
            message = (
                f"{prefix} is a story whose State is {expected}, which the State of {ctx.info.name}, {given}, is not; "
                f"derive the one from the other, or give the inner story a Protocol for its State"
            )
        elif step.state_error is not None:
            wanted = parameter_of(step.type)
            if wanted is not None:
                expected, given = format_type_distinctly(wanted, step.state, options=options)
                message = f"{prefix} takes {expected}, but the State of {ctx.info.name} is {given}"
                message = f"{message}; let it take the State, or a supertype of it"
            else:
                given = format_type(step.state, options)
                reported = step.state_error.message.splitlines()[0]
                message = f"{prefix} does not accept the State of {ctx.info.name}, {given}: {reported}"
        else:
            continue
        ctx.report(message, step.context, CODE)


def _state_of_nested(step: Type | None) -> Type | None:
    """Return the State of a step that is a story itself."""
    nested = get_proper_type(step)
    if isinstance(nested, Instance) and is_story(nested.type):
        return state_of(nested)
    return None


RULE: Final = Rule(
    code=CODE,
    title=_TITLE,
    reason=(
        "The step would read what the state does not have, or be refused the one it was written for. A supertype of "
        "the State is fine, and a Protocol that it satisfies: that is how steps and whole stories are shared. The "
        "runtime cannot see this mistake."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


class Payment(StoryState):
    card: str


@dataclass(frozen=True)
class Checkout(Story):
    I.charge

    class State(StoryState):
        order_id: int

    def charge(self, state: Payment) -> None: ...
""",
    good="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


class Payment(StoryState):
    card: str


@dataclass(frozen=True)
class Checkout(Story):
    I.charge

    class State(Payment):
        order_id: int

    def charge(self, state: Payment) -> None: ...
""",
    checks=(OnClass((names.STORY,), check),),
)
