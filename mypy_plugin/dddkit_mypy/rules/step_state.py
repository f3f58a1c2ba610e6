"""A step's parameter and the story's State are declared apart; only a call would compare them."""

from __future__ import annotations

import re
from typing import Final

from mypy.nodes import Decorator, FuncDef, OverloadedFuncDef, TypeInfo
from mypy.types import Instance, Type, TypedDictType, get_proper_type

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnClass, Rule
from dddkit_mypy.mypy_api import CallError, format_type, format_type_distinctly
from dddkit_mypy.stories.acceptance import accepted_by_steps, parameter_of
from dddkit_mypy.stories.declaration import has_our_call, is_story
from dddkit_mypy.stories.state import declares_state, state_of
from dddkit_mypy.stories.steps import CheckedStep, checked_steps

CODE: Final = codes.STEP_STATE


def check(ctx: ClassContext) -> None:
    """Report the steps whose parameter is neither the State, nor a supertype of it, nor a protocol it satisfies."""
    if ctx.checker is None:
        return
    for step in checked_steps(ctx):
        problem = state_problem(ctx, ctx.checker, step)
        if problem is not None:
            ctx.report(f"{ctx.info.name}: I.{step.name} {problem}", step.context, CODE)


def state_problem(ctx: ClassContext, checker: mypy_api.TypeChecker, step: CheckedStep) -> str | None:
    """Return why a step, or a compensation, does not accept the State, and what to write; None where it does."""
    if step.state is None or step.signature_error is not None:
        return None
    inner = _state_of_nested(step.type)
    if inner is not None:
        return None if mypy_api.is_subtype(step.state, inner) else _of_nested(ctx, step, step.state, inner)
    if step.state_error is None:
        return _of_nested_step(ctx, checker, step, step.state)
    return _of_step(ctx, checker, step, step.state, step.state_error)


def _state_of_nested(step: Type | None) -> Type | None:
    """Return the State of a step that is a story itself."""
    nested = get_proper_type(step)
    if isinstance(nested, Instance) and is_story(nested.type):
        return state_of(nested)
    return None


def _of_nested(ctx: ClassContext, step: CheckedStep, state: Type, inner: Type) -> str:
    options = ctx.api.options
    expected, given = _named_here(ctx, *format_type_distinctly(inner, state, options=options))
    problem = f"is a story whose State is {expected}, but the State of {ctx.info.name} is {given}"
    return _with_advice(ctx, step, problem, inner, state, "an object of its State")


def _with_advice(ctx: ClassContext, step: CheckedStep, problem: str, wanted: Type, state: Type, what: str) -> str:
    fault = mypy_api.misfit(state, wanted, ctx.api.options)
    if fault is not None:
        return f"{problem}, {fault.clause}; {fault.advice}"
    nested = get_proper_type(step.type)
    base, own = _class_of(wanted), _class_of(state)
    is_above = own is not None and not mypy_api.is_ours(own) and mypy_api.is_subtype(wanted, state)
    if base is None or base.is_final or is_above or not isinstance(nested, Instance):
        return f"{problem}; write a step that calls it with {what}"
    name = _name_of_state(nested.type, base)
    symbol = ctx.info.names.get("State")
    if symbol is not None and symbol.node is own:
        return f'{problem}; write "class State({name})" in {ctx.info.name}'
    return f"{problem}; derive the State of {ctx.info.name} from {name}"


def _named_here(ctx: ClassContext, expected: str, given: str) -> tuple[str, str]:
    """Return two types without the module, where mypy names it in both and it is the one being checked."""
    module = re.compile(rf"(?<![\w.]){re.escape(ctx.info.module_name)}\.")
    if module.search(expected) and module.search(given):
        return module.sub("", expected), module.sub("", given)
    return expected, given


def _of_nested_step(ctx: ClassContext, checker: mypy_api.TypeChecker, step: CheckedStep, state: Type) -> str | None:
    """Return what is wrong with a nested story that has no State: one of its own steps does not accept this one."""
    nested = get_proper_type(step.type)
    if (
        not isinstance(nested, Instance)
        or not is_story(nested.type)
        or not has_our_call(nested.type)
        or declares_state(nested.type)
    ):
        return None
    accepted = accepted_by_steps(checker, nested, mypy_api.value_of(state, step.context))
    if accepted.refused is None:
        return None
    inner = f"is a story whose I.{accepted.refused.step}"
    if accepted.wanted is None:
        given = format_type(state, ctx.api.options)
        return f"{inner} does not accept the State of {ctx.info.name}, {given}: {accepted.refused.error}"
    expected, given = format_type_distinctly(accepted.wanted, state, options=ctx.api.options)
    problem = f"{inner} takes {expected}, but the State of {ctx.info.name} is {given}"
    return _with_advice(ctx, step, problem, accepted.wanted, state, "what it takes")


def _class_of(state: Type) -> TypeInfo | None:
    """Return the class of a State that another State may derive from; None where that is no class of the user."""
    found = get_proper_type(state)
    if isinstance(found, TypedDictType):
        return found.fallback.type
    if isinstance(found, Instance) and found.type.module_name != "builtins":
        return found.type
    return None


def _name_of_state(story: TypeInfo, state: TypeInfo) -> str:
    """Return how the source names the class of a story's State."""
    symbol = story.get("State")
    nested = symbol is not None and symbol.node is state
    return f"{mypy_api.source_name(story)}.State" if nested else mypy_api.source_name(state)


def _of_step(ctx: ClassContext, checker: mypy_api.TypeChecker, step: CheckedStep, state: Type, error: CallError) -> str:
    options = checker.options
    called = get_proper_type(step.type)
    is_method = isinstance(step.node, (FuncDef, Decorator, OverloadedFuncDef))
    if isinstance(called, Instance):  # an object with a `__call__`
        called = get_proper_type(mypy_api.type_of_attribute(checker, called, "__call__", step.context))
    wanted = parameter_of(called)
    if wanted is None:
        problem = f"does not accept the State of {ctx.info.name}, {format_type(state, options)}"
        return f"{problem}: {error.message.splitlines()[0]}"
    expected, given = _named_here(ctx, *format_type_distinctly(wanted, state, options=options))
    if not is_method:
        problem = f"is called with the state alone, but takes {expected}, and the State of {ctx.info.name} is {given}"
        return f"{problem}; write a method that calls it with what it needs, and list that"
    problem = f"takes {expected}, but the State of {ctx.info.name} is {given}"
    class_ = get_proper_type(wanted)
    if isinstance(class_, Instance) and class_.type.fullname == "typing.Hashable":
        return f"takes {expected}, as a cache does, but the State is mutable; cache what the step calls, not the step"
    fault = mypy_api.misfit(state, wanted, options)
    if fault is not None:
        return f"{problem}, {fault.clause}; {fault.advice}"
    return f"{problem}; let it take the State, or a supertype of it"


RULE: Final = Rule(
    code=CODE,
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
