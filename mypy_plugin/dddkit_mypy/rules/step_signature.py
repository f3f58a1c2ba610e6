"""A story calls each step as `step(state)`, but no call in the source lets mypy check that."""

from __future__ import annotations

import re
from typing import Final

from mypy.nodes import ARG_NAMED, Decorator, FuncDef, SymbolNode, TypeInfo, Var
from mypy.types import FunctionLike, Instance, ProperType, TypeType, get_proper_type

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnClass, Rule
from dddkit_mypy.mypy_api import Options, format_type
from dddkit_mypy.stories.steps import CheckedStep, checked_steps

CODE: Final = codes.STEP_SIGNATURE

# mypy names a call that is not in the source; our own message already names class and step.
_OF_THE_CALL: Final = r' (?:in call to|for) "[^"]*"(?: of "[^"]*")?'


def check(ctx: ClassContext) -> None:
    """Report the steps that a call with one positional argument does not fit."""
    for step in checked_steps(ctx):
        if step.signature_error is not None:
            ctx.report(f"{ctx.info.name}: I.{step.name} {signature_problem(step, ctx)}", step.context, CODE)


def signature_problem(step: CheckedStep, ctx: ClassContext, *, role: str = "step") -> str:
    """Return why a step, or a compensation, cannot be called with the state alone, and what to write."""
    options = ctx.api.options
    assert step.signature_error is not None
    found = get_proper_type(step.type)
    kind = _class_called(found)
    if kind is not None:
        return f"is the class {kind}, where an instance belongs; did you mean {kind}()?"
    if step.signature_error.message.startswith('"None" not callable'):
        return (
            "may be None, which cannot be called; leave None out of its type, and pass a callable that does nothing "
            "where there is nothing to do"
        )
    if step.signature_error.message.endswith("not callable"):
        return (
            f"cannot be called: {step.signature_error.message}; a {role} is a method, or a field that holds a callable"
        )
    function = _as_written(step.node)
    if function is not None:
        written = _problem_of_method(step, function, ctx.info)
        if written is not None:
            return written
    if found is not None and _is_value(step.node, step.signature_error.message):
        return (
            f"is called with the state alone, but is {_described(found, options)}; write a method that calls it with "
            f"what it needs, and {'list that' if role == 'step' else f'let that be the {role}'}"
        )
    said = "no overload of it takes one argument"
    if step.signature_error.code != "call-overload":
        said = re.sub(_OF_THE_CALL, "", step.signature_error.message)
    if said in _NAMELESS and found is not None and isinstance(step.node, Decorator):
        said = f"its decorators make it {format_type(found, options)}"
    return (
        f"cannot be called as {step.name}(state): {said[:1].lower()}{said[1:]}; a {role} takes the state "
        f"and nothing else"
    )


_NAMELESS: Final = ("Too few arguments", "Too many arguments")


def _class_called(type_: ProperType | None) -> str | None:
    """Return the name of a class that stands where one of its objects belongs."""
    if isinstance(type_, FunctionLike) and type_.is_type_obj():
        return mypy_api.source_name(type_.type_object())
    item = type_.item if isinstance(type_, TypeType) else None
    return mypy_api.source_name(item.type) if isinstance(item, Instance) else None


def _is_value(node: SymbolNode | None, error: str) -> bool:
    """Whether a step is the value of a field or a property, whose type says more than the error of mypy."""
    if isinstance(node, Var):
        return not node.is_inferred or error in _NAMELESS
    return isinstance(node, Decorator) and node.func.is_property


def _described(type_: ProperType, options: Options) -> str:
    described = format_type(type_, options)
    if isinstance(type_, Instance):
        symbol = type_.type.get("__call__")
        if symbol is not None and isinstance(symbol.node, FuncDef) and symbol.node.arg_names:
            described = f"{described}, which takes ({', '.join(filter(None, symbol.node.arg_names[1:]))})"
    return described


def _as_written(node: SymbolNode | None) -> FuncDef | None:
    """Return the function of a method whose decorators change no parameter."""
    if isinstance(node, Decorator):
        return None if node.decorators or node.func.is_property else node.func
    return node if isinstance(node, FuncDef) and not node.is_property else None


def _problem_of_method(step: CheckedStep, method: FuncDef, story: TypeInfo) -> str | None:
    """Return what is wrong with the parameters of a method, where it is one of the usual mistakes."""
    assert step.signature_error is not None
    first = [] if method.is_static else ["cls" if method.is_class else "self"]
    right = f"{'async ' if method.is_coroutine else ''}def {step.name}({', '.join([*first, 'state'])})"
    names, kinds = method.arg_names, method.arg_kinds
    if method.is_static:
        if names[:1] == ["self"] and len(names) > 1:
            return f"is a @staticmethod, which gets no self; take the decorator away, or write {right}"
    elif step.signature_error.code == "self" or (len(names) < 2 and names[:1] != first):
        advice = "" if method.is_class else ", or make it a @staticmethod"
        return f"takes no {first[0]}; write {right}{advice}"
    rest = kinds[len(first) :]
    if not rest:
        return f"takes no state; write {right}"
    required = [kind for kind in rest if kind.is_required()]
    if required == [ARG_NAMED] and not any(kind.is_positional(star=True) for kind in rest):
        return f"takes the state by keyword only; write {right}"
    others = [name or "" for name, kind in zip(names, kinds, strict=True) if kind.is_required()][len(first) + 1 :]
    sources = [_source_of(name, step, story, first == ["self"]) for name in others]
    if others and all(sources):
        return f"takes {' and '.join(others)} besides the state; write {right}, and read {' and '.join(sources)}"
    return None


def _source_of(name: str, step: CheckedStep, story: TypeInfo, has_self: bool) -> str:
    """Return the field that has the name of a parameter, as a step reads it; nothing where there is none."""
    symbol = story.get(name) if has_self else None
    if symbol is not None and isinstance(symbol.node, Var):
        return f"self.{name}"
    state = get_proper_type(step.state)
    symbol = state.type.get(name) if isinstance(state, Instance) else None
    return f"state.{name}" if symbol is not None and isinstance(symbol.node, Var) else ""


RULE: Final = Rule(
    code=CODE,
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
