"""mypy accepts any name on a SimpleNamespace, so it reports no misspelt attribute of such a State."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from mypy.nodes import (
    AssignmentStmt,
    CallExpr,
    Expression,
    ForStmt,
    MemberExpr,
    Node,
    RefExpr,
    StrExpr,
    TypeInfo,
    WithStmt,
)
from mypy.plugin import AttributeContext
from mypy.types import Instance, Type, TypeVarType, UnionType, get_proper_type

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import OnAttribute, Rule, new_code
from dddkit_mypy.stories.namespaces import story_of_namespace
from dddkit_mypy.stories.state import has_own_access

_TITLE: Final = "Every attribute of a SimpleNamespace State is declared"
CODE: Final = new_code("dddkit-undeclared-state", _TITLE)


def check(ctx: AttributeContext, name: str) -> None:
    """Report a name that the State of a story does not declare, where it is read or assigned."""
    node = ctx.context
    if not isinstance(node, MemberExpr) or node.name != name or (name.startswith("__") and name.endswith("__")):
        return  # mypy is comparing the class with a protocol
    checker = mypy_api.checker_of(ctx.api)
    undeclaring = [info for info in _namespaces(ctx.type) if info.get(name) is None]
    if not undeclaring or not any(info in undeclaring for info in _namespaces(checker.lookup_type_or_none(node.expr))):
        return
    visible = mypy_api.visible_modules(checker)
    dependencies = mypy_api.dependencies_of(checker)
    for info in undeclaring:
        story = story_of_namespace(info, visible, dependencies)
        if story is None or info.fallback_to_any or has_own_access(info):
            continue
        if name.startswith("_") and mypy_api.comes_from_stub(info, checker):
            continue  # stubs leave out private names
        assigned = list[Expression]()
        if _checks_for(name, mypy_api.walk(mypy_api.outermost_function(checker)), assigned):
            return
        near = get_close_matches(name, _names_of(info), n=1)
        advice = f'did you mean "{near[0]}"?' if near else f'add "{name}: <its type>" to its body'
        # mypy filters errors while it looks up the old type of what is assigned.
        is_filtered = any(node is target for target in assigned)
        mypy_api.fail_at(checker, f'{_state_name(info, story)} declares no "{name}"; {advice}', node, CODE, is_filtered)
        return


def _namespaces(type_: Type | None) -> Iterator[TypeInfo]:
    """Yield the classes of namespaces that a type is made of."""
    found = get_proper_type(type_)
    if isinstance(found, TypeVarType):
        found = get_proper_type(found.upper_bound)
    if isinstance(found, UnionType):
        for item in found.items:
            yield from _namespaces(item)
    elif isinstance(found, Instance) and any(base.fullname == names.SIMPLE_NAMESPACE for base in found.type.mro[1:]):
        yield found.type


def _checks_for(name: str, nodes: Iterator[Node], assigned: list[Expression]) -> bool:
    """Whether some node calls `hasattr`, `getattr` or the like with the name; add what the nodes before it assign."""
    for node in nodes:
        if isinstance(node, CallExpr):
            if (
                isinstance(node.callee, RefExpr)
                and node.callee.fullname in names.ATTRIBUTE_FUNCTIONS
                and len(node.args) > 1
            ):
                attribute = node.args[1]
                if not isinstance(attribute, StrExpr) or attribute.value == name:
                    return True
        elif isinstance(node, AssignmentStmt):
            for target in node.lvalues:
                assigned += mypy_api.assigned_parts(target)
        elif isinstance(node, ForStmt):
            assigned += mypy_api.assigned_parts(node.index)
        elif isinstance(node, WithStmt):
            for variable in node.target:
                if variable is not None:
                    assigned += mypy_api.assigned_parts(variable)
    return False


def _names_of(info: TypeInfo) -> list[str]:
    return [
        name
        for base in info.mro
        if base.fullname not in (names.SIMPLE_NAMESPACE, "builtins.object")
        for name in base.names
        if not name.startswith("__")
    ]


def _state_name(info: TypeInfo, story: str) -> str:
    """Return the name of a State in a message: Checkout.State, or the name of the class."""
    return f"{story}.State" if info.name == "State" else f"{info.name}, the State of {story},"


RULE: Final = Rule(
    code=CODE,
    title=_TITLE,
    reason=(
        "A SimpleNamespace takes any name: what is misspelt when it is set is lost without a word, and what is "
        "misspelt when it is read stops the run in the middle. Functions that ask `hasattr`, `getattr` or `setattr` "
        "for a name may use it, and a State with an `__init__` or a `__getattr__` of its own may have any. "
        "A StoryState needs no such rule."
    ),
    bad="""\
from dataclasses import dataclass
from types import SimpleNamespace

from dddkit.stories import I, Story


@dataclass(frozen=True)
class Checkout(Story):
    I.charge

    class State(SimpleNamespace):
        order_id: int
        payment: str = ""

    def charge(self, state: State) -> None:
        state.paymnt = f"paid: {state.order_id}"
""",
    good="""\
from dataclasses import dataclass
from types import SimpleNamespace

from dddkit.stories import I, Story


@dataclass(frozen=True)
class Checkout(Story):
    I.charge

    class State(SimpleNamespace):
        order_id: int
        payment: str = ""

    def charge(self, state: State) -> None:
        state.payment = f"paid: {state.order_id}"
""",
    checks=(OnAttribute(names.SIMPLE_NAMESPACE, check),),
)
