"""The type of a story accepts any argument; its State says which one is right."""

from __future__ import annotations

import re
from typing import Final

from mypy.nodes import ARG_POS, CallExpr, Expression, RefExpr, TypeInfo
from mypy.plugin import MethodSigContext
from mypy.types import (
    CallableType,
    FunctionLike,
    Instance,
    NoneType,
    ProperType,
    TupleType,
    Type,
    UnionType,
    get_proper_type,
)

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import OnSignature, Rule
from dddkit_mypy.stories.acceptance import accepted_by_steps
from dddkit_mypy.stories.compensations import name_in_message
from dddkit_mypy.stories.declaration import has_our_call
from dddkit_mypy.stories.state import declares_state, has_own_access, state_of

CODE: Final = codes.STORY_STATE


def check(ctx: MethodSigContext) -> FunctionLike:
    """Report an argument that is not the State; give mypy the State as the type context of one that is."""
    signature, call, story = ctx.default_signature, ctx.context, ctx.type
    if isinstance(call, CallExpr) and isinstance(story, Instance) and call.arg_kinds and ARG_POS not in call.arg_kinds:
        _check_keywords(mypy_api.checker_of(ctx.api), story.type, call)
    if not isinstance(call, CallExpr) or call.arg_kinds != [ARG_POS] or len(ctx.args) != 1 or len(ctx.args[0]) != 1:
        return signature
    if not isinstance(story, Instance) or not has_our_call(story.type) or len(signature.arg_types) != 1:
        return signature
    checker, argument = mypy_api.checker_of(ctx.api), ctx.args[0][0]
    mypy_api.dependencies_of(checker).add_member(story.type, "State")
    if mypy_api.has_uninhabited_component(story):  # a generic class without arguments, of which mypy knows nothing
        return signature
    state = state_of(story)
    if state is None:
        if declares_state(story.type):
            return signature
        return _checked_against_steps(checker, story, call, argument, signature)
    if _constructs(argument, state):
        return signature
    given = mypy_api.type_in_context(checker, argument, state)
    if mypy_api.is_subtype(given, state):
        return mypy_api.with_argument_type(signature, state)
    if _is_for_another(checker, call, given, state):
        return signature
    name = story.type.name
    expected, found = _names_of(state, given, checker, story)
    given_text = f"{found}{_misfit(given, state, checker.options)}"
    message = f"{name} is called with {given_text}, but its State is {expected}; {_advice(name, state, given)}"
    checker.fail(message, argument, code=CODE)
    return signature


def _check_keywords(checker: mypy_api.TypeChecker, story: TypeInfo, call: CallExpr) -> None:
    """Report the fields of a State that are given to the story; mypy only says that it takes no such keyword."""
    state = get_proper_type(state_of(mypy_api.self_type(story)))
    fields = [name for name in call.arg_names if name is not None]
    if not isinstance(state, Instance) or len(fields) != len(call.args) or not has_our_call(story):
        return
    mypy_api.dependencies_of(checker).add_member(story, "State")
    if all(state.type.get(name) is not None for name in fields):
        given = ", ".join(f"{name}=..." for name in fields)
        message = f"{story.name} is called with the fields of its State; pass one object, {story.name}.State({given})"
        checker.fail(message, call.args[0], code=CODE)


def _checked_against_steps(
    checker: mypy_api.TypeChecker, story: Instance, call: CallExpr, argument: Expression, signature: CallableType
) -> FunctionLike:
    """Like `check`, of a story that has no State: what its steps accept takes the place of one."""
    accepted = accepted_by_steps(checker, story, argument)
    refused = accepted.refused
    if refused is None:
        return signature if accepted.wanted is None else mypy_api.with_argument_type(signature, accepted.wanted)
    if _is_for_another(checker, call, accepted.given, accepted.wanted):
        return signature
    if accepted.wanted is not None:
        wanted, found = _names_of(accepted.wanted, accepted.given, checker, story)
        found = f"{found}{_misfit(accepted.given, accepted.wanted, checker.options)}"
        problem = f"takes {wanted}; pass an object of that type"
    else:
        found = mypy_api.format_type(accepted.given, checker.options)
        problem = f"does not accept it: {refused.error}"
    message = f"{story.type.name} is called with {found}, but {name_in_message(story.type, refused.step)} {problem}"
    checker.fail(message, argument, code=CODE)
    return signature


def _names_of(wanted: Type, given: Type, checker: mypy_api.TypeChecker, story: Instance) -> tuple[str, str]:
    """Return what messages call two types, without the name of the story's module where that tells them apart."""
    full, other = mypy_api.format_type_distinctly(wanted, given, options=checker.options)
    dropped = rf"(?<![\w.]){re.escape(story.type.module_name)}\.|@\d+"
    short, other_short = re.sub(dropped, "", full), re.sub(dropped, "", other)
    return (short, other_short) if short != other_short else (full, other)


def _misfit(given: Type, protocol: Type, options: mypy_api.Options) -> str:
    fault = mypy_api.misfit(given, protocol, options)
    return "" if fault is None else f", {fault.clause}"


def _is_for_another(checker: mypy_api.TypeChecker, call: CallExpr, given: Type, wanted: Type | None) -> bool:
    """Whether each member of the argument's union is accepted by some member of a union of stories.

    They may belong together: in `for story in (A(), B()): story(story.State())` they do. Where one State derives from
    the other, mypy knows their union as the one above.
    """
    found = get_proper_type(given)
    if isinstance(found, UnionType):
        members = found.items
    elif wanted is not None and mypy_api.is_subtype(wanted, given):
        members = [given]
    else:
        return False
    stories = mypy_api.members_of_callee(checker, call)
    return bool(stories) and all(any(_may_accept(story, member) for story in stories) for member in members)


def _may_accept(callee: ProperType, argument: Type) -> bool:
    if isinstance(callee, NoneType):
        return False
    if not isinstance(callee, Instance) or not has_our_call(callee.type):
        return True
    state = state_of(callee)
    return state is None or mypy_api.is_subtype(argument, state)


def _constructs(argument: Expression, state: Type) -> bool:
    """Whether an argument is a call of the State's class: mypy need not check the arguments of that call twice."""
    class_ = get_proper_type(state)
    return (
        isinstance(argument, CallExpr)
        and argument.analyzed is None
        and isinstance(argument.callee, RefExpr)
        and isinstance(class_, Instance)
        and argument.callee.node is class_.type
        and not class_.args
        and (class_.type.has_base(names.STORY_STATE) or class_.type.has_base(names.SIMPLE_NAMESPACE))
        and not mypy_api.has_own_metaclass(class_.type)
        and not has_own_access(class_.type)
    )


def _advice(story: str, state: Type, given: Type) -> str:
    wanted, found = get_proper_type(state), get_proper_type(given)
    if isinstance(wanted, TupleType):
        wanted = wanted.partial_fallback
    if not isinstance(wanted, Instance) or wanted.type.is_protocol:
        return "pass what has that type"
    if isinstance(found, CallableType) and found.is_type_obj():
        return "pass an object, not the class"
    return f"pass an object of {story}.State"


RULE: Final = Rule(
    code=CODE,
    reason=(
        "Its steps read and write what the State declares. Another object fails in the middle of the run, after some "
        "steps have done their work, or takes the writes and loses them. The type of `Story.__call__` cannot say it, "
        "as it is one for all stories. Where a story has no State, each step says what it accepts."
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
