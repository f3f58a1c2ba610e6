"""A story can be called with anything, says its type; what it is written for, its State says."""

from __future__ import annotations

from typing import Final

from mypy.messages import format_type_distinctly
from mypy.nodes import ARG_POS, CallExpr, Expression, RefExpr
from mypy.plugin import MethodSigContext
from mypy.subtypes import is_subtype
from mypy.types import CallableType, FunctionLike, Instance, Type, get_proper_type

from dddkit_mypy import _mypy_api as mypy_api
from dddkit_mypy import _names as names
from dddkit_mypy import _stories as stories
from dddkit_mypy._rule import OnSignature, Rule, new_code

_TITLE: Final = "Every story is called with its State"
CODE: Final = new_code("dddkit-story-state", _TITLE)


def check(ctx: MethodSigContext) -> FunctionLike:
    """Report an argument that is not the State; with one that is, let mypy see it as the State that it is to be."""
    signature, call, story = ctx.default_signature, ctx.context, ctx.type
    if not isinstance(call, CallExpr) or call.arg_kinds != [ARG_POS] or len(ctx.args) != 1 or len(ctx.args[0]) != 1:
        return signature
    if not isinstance(story, Instance) or not stories.has_our_call(story.type):
        return signature
    checker = mypy_api.checker_of(ctx.api)
    mypy_api.depend_on_member(checker, story.type, "State")
    state = stories.state_of(story)
    if state is None or len(signature.arg_types) != 1:
        return signature
    argument = ctx.args[0][0]
    if _makes(argument, state):
        return signature
    given = mypy_api.type_in_context(checker, argument, state)
    if is_subtype(given, state):
        return mypy_api.taking(signature, state)
    name = story.type.name
    expected, found = format_type_distinctly(state, given, options=checker.options)
    message = f"{name} is called with {found}, but its State is {expected}; {_advice(name, state, given)}"
    checker.fail(message, argument, code=CODE)
    return signature


def _makes(argument: Expression, state: Type) -> bool:
    """Whether an argument is plainly a new object of the State: no need to ask mypy, then."""
    made = get_proper_type(state)
    return (
        isinstance(argument, CallExpr)
        and argument.analyzed is None
        and isinstance(argument.callee, RefExpr)
        and isinstance(made, Instance)
        and argument.callee.node is made.type
        and not made.args
        and (made.type.has_base(names.STORY_STATE) or made.type.has_base(names.SIMPLE_NAMESPACE))
        and not mypy_api.has_own_metaclass(made.type)
        and not stories.has_own_access(made.type)
    )


def _advice(story: str, state: Type, given: Type) -> str:
    wanted, found = get_proper_type(state), get_proper_type(given)
    if not isinstance(wanted, Instance) or wanted.type.is_protocol:
        return "pass what has that type"
    if isinstance(found, CallableType) and found.is_type_obj():
        return "pass an object, not the class"
    return f"pass an object of {story}.State"


RULE: Final = Rule(
    code=CODE,
    title=_TITLE,
    reason=(
        "Its steps read and write what the State declares. Another object fails in the middle of the run, after some "
        "steps have done their work, or takes the writes and loses them. The type of `Story.__call__` cannot say it, "
        "as it is one for all stories."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


@dataclass(frozen=True)
class Checkout(Story):
    I.charge

    class State(StoryState):
        order_id: int

    def charge(self, state: State) -> None: ...


def check_out(order_id: int) -> None:
    Checkout()(order_id)
""",
    good="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


@dataclass(frozen=True)
class Checkout(Story):
    I.charge

    class State(StoryState):
        order_id: int

    def charge(self, state: State) -> None: ...


def check_out(order_id: int) -> None:
    Checkout()(Checkout.State(order_id=order_id))
""",
    checks=(OnSignature((names.STORY,), "__call__", check),),
)
