"""Simple stories: most are, and no rule can report anything about them.

A simple story is read in one pass, its `I.name`s are resolved before mypy checks them, and the plugin calls no rule for
it. This saves 6 % of a cold run over 1,000 simple stories. A story that misses a condition here goes the general way,
with the same result (a test compares the two): each condition may be stricter than any rule needs, and none may be
laxer.
"""

from __future__ import annotations

from typing import Any, Final

from mypy.nodes import (
    GDEF,
    AssignmentStmt,
    ClassDef,
    Decorator,
    ExpressionStmt,
    FuncDef,
    MemberExpr,
    NameExpr,
    PassStmt,
    StrExpr,
    TypeInfo,
    Var,
)
from mypy.types import AnyType, CallableType, Instance, NoneType, TypeOfAny, get_proper_type

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._record import Record
from dddkit_mypy.stories.assignments import assigned_on_self
from dddkit_mypy.stories.compensations import is_compensates, read_compensations
from dddkit_mypy.stories.declaration import uses_of_step_list
from dddkit_mypy.stories.fields import is_bare, is_made
from dddkit_mypy.stories.state import declares_variable


class SimpleStory(Record):
    """A story whose steps are all simple."""

    state: TypeInfo
    has_simple_state: bool
    """Whether no rule can report anything about its State either."""
    listed: list[MemberExpr]
    """Each `I.name` in its body."""
    steps: list[str]
    compensations: list[list[Any]]
    """What its body declares, for its metadata."""
    function: Instance
    """The type of functions."""
    is_async: bool


def read_simple_story(info: TypeInfo) -> SimpleStory | None:
    """Read the body of a story that mypy has analysed; None where the story is not simple.

    A simple story derives from Story alone. Its steps are methods of its own that take exactly its own State and return
    nothing, each listed once, and no other public method takes the State but compensations, one for a step, that are as
    simple.
    """
    if len(info.bases) != 1 or info.mro[1].fullname != names.STORY or "__call__" in info.names:
        return None
    symbol = info.names.get("State")
    state = None if symbol is None else symbol.node
    if not isinstance(state, TypeInfo):
        return None
    # These do not equal the types of a generic class, which have type arguments.
    taken = [Instance(info, []), Instance(state, [])]
    listed: list[MemberExpr] = []
    methods: set[str] = set()
    others: set[str] = set()
    imported: Var | None = None
    function: Instance | None = None
    is_async = False
    marked = 0
    may_assign = mypy_api.declares_assignable(info)
    for statement in info.defn.defs.body:
        if isinstance(statement, ExpressionStmt):
            expr = statement.expr
            if isinstance(expr, MemberExpr):
                the_list = expr.expr
                if not isinstance(the_list, NameExpr):
                    return None
                if the_list.node is not imported or imported is None:
                    imported = _imported_list(the_list)
                    if imported is None:
                        return None
                listed.append(expr)
            elif not isinstance(expr, StrExpr):
                return None
        elif isinstance(statement, FuncDef):
            type_ = statement.type
            if not isinstance(type_, CallableType) or type_.arg_kinds != mypy_api.SELF_AND_ONE:
                if any(True for _ in uses_of_step_list(statement, False)):
                    return None
            elif (name := statement.name)[0] != "_":
                if type_.arg_types != taken or name in methods:
                    return None
                if not isinstance(get_proper_type(type_.ret_type), NoneType) or statement.is_generator:
                    if not mypy_api.returns_nothing(statement):
                        return None
                    is_async = True
                if may_assign and assigned_on_self(statement):
                    return None
                methods.add(name)
                function = type_.fallback
        elif isinstance(statement, ClassDef):
            others.add(statement.name)
        elif isinstance(statement, Decorator):
            others.add(statement.name)
            if len(statement.original_decorators) == 1 and is_compensates(statement.original_decorators[0]):
                method = statement.func
                if not isinstance(method.type, CallableType) or method.type.arg_types != taken:
                    return None
                if method.type.arg_kinds != mypy_api.SELF_AND_ONE or not mypy_api.returns_nothing(method):
                    return None
                if may_assign and assigned_on_self(method):
                    return None
                if any(True for _ in uses_of_step_list(statement, False)):
                    return None
                marked += 1
                is_async |= method.is_coroutine
            elif not statement.func.is_property or any(True for _ in uses_of_step_list(statement, False)):
                return None
        elif isinstance(statement, AssignmentStmt):
            others.update([target.name for target in statement.lvalues if isinstance(target, NameExpr)])
            if any(True for _ in uses_of_step_list(statement, False)) or (is_bare(statement) and not is_made(info)):
                return None
        elif not isinstance(statement, PassStmt):
            return None
    steps = [expr.name for expr in listed]
    if (
        function is None
        or len(steps) != len(methods)
        or methods.symmetric_difference(steps)
        or not others.isdisjoint(steps)
    ):
        return None
    compensations = read_compensations(info) if marked else []
    if len(compensations) != marked or len({step for step, *_ in compensations}.intersection(steps)) != marked:
        return None
    return SimpleStory(state, _is_simple_state(state), listed, steps, compensations, function, is_async)


def _imported_list(expr: NameExpr) -> Var | None:
    """Return the imported `I`; None for any other expression."""
    node = expr.node
    return node if isinstance(node, Var) and expr.name == "I" and node.fullname == names.IMPORTED_I else None


def _is_simple_state(state: TypeInfo) -> bool:
    """Whether a State derives from StoryState alone and declares no variables."""
    return (
        len(state.bases) == 1
        and state.mro[1].fullname == names.STORY_STATE
        and not any(map(declares_variable, state.defn.defs.body))
    )


def resolve_listings(story: TypeInfo, listed: list[MemberExpr]) -> None:
    """Resolve each `I.name` in the body of a story that lists a step of it: no rule reports these."""
    imported: Var | None = None
    for expr in listed:
        the_list = expr.expr
        if isinstance(the_list, NameExpr):
            if imported is None or the_list.node is not imported:
                imported = _imported_list(the_list)
            if imported is not None and expr.name[0] != "_" and story.get(expr.name) is not None:
                _resolve(expr)


def resolve(listed: list[MemberExpr]) -> None:
    """Resolve each `I.name` in the body of a simple story."""
    for expr in listed:
        _resolve(expr)


def _resolve(expr: MemberExpr) -> None:
    """Tell the checker what an `I.name` that lists a step is, as if it were a name in a module.

    The checker finds the same by itself, through the type of `I`, a check of the call of `__getattr__` and our hook.
    This saves 3 % of a cold run over 1,000 simple stories.
    """
    expr.kind = GDEF
    expr.node = _STEP


_STEP: Final = Var("step", AnyType(TypeOfAny.explicit))  # the declared result of `__getattr__` of `I`
