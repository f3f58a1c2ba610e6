"""A compensation is declared beside its step; only the whole class shows whether it can ever run."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from mypy.nodes import Context, Decorator, FuncDef, MemberExpr, OverloadedFuncDef, RefExpr, TypeInfo, Var

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnClass, Rule
from dddkit_mypy.rules.step_return import return_problem
from dddkit_mypy.rules.step_signature import signature_problem
from dddkit_mypy.rules.step_state import state_problem
from dddkit_mypy.stories.compensations import (
    Compensation,
    Mark,
    compensations_of,
    declared_by,
    is_compensates,
    is_hidden,
    marks_in,
    methods_of,
    step_of,
)
from dddkit_mypy.stories.declaration import Steps, is_step_list, is_story, may_have, read_body, steps_of
from dddkit_mypy.stories.steps import checked_compensations, place_of

CODE: Final = codes.COMPENSATION


def check(ctx: ClassContext) -> None:
    """Report the compensations of a story that could never run, or whose work is lost."""
    if ctx.checker is None or ctx.tree.is_stub or not methods_of(ctx.info):
        return
    marks = {mark.method: mark for mark in marks_in(ctx.info)}
    _check_doubles(ctx, marks, _check_marks(ctx, marks))
    _check_calls(ctx, ctx.checker)


# --- the names of steps -----------------------------------------------------------------------------------------


def _check_marks(ctx: ClassContext, marks: dict[str, Mark]) -> set[str]:
    """Report what the body of the class itself says wrong: the place of a decorator, and the step.

    Return the methods that are reported.
    """
    wrong: set[str] = set()
    for mark in marks.values():
        problem: str | None
        place: Context = mark.call
        if sum(map(is_compensates, mark.node.original_decorators)) > 1:
            problem = f"{mark.method} compensates more than one step; write a method for each"
        elif is_hidden(mark, ctx.info):
            problem = _HIDDEN.format(mark.method)
        else:
            problem, place = _problem_of_step(mark, ctx.info), mark.given or mark.call
        if problem is not None:
            wrong.add(mark.method)
            ctx.report(f"{ctx.info.name}: {problem}", place, CODE)
    return wrong


_HIDDEN: Final = "@compensates stands below another decorator of {}, which hides it; write it above all others"


def _problem_of_step(mark: Mark, info: TypeInfo) -> str | None:
    """Return why a method undoes no step of its class; None also where that cannot be known."""
    steps, given = steps_of(info), mark.given
    if steps is None or steps.dynamic or info.fallback_to_any:
        return None
    name = step_of(mark, info)
    if name is None:
        return _problem_of_other(mark, info, steps)
    if name in steps.names:
        if isinstance(given, MemberExpr) and is_step_list(given.expr) and steps.names.count(name) > 1:
            return f'{mark.method} compensates I.{name}, which the line lists once more; write @compensates("{name}")'
        return None
    if _lists_in_vain(info, steps):
        return None  # another rule reports it, and it may mean this step
    if name in methods_of(info):
        return f"{mark.method} compensates {name}, which is a compensation itself, and no step; it cannot be undone"
    if isinstance(given, RefExpr) and isinstance(given.node, Var) and given.node.final_value is None:
        return None  # another name in the class may have the same value
    return f"{mark.method} compensates I.{name}, which is no step{_hint(name, info, steps)}"


def _lists_in_vain(info: TypeInfo, steps: Steps) -> bool:
    """Whether there is an `I.name` that lists nothing, as far as the class itself shows."""
    body = read_body(info.defn)
    return (
        bool(body.comprehended)
        or any(node.name.startswith("_") for node in body.listed)
        or not all(may_have(info, name) for name in steps.names)
    )


def _problem_of_other(mark: Mark, info: TypeInfo, steps: Steps) -> str | None:
    """Return the message about a function that is no method of the class, and of which no step can be another name."""
    given = mark.given
    function = given.node if isinstance(given, RefExpr) else None
    if not isinstance(function, FuncDef):
        return None
    for step in steps.names:
        symbol = info.get(step)
        if symbol is None or not isinstance(symbol.node, (FuncDef, Decorator, OverloadedFuncDef)):
            return None
    return f"{mark.method} compensates {function.name}, which is no step{_hint(function.name, info, steps)}"


def _hint(name: str, info: TypeInfo, steps: Steps) -> str:
    listed = list(dict.fromkeys(steps.names))
    near = get_close_matches(name, listed, n=1)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; list it as I.{name}" if name in info.names else f"; {info.name} lists {', '.join(listed)}"


def _check_doubles(ctx: ClassContext, marks: dict[str, Mark], wrong: set[str]) -> None:
    """Report two compensations of one step, in the class itself or in one of its mixins; and hidden ones in a mixin."""
    for base in _judged_here(ctx.info):
        known: dict[str, str] = {}
        for one in declared_by(base):
            if one.is_hidden and base is not ctx.info:
                ctx.report(f"{ctx.info.name}: {_HIDDEN.format(one.method)}", ctx.info.defn, CODE)
            if one.step is None or one.is_hidden or (base is ctx.info and one.method in wrong):
                continue
            first = known.setdefault(one.step, one.method)
            if first != one.method:
                ctx.report(
                    f"{ctx.info.name}: {one.method} compensates I.{one.step}, which {first} compensates already; "
                    f"keep one of them",
                    marks[one.method].call if base is ctx.info else ctx.info.defn,
                    CODE,
                )


def _judged_here(info: TypeInfo) -> Iterator[TypeInfo]:
    """Yield the class, and its mixins that are no stories, but those that a story among its bases has already."""
    yield info
    known = {base for story in info.bases if is_story(story.type) for base in story.type.mro}
    for base in info.mro[1:]:
        if base not in known and not is_story(base):
            yield base


# --- their calls ------------------------------------------------------------------------------------------------


def _check_calls(ctx: ClassContext, checker: mypy_api.TypeChecker) -> None:
    """Report compensations that are steps as well, that cannot be called with the state, or whose result is lost.

    What is wrong with an inherited one is reported at the base, but what a new State makes wrong.
    """
    info, steps = ctx.info, steps_of(ctx.info)
    places: dict[str, Context] = {}
    undoes: dict[str, str] = {}
    inherited: set[str] = set()
    for step, one in compensations_of(info).items():
        method, base = one.method, _base_with(info, one)
        place = info.defn if base is None and method not in info.names else place_of(info, method)
        if steps is not None and method in steps.names:
            if base is None or method not in _listed_by(base):
                ctx.report(
                    f"{info.name}: {method} compensates I.{step}, and is listed as a step itself; "
                    f"take the line I.{method} out",
                    _listing(info, steps, method) or place,
                    CODE,
                )
        elif base is None or not _is_same(info, base, "State"):
            places[method], undoes[method] = place, step
            if base is not None:
                inherited.add(method)
    for found in checked_compensations(ctx, places):
        problem = state_problem(ctx, checker, found)
        if found.name not in inherited:
            if found.signature_error is not None:
                problem = signature_problem(found, ctx, role="compensation")
            problem = problem or return_problem(ctx, found, role="compensation")
        if problem is not None:
            what = f"{found.name}, which compensates I.{undoes[found.name]},"
            ctx.report(f"{info.name}: {what} {problem}", found.context, CODE)


def _base_with(info: TypeInfo, one: Compensation) -> TypeInfo | None:
    """Return a base, a story, that has the same compensation, with the same method."""
    for base in (base.type for base in info.bases if is_story(base.type)):
        if compensations_of(base).get(one.step or "") == one and _is_same(info, base, one.method):
            return base
    return None


def _is_same(info: TypeInfo, base: TypeInfo, name: str) -> bool:
    mine, theirs = info.get(name), base.get(name)
    return (mine and mine.node) is (theirs and theirs.node)


def _listed_by(info: TypeInfo) -> list[str]:
    steps = steps_of(info)
    return [] if steps is None else steps.names


def _listing(info: TypeInfo, steps: Steps, name: str) -> Context | None:
    """Return the `I.name` in the body of the class itself."""
    if steps.owner is not info:
        return None
    return next((node for node in read_body(info.defn).listed if node.name == name), None)


RULE: Final = Rule(
    code=CODE,
    reason=(
        "A compensation runs when something has gone wrong already; that is a bad moment to find out that it undoes "
        "nothing. The runtime rejects most of these when the class is defined, but neither a parameter of another "
        "type, nor a result that nobody receives. What a mixin declares is checked at the stories that derive from "
        "it. A step that is named by something that only the run can compute is not judged, and neither are the "
        "steps of a story that lists them dynamically."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState, compensates


@dataclass(frozen=True)
class Checkout(Story):
    I.charge
    I.ship

    class State(StoryState):
        order_id: int

    def charge(self, state: State) -> None: ...

    @compensates("chrge")
    def refund(self, state: State) -> None: ...

    def ship(self, state: State) -> None: ...
""",
    good="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState, compensates


@dataclass(frozen=True)
class Checkout(Story):
    I.charge
    I.ship

    class State(StoryState):
        order_id: int

    def charge(self, state: State) -> None: ...

    @compensates(charge)
    def refund(self, state: State) -> None: ...

    def ship(self, state: State) -> None: ...
""",
    checks=(OnClass((names.STORY,), check),),
)
