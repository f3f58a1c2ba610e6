"""mypy takes any name on a SimpleNamespace, so a misspelt attribute of such a State is no error to it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from mypy.nodes import (
    AssignmentStmt,
    CallExpr,
    Expression,
    ForStmt,
    ListExpr,
    MemberExpr,
    Node,
    RefExpr,
    StarExpr,
    StrExpr,
    TupleExpr,
    TypeInfo,
    WithStmt,
)
from mypy.plugin import AttributeContext
from mypy.types import Instance, Type, TypeVarType, UnionType, get_proper_type

from dddkit_mypy import _mypy_api as mypy_api
from dddkit_mypy import _names as names
from dddkit_mypy import _noted as noted
from dddkit_mypy import _stories as stories
from dddkit_mypy import _trees as trees
from dddkit_mypy._rule import OnAttribute, Rule, new_code

_TITLE: Final = "Every attribute of a SimpleNamespace State is declared"
CODE: Final = new_code("dddkit-undeclared-state", _TITLE)


def check(ctx: AttributeContext, name: str) -> None:
    """Report a name that the State of a story does not declare, wherever it is read or assigned."""
    node = ctx.context
    if not isinstance(node, MemberExpr) or node.name != name or (name.startswith("__") and name.endswith("__")):
        return  # mypy compares the class with a protocol
    checker = mypy_api.checker_of(ctx.api)
    lacking = [info for info in _namespaces(ctx.type) if info.get(name) is None]
    if not lacking or not any(info in lacking for info in _namespaces(checker.lookup_type_or_none(node.expr))):
        return
    visible = mypy_api.modules_seen_by(checker)
    for info in lacking:
        story = noted.story_of_namespace(checker, info, visible)
        if story is None or info.fallback_to_any or stories.has_own_access(info):
            continue
        written = list[Expression]()
        if _asks(name, trees.walk(mypy_api.outermost_function(checker)), written):
            return
        near = get_close_matches(name, _names_of(info), n=1)
        advice = f'did you mean "{near[0]}"?' if near else f'add "{name}: <its type>" to its body'
        # mypy holds back what it finds while it looks up the old type of what is written.
        held_back = any(node is target for target in written)
        mypy_api.fail_at(checker, f'{_called(info, story)} declares no "{name}"; {advice}', node, CODE, held_back)
        return


def _namespaces(type_: Type | None) -> Iterator[TypeInfo]:
    """The classes of namespaces that a type is made of."""
    found = get_proper_type(type_)
    if isinstance(found, TypeVarType):
        found = get_proper_type(found.upper_bound)
    if isinstance(found, UnionType):
        for item in found.items:
            yield from _namespaces(item)
    elif isinstance(found, Instance) and any(base.fullname == names.SIMPLE_NAMESPACE for base in found.type.mro[1:]):
        yield found.type


def _asks(name: str, nodes: Iterator[Node], written: list[Expression]) -> bool:
    """Whether `hasattr` and its like are asked for the name somewhere; and what is written on the way."""
    for node in nodes:
        if isinstance(node, CallExpr):
            if isinstance(node.callee, RefExpr) and node.callee.fullname in _ASKING and len(node.args) > 1:
                asked = node.args[1]
                if not isinstance(asked, StrExpr) or asked.value == name:
                    return True
        elif isinstance(node, AssignmentStmt):
            for target in node.lvalues:
                written += _targets(target)
        elif isinstance(node, ForStmt):
            written += _targets(node.index)
        elif isinstance(node, WithStmt):
            for held in node.target:
                if held is not None:
                    written += _targets(held)
    return False


_ASKING: Final = ("builtins.hasattr", "builtins.getattr", "builtins.setattr", "builtins.delattr")


def _targets(target: Expression) -> Iterator[Expression]:
    if isinstance(target, (TupleExpr, ListExpr)):
        for item in target.items:
            yield from _targets(item)
    elif isinstance(target, StarExpr):
        yield from _targets(target.expr)
    else:
        yield target


def _names_of(info: TypeInfo) -> list[str]:
    return [
        name
        for base in info.mro
        if base.fullname not in (names.SIMPLE_NAMESPACE, "builtins.object")
        for name in base.names
        if not name.startswith("__")
    ]


def _called(info: TypeInfo, story: str) -> str:
    """What its reader calls a State: Checkout.State, or the name of the class."""
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
