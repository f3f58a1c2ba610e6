"""The plain story, as most are: read in one pass, its `I.name`s resolved before mypy checks them.

mypy is compiled and we are not: what we do for a class costs as much as dozens of its lines cost mypy. So a story with
whose steps nothing can be wrong is told from the others as soon as possible, and no rule is asked about its steps.
Where a condition here is not met, all goes the general way, with the same result (a test compares the two): so each may
be stricter than any rule needs, and none may be laxer.
"""

from __future__ import annotations

from typing import Final, NamedTuple

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

from dddkit_mypy import _mypy_api as mypy_api
from dddkit_mypy import _names as names
from dddkit_mypy._noted import declares_variable
from dddkit_mypy._stories import class_scope


class PlainStory(NamedTuple):
    """A story with whose steps nothing can be wrong."""

    state: TypeInfo
    has_plain_state: bool
    """Whether nothing can be wrong with its State either."""
    listed: list[MemberExpr]
    """Each `I.name` in its body."""
    steps: list[str]
    function: Instance
    """The class of functions."""
    is_async: bool


def read_plain(info: TypeInfo) -> PlainStory | None:
    """Read the body of a story that has been analysed; None where anything is out of the ordinary.

    It derives from Story alone. Its steps are methods of its own that take exactly its own State and give nothing, each
    listed once, and no other public method takes the State.
    """
    if len(info.bases) != 1 or info.mro[1].fullname != names.STORY or "__call__" in info.names:
        return None
    symbol = info.names.get("State")
    state = None if symbol is None else symbol.node
    if not isinstance(state, TypeInfo):
        return None
    # Unlike generic ones: an object of these has no type arguments.
    taken = [Instance(info, []), Instance(state, [])]
    listed: list[MemberExpr] = []
    methods: set[str] = set()
    others: set[str] = set()
    imported: Var | None = None
    function: Instance | None = None
    is_async = False
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
                if any(True for _ in class_scope(statement, False)):
                    return None
            elif (name := statement.name)[0] != "_":
                if type_.arg_types != taken or name in methods:
                    return None
                if not isinstance(get_proper_type(type_.ret_type), NoneType) or statement.is_generator:
                    if not mypy_api.gives_nothing(statement):
                        return None
                    is_async = True
                methods.add(name)
                function = type_.fallback
        elif isinstance(statement, ClassDef):
            others.add(statement.name)
        elif isinstance(statement, Decorator):
            others.add(statement.name)
            if not statement.func.is_property or any(True for _ in class_scope(statement, False)):
                return None
        elif isinstance(statement, AssignmentStmt):
            others.update([target.name for target in statement.lvalues if isinstance(target, NameExpr)])
            if any(True for _ in class_scope(statement, False)):
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
    return PlainStory(state, _is_plain_state(state), listed, steps, function, is_async)


def _imported_list(expr: NameExpr) -> Var | None:
    """The `I` that is imported; None for any other."""
    node = expr.node
    return node if isinstance(node, Var) and expr.name == "I" and node.fullname == names.IMPORTED_I else None


def _is_plain_state(state: TypeInfo) -> bool:
    """Whether a State is a StoryState without variables, and is made of nothing else."""
    return (
        len(state.bases) == 1
        and state.mro[1].fullname == names.STORY_STATE
        and not any([declares_variable(statement) for statement in state.defn.defs.body])  # noqa: C419  # faster
    )


def resolve(listed: list[MemberExpr]) -> None:
    """Tell the checker what each `I.name` of a plain story is, as if it were the name in a module.

    It finds the same by itself, at ten times the cost: the type of `I`, its `__getattr__`, a check of that call, and
    the hook that asks us. This takes back more than the plugin spends on a plain story.
    """
    for expr in listed:
        expr.kind = GDEF
        expr.node = _STEP


_STEP: Final = Var("step", AnyType(TypeOfAny.explicit))  # what `__getattr__` of `I` is declared to return
