"""A story ignores the results of its steps; mypy, which sees no call, reports no lost result."""

from __future__ import annotations

from typing import Final

from mypy.nodes import NOT_ABSTRACT, Decorator, FuncDef, OverloadedFuncDef, SymbolNode, TypeInfo
from mypy.types import Instance, NoneType, Type, UninhabitedType, UnionType, get_proper_type

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnClass, Rule
from dddkit_mypy.mypy_api import Options, format_type
from dddkit_mypy.stories.call_type import Result, result_of_calling, result_of_returning
from dddkit_mypy.stories.steps import CheckedStep, checked_steps

CODE: Final = codes.STEP_RETURN


def check(ctx: ClassContext) -> None:
    """Report the steps that are methods and return a value, an awaitable that nothing awaits, or a generator."""
    for step in checked_steps(ctx):
        problem = return_problem(ctx, step)
        if problem is not None:
            ctx.report(f"{ctx.info.name}: I.{step.name} {problem}", step.context, CODE)


def return_problem(ctx: ClassContext, step: CheckedStep, *, role: str = "step") -> str | None:
    """Return what a step or a compensation returns that nobody receives, and what to write; None where all is well."""
    function = _method(step.node)
    if function is None or function.abstract_status != NOT_ABSTRACT:
        return None
    if mypy_api.is_in_stub(function.info, ctx.api):
        return None  # stubs leave out decorators, and may write `async def` as `def`
    return _problem(step, function, ctx.info, ctx.api.options, role)


def _method(node: SymbolNode | None) -> FuncDef | None:
    """Return the function of a method; None for a field, a property, and an alias."""
    if isinstance(node, OverloadedFuncDef):
        node = node.impl or node.items[0]
    if isinstance(node, Decorator):
        node = node.func
    return node if isinstance(node, FuncDef) and not node.is_property else None


def _problem(step: CheckedStep, function: FuncDef, story: TypeInfo, options: Options, role: str) -> str | None:
    is_undecorated = step.node is function
    returned = get_proper_type(step.result)
    if function.is_generator and (is_undecorated or _is_iterable(returned)):
        return "is a generator, so calling it runs nothing of its body; take the yield out"
    if returned is None:
        return None  # it cannot be called, which other rules report
    kind = result_of_returning(returned)
    if kind is Result.COROUTINE:
        if is_undecorated and not function.is_coroutine and result_of_calling(story) is Result.NONE:
            return (
                f"returns {format_type(returned, options)}, but no step makes the story async, so nothing awaits it; "
                f"write async def {step.name}, and await it there"
            )
        value = mypy_api.awaited_type(returned) if isinstance(returned, Instance) else None
        if value is not None and _is_lost(value):
            return (
                f"returns {format_type(value, options)}, which nobody awaits; await it in the {role}, and let the "
                f"{role} return None"
            )
    else:
        value = returned
    if value is None or not _is_value(value):
        return None
    kept = "put it on the state, and " if role == "step" else ""  # after an undoing, nobody reads the state
    return f"returns {format_type(value, options)}, which nobody receives; {kept}let the {role} return None"


def _is_iterable(type_: Type | None) -> bool:
    found = get_proper_type(type_)
    return isinstance(found, Instance) and (
        found.type.has_base("typing.Iterable") or found.type.has_base("typing.AsyncIterable")
    )


def _is_lost(type_: Type) -> bool:
    """Whether what an async step returns is an awaitable, or may be one: the story awaits the step alone."""
    found = get_proper_type(type_)
    if isinstance(found, UnionType):
        return any(map(_is_lost, found.items))
    return result_of_returning(found) is Result.COROUTINE


def _is_value(type_: Type) -> bool:
    """Whether a type is certainly a result: `object`, `Any` and type variables may stand for None."""
    found = get_proper_type(type_)
    if isinstance(found, (NoneType, UninhabitedType)):
        return False
    if isinstance(found, UnionType) and not any(map(_is_value, found.items)):
        return False
    return result_of_returning(found) is Result.NONE


RULE: Final = Rule(
    code=CODE,
    reason=(
        "Steps hand on what they find through the state; what they return is dropped, and so is the work of a "
        "coroutine or a generator that nobody runs. At run time, an awaitable from a step of a sync story is a "
        "`TypeError` in the middle of the run, and a generator is refused when the class is defined. The story awaits "
        "an async step, and not an awaitable that this returns. Steps without annotations, injected callables and "
        "abstract steps are not judged."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


@dataclass(frozen=True)
class Checkout(Story):
    I.add_up

    class State(StoryState):
        prices: list[int]

    def add_up(self, state: State) -> int:
        return sum(state.prices)
""",
    good="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState, variable


@dataclass(frozen=True)
class Checkout(Story):
    I.add_up

    class State(StoryState):
        prices: list[int]
        total: int = variable()

    def add_up(self, state: State) -> None:
        state.total = sum(state.prices)
""",
    checks=(OnClass((names.STORY,), check),),
)
