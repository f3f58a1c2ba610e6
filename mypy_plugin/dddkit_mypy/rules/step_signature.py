"""A story calls each step as `step(state)`, but no call in the source lets mypy check that."""

from __future__ import annotations

import re
from typing import Final

from mypy.nodes import Decorator, FuncDef

from dddkit_mypy import _names as names
from dddkit_mypy._rule import ClassContext, OnClass, Rule, new_code
from dddkit_mypy.stories.steps import CheckedStep, checked_steps

_TITLE: Final = "Every step can be called with the state alone"
CODE: Final = new_code("dddkit-step-signature", _TITLE)

# mypy names a call that is not in the source; our own message already names class and step.
_OF_THE_CALL: Final = re.compile(r' (?:in call to|for) "[^"]*"(?: of "[^"]*")?')


def check(ctx: ClassContext) -> None:
    """Report the steps that a call with one positional argument does not fit."""
    for step in checked_steps(ctx):
        if step.signature_error is not None:
            ctx.report(f"{ctx.info.name}: I.{step.name} {_problem(step)}", step.context, CODE)


def _problem(step: CheckedStep) -> str:
    name = step.name
    assert step.signature_error is not None
    if step.signature_error.message.endswith("not callable"):
        return f"cannot be called: {step.signature_error.message}; a step is a method, or a field that holds a callable"
    if _lacks_self(step):
        return f"takes no self; write def {name}(self, state), or make it a @staticmethod"
    said = "no overload of it takes one argument"
    if step.signature_error.code != "call-overload":
        said = _OF_THE_CALL.sub("", step.signature_error.message)
    return f"cannot be called as {name}(state): {said[:1].lower()}{said[1:]}; a step takes the state and nothing else"


def _lacks_self(step: CheckedStep) -> bool:
    """Whether the one parameter of a method is meant to be the state, so that `self` is missing."""
    assert step.signature_error is not None
    if step.signature_error.code == "self":
        return True
    function = step.node.func if isinstance(step.node, Decorator) else step.node
    return (
        isinstance(function, FuncDef)
        and not function.is_static
        and not function.is_class
        and not function.is_property
        and len(function.arg_names) == 1
        and function.arg_names[0] != "self"
    )


RULE: Final = Rule(
    code=CODE,
    title=_TITLE,
    reason=(
        "The story calls each step with one positional argument, the state. What a step needs beside it belongs to "
        "the state, when it differs from run to run, or to the fields of the story, when it does not. Methods are "
        "judged by the runtime when the class is defined, injected callables only by this rule."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


@dataclass(frozen=True)
class Checkout(Story):
    I.charge

    class State(StoryState):
        order_id: int

    def charge(self, state: State, amount: int) -> None: ...
""",
    good="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


@dataclass(frozen=True)
class Checkout(Story):
    I.charge

    class State(StoryState):
        order_id: int
        amount: int

    def charge(self, state: State) -> None: ...
""",
    checks=(OnClass((names.STORY,), check),),
)
