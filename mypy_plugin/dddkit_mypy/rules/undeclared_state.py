"""mypy accepts any name on a SimpleNamespace, so it reports no misspelt attribute of such a State."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from mypy.nodes import CallExpr, Context, MemberExpr, TypeInfo
from mypy.plugin import AttributeContext, FunctionContext
from mypy.types import Instance, Type, TypeVarType, UnionType, get_proper_type

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._nearest import nearest
from dddkit_mypy._rule import OnAttribute, OnConstruction, Rule
from dddkit_mypy.stories.asked_names import AskedNames, asked_names
from dddkit_mypy.stories.namespaces import story_of_namespace
from dddkit_mypy.stories.state import has_own_access

CODE: Final = codes.UNDECLARED_STATE


def check(ctx: AttributeContext, name: str) -> None:
    """Report a name that the State of a story does not declare, where it is read or assigned."""
    node = ctx.context
    if name.startswith("__") and name.endswith("__"):
        return
    checker = mypy_api.checker_of(ctx.api)
    if isinstance(node, MemberExpr) and node.name == name:
        undeclaring = [info for info in _namespaces(ctx.type) if info.get(name) is None]
        if undeclaring and any(info in undeclaring for info in _namespaces(checker.lookup_type_or_none(node.expr))):
            asked = asked_names(checker)
            # mypy filters errors while it looks up the old type of what is assigned.
            _report(checker, undeclaring, name, node, asked, is_filtered=id(node) in asked.assigned)
    elif isinstance(node, mypy_api.Pattern):
        asked = asked_names(checker)
        if asked.keywords.get(id(node)) == name:  # else mypy is comparing the class with a protocol
            _report(checker, _namespaces(ctx.type), name, node, asked, is_filtered=True)


def check_keywords(ctx: FunctionContext, info: TypeInfo) -> None:
    """Report a keyword that the State of a story does not declare, where one is made."""
    call = ctx.context
    constructor = info.get_method("__init__")
    if not isinstance(call, CallExpr) or constructor is None or constructor.info.fullname != names.SIMPLE_NAMESPACE:
        return
    checker = mypy_api.checker_of(ctx.api)
    for name, value in zip(call.arg_names, call.args, strict=True):
        if name is not None and info.get(name) is None:
            _report(checker, [info], name, value, asked_names(checker), is_filtered=False)


def _report(
    checker: mypy_api.TypeChecker,
    undeclaring: Iterable[TypeInfo],
    name: str,
    node: Context,
    asked: AskedNames,
    *,
    is_filtered: bool,
) -> None:
    """Report a name at the first of the classes that is the State of a story, unless the function asks for it."""
    if asked.any or name in asked.names:
        return
    for info in undeclaring:
        if info.fullname not in asked.stories:
            dependencies = mypy_api.dependencies_of(checker)
            asked.stories[info.fullname] = story_of_namespace(info, mypy_api.visible_modules(checker), dependencies)
        story = asked.stories[info.fullname]
        if story is None or info.fallback_to_any or has_own_access(info):
            continue
        if name.startswith("_") and mypy_api.comes_from_stub(info, checker):
            continue  # stubs leave out private names
        near = nearest(name, _names_of(info))
        advice = f'did you mean "{near}"?' if near else f'add "{name}: <its type>" to its body'
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
    reason=(
        "A SimpleNamespace takes any name: what is misspelt when it is set or given is lost without a word, what is "
        "misspelt when it is read stops the run in the middle, and a `case` with a misspelt name never matches. "
        "Functions that ask for a name may use it: with `hasattr`, `getattr` or `setattr`, in `vars` or `__dict__`, "
        "with an `isinstance` of a protocol, or under `except AttributeError`. A State with an `__init__` or a "
        "`__getattr__` of its own may have any. A StoryState needs no such rule."
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
    checks=(OnAttribute(names.SIMPLE_NAMESPACE, check), OnConstruction(names.SIMPLE_NAMESPACE, check_keywords)),
)
