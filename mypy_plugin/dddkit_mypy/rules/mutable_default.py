"""A default in the body of a SimpleNamespace is one object for all runs; mypy does not report that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy.nodes import (
    AssignmentStmt,
    CallExpr,
    CastExpr,
    ClassDef,
    ConditionalExpr,
    Context,
    Decorator,
    DictExpr,
    DictionaryComprehension,
    Expression,
    FuncDef,
    IndexExpr,
    ListComprehension,
    ListExpr,
    MemberExpr,
    MypyFile,
    NameExpr,
    Node,
    OpExpr,
    OverloadedFuncDef,
    RefExpr,
    SetComprehension,
    SetExpr,
    StrExpr,
    TypeInfo,
    Var,
)
from mypy.types import Instance, Type, get_proper_type

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnAnalysed, OnClass, Rule
from dddkit_mypy.stories.declaration import is_story
from dddkit_mypy.stories.state import state_of

CODE: Final = codes.MUTABLE_DEFAULT

_TEXT: Final = "defaults"

# --- what a namespace declares, stored while its source is there ---------------------------------------------------


def store_defaults(scope: mypy_api.AnalysisScope) -> tuple[()]:
    """Store which defaults of a namespace can change, and which ones of its bases its `__init__` replaces."""
    info = scope.info
    if "dataclass_tag" in info.metadata or scope.tree.is_stub:
        return ()  # dataclasses rejects such defaults, mypy knows only this of it yet; a stub leaves out `__init__`
    replaced = _named_in_init(info)
    kinds: dict[str, str] = {}
    for name, value in _assigned(info.defn.defs):
        kind = _kind(value, scope.tree)
        if kind is not None and name not in replaced and _is_of_instances(info, name):
            kinds[name] = kind
    for base in info.mro[1:]:
        kinds.update((name, "") for name in _defaults(base) if name in replaced)
    if kinds:
        text = ",".join(f"{name} {kind}" for name, kind in kinds.items())
        mypy_api.set_private_text(scope.analyzer, info, _TEXT, text)
    return ()


def _defaults(info: TypeInfo) -> dict[str, str]:
    """Return the stored defaults by name: the kind of each, empty where an `__init__` replaces it."""
    parts = (part.partition(" ") for part in mypy_api.private_text_of(info, _TEXT).split(",") if part)
    return {name: kind for name, _, kind in parts}


def _named_in_init(info: TypeInfo) -> set[str]:
    """Return the names in an `__init__` written by hand, which may give each object its own value."""
    symbol = info.names.get("__init__")
    if symbol is None or symbol.plugin_generated or not isinstance(symbol.node, FuncDef):
        return set()
    found: set[str] = set()
    for node in mypy_api.walk(symbol.node.body):
        if isinstance(node, MemberExpr):
            found.add(node.name)
        elif isinstance(node, StrExpr):
            found.add(node.value)
        elif isinstance(node, CallExpr):
            found.update(name for name in node.arg_names if name is not None)
    return found


def _assigned(node: Node) -> Iterator[tuple[str, Expression]]:
    """Yield what the statements of a class body assign, those under an `if` too."""
    if isinstance(node, AssignmentStmt):
        for target in node.lvalues:
            if isinstance(target, NameExpr):
                yield target.name, node.rvalue
    elif not isinstance(node, (FuncDef, OverloadedFuncDef, Decorator, ClassDef)):
        for part in mypy_api.children(node):
            yield from _assigned(part)


def _is_of_instances(info: TypeInfo, name: str) -> bool:
    """Whether a name is an attribute of the objects, and no constant of the class."""
    symbol = info.names.get(name)
    if symbol is None or not isinstance(symbol.node, Var) or (name.startswith("__") and name.endswith("__")):
        return False
    return not symbol.node.is_classvar and not symbol.node.is_final


_BY_TYPE: Final = "?"
"""The kind of a default that only its type tells, as the checker knows it."""


def _kind(value: Expression, module: MypyFile, depth: int = 0) -> str | None:
    """Return the kind of a default that can change; None for any other, and where it is unknown."""
    if isinstance(value, (ListExpr, ListComprehension)):
        return "list"
    if isinstance(value, (DictExpr, DictionaryComprehension)):
        return "dict"
    if isinstance(value, (SetExpr, SetComprehension)):
        return "set"
    if isinstance(value, CallExpr) and isinstance(value.analyzed, CastExpr):
        return _kind(value.analyzed.expr, module, depth)
    if isinstance(value, CallExpr) and isinstance(value.callee, RefExpr) and value.callee.fullname == "builtins.sorted":
        return "list"
    if isinstance(value, OpExpr) and value.op in ("+", "*", "|", "or"):
        return _kind(value.left, module, depth) or _kind(value.right, module, depth)
    if isinstance(value, ConditionalExpr):
        return _kind(value.if_expr, module, depth) or _kind(value.else_expr, module, depth)
    found = _class_of(value)
    if found is not None:
        return found.name if _is_mutable(found) else None
    if isinstance(value, RefExpr) and isinstance(value.node, Var) and value.node.is_inferred and depth < _MAX_NAMES:
        for constant in _constants(module).get(value.fullname, ()):
            kind = _kind(constant, module, depth + 1)
            if kind is not None:
                return kind
    return _BY_TYPE if _is_told_by_type(value) else None


def _constants(module: MypyFile) -> dict[str, list[Expression]]:
    """Return what the statements of a module assign, by full name."""
    if not (_LAST and _LAST[0][0] is module):
        constants: dict[str, list[Expression]] = {}
        for name, value in _assigned(module):
            constants.setdefault(f"{module.fullname}.{name}", []).append(value)
        _LAST[:] = [(module, constants)]
    return _LAST[0][1]


_LAST: Final[list[tuple[MypyFile, dict[str, list[Expression]]]]] = []
"""The current module, so that it is read once and not at every default."""

_MAX_NAMES: Final = 5
"""How many names may stand between a default and its value: `A = []`, `B = A`."""


def _is_told_by_type(value: Expression) -> bool:
    """Whether a default is what its type says: an object that is found or copied, and no descriptor that makes one."""
    if isinstance(value, CallExpr):
        return isinstance(value.callee, MemberExpr) and value.callee.name in _COPYING
    if isinstance(value, RefExpr):
        return value.node is None or (isinstance(value.node, Var) and value.node.is_inferred)
    return isinstance(value, IndexExpr)


_COPYING: Final = ("copy", "deepcopy", "split", "splitlines")


def _is_mutable(info: TypeInfo) -> bool:
    return any(info.has_base(base) for base in _MUTABLE)


_MUTABLE: Final = ("typing.MutableSequence", "typing.MutableMapping", "typing.MutableSet")


def _class_of(value: Expression) -> TypeInfo | None:
    """Return the class of what an expression refers to, or of what it calls, as far as the source declares it."""
    declared = None
    if isinstance(value, RefExpr) and isinstance(value.node, Var) and not value.node.is_inferred:
        declared = value.node.type
    elif isinstance(value, CallExpr):
        callee = value.callee.base if isinstance(value.callee, IndexExpr) else value.callee  # list[int]()
        if isinstance(callee, RefExpr):
            if isinstance(callee.node, TypeInfo):
                return callee.node
            if isinstance(callee.node, FuncDef) and not callee.node.is_coroutine:
                declared = mypy_api.return_type_of(callee.node.type)
    found = get_proper_type(declared)
    return found.type if isinstance(found, Instance) else None


# --- the story ------------------------------------------------------------------------------------------------------


def check(ctx: ClassContext) -> None:
    """Report the defaults of a State once, at the first story that declares it."""
    symbol = ctx.info.get("State")
    if symbol is None or (isinstance(symbol.node, TypeInfo) and not symbol.node.has_base(names.SIMPLE_NAMESPACE)):
        return
    owner = next((base for base in ctx.info.mro if "State" in base.names), None)
    if owner is None or (owner is not ctx.info and is_story(owner)):
        return
    state = _state(ctx.info)
    if state is None:
        return
    known = {info for base in ctx.info.mro[1:] if is_story(base) for info in _mro(_state(base))}
    for info, name, kind in _shared(state):
        if info not in known:
            ctx.report(
                f"{mypy_api.qualified_name(info)}: the default of {name} is one {kind} that all runs share; "
                f"derive the State from StoryState, which copies it for every run, or annotate it as ClassVar "
                f"if that is meant",
                _location(ctx.info, info, name),
                CODE,
            )


def _state(story: TypeInfo) -> TypeInfo | None:
    state = get_proper_type(state_of(mypy_api.self_type(story)))
    is_namespace = isinstance(state, Instance) and state.type.has_base(names.SIMPLE_NAMESPACE)
    return state.type if isinstance(state, Instance) and is_namespace else None


def _mro(info: TypeInfo | None) -> list[TypeInfo]:
    return [] if info is None else info.mro


def _shared(state: TypeInfo) -> Iterator[tuple[TypeInfo, str, str]]:
    """Yield the defaults that objects of a State share: the class that declares each, its name and its kind."""
    decided: set[str] = set()
    for info in state.mro:
        defaults = _defaults(info)
        for name, kind in defaults.items():
            if kind == _BY_TYPE:
                kind = _kind_of_type(info.names[name].type)
            if kind and name not in decided:
                yield info, name, kind
        decided.update(defaults)
        for name, symbol in info.names.items():
            if not isinstance(symbol.node, Var) or symbol.node.has_explicit_value:
                decided.add(name)


def _kind_of_type(type_: Type | None) -> str:
    found = get_proper_type(type_)
    return found.type.name if isinstance(found, Instance) and _is_mutable(found.type) else ""


def _location(story: TypeInfo, declares: TypeInfo, name: str) -> Context:
    """Return the default itself, or where it is in another module, what makes it a State of this story."""
    if declares.module_name == story.module_name:
        found: Context | None = declares.names[name].node
    else:
        for node in mypy_api.children(story.defn.defs):
            if isinstance(node, AssignmentStmt):
                for target in node.lvalues:
                    if isinstance(target, NameExpr) and target.name == "State":
                        return target
        symbol = story.names.get("State")
        state = symbol.node if symbol is not None else None
        found = state.defn if isinstance(state, TypeInfo) and state.module_name == story.module_name else None
    return story.defn if found is None else found


RULE: Final = Rule(
    code=CODE,
    reason=(
        "The default stands in the class, so what one run appends, the next one finds. `StoryState` copies such "
        "defaults for every object; a `SimpleNamespace` cannot. What is annotated as `ClassVar` or `Final` is meant "
        "to be shared."
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
        notes: list[str] = []

    def charge(self, state: State) -> None: ...
""",
    good="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


@dataclass(frozen=True)
class Checkout(Story):
    I.charge

    class State(StoryState):
        order_id: int
        notes: list[str] = []

    def charge(self, state: State) -> None: ...
""",
    checks=(
        OnAnalysed((names.SIMPLE_NAMESPACE,), store_defaults),
        OnClass((names.STORY,), check),
    ),
)
