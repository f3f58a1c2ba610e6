"""Which statements catch the exception that the read of a missing attribute raises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy.nodes import (
    CallExpr,
    Decorator,
    Expression,
    FuncDef,
    MemberExpr,
    NameExpr,
    OverloadedFuncDef,
    RefExpr,
    SymbolNode,
    TryStmt,
    TupleExpr,
    TypeAlias,
    TypeInfo,
    Var,
    WithStmt,
    YieldExpr,
)
from mypy.types import (
    FunctionLike,
    Instance,
    LiteralType,
    NoneType,
    Type,
    UninhabitedType,
    UnionType,
    get_proper_type,
)

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api

_CATCHING: Final = frozenset(
    {
        names.STORY_STATE_ERROR,
        names.DDDKIT_ERROR,
        "builtins.AttributeError",
        "builtins.Exception",
        "builtins.BaseException",
    }
)


def catches(type_: Expression | None) -> bool:
    """Whether a handler may catch the exception; None stands for a handler without a type."""
    if isinstance(type_, TupleExpr):
        return any(map(catches, type_.items))
    return not (isinstance(type_, RefExpr) and isinstance(type_.node, TypeInfo)) or type_.fullname in _CATCHING


def suppresses(manager: Expression) -> bool:
    """Whether a context manager is there to catch it: `suppress`, or the `raises` of pytest."""
    return _catcher(manager) and isinstance(manager, CallExpr) and any(map(catches, manager.args))


def _catcher(manager: Expression) -> bool:
    if isinstance(manager, CallExpr) and isinstance(manager.callee, RefExpr):
        name = manager.callee.fullname
        return name == "contextlib.suppress" or (name.endswith(".raises") and name.lstrip("_").startswith("pytest."))
    return False


def may_swallow(manager: Expression, method: FuncDef, is_async: bool, used: set[TypeInfo]) -> bool:
    """Whether a context manager in a method may swallow it, or is unknown; add the classes that decide it to `used`.

    What `__exit__` is declared to return decides, as for mypy: with `bool`, it may. A generator is read, where it is
    in the module of the method.
    """
    if _catcher(manager):
        return suppresses(manager)
    is_called = isinstance(manager, CallExpr)
    node = _declaration(manager.callee if isinstance(manager, CallExpr) else manager, method, used)
    if is_called and isinstance(node, Decorator):
        return not (
            all(map(_makes_manager, node.original_decorators))
            and _module_of(node.func) == _module_of(method)
            and not _generator_may_swallow(node.func, used)
        )
    types = list(_types_of(node, is_called))
    return not types or any(_type_may_swallow(type_, is_async, used) for type_ in types)


def _module_of(function: FuncDef) -> str:
    return function.info.module_name if function.info else function.fullname.rpartition(".")[0]


def _declaration(expr: Expression, method: FuncDef, used: set[TypeInfo]) -> SymbolNode | None:
    """Return what a name stands for, or an attribute of the story itself."""
    if (
        isinstance(expr, MemberExpr)
        and isinstance(expr.expr, NameExpr)
        and method.info
        and method.arguments
        and expr.expr.node is method.arguments[0].variable
    ):
        used.add(method.info)
        symbol = method.info.get(expr.name)
        return None if symbol is None else symbol.node
    return expr.node if isinstance(expr, RefExpr) else None


def _types_of(node: SymbolNode | None, is_called: bool) -> Iterator[Type]:
    """Yield the types of what a name stands for, or of the results of calling it; nothing where they are unknown."""
    if is_called:
        if isinstance(node, TypeInfo):
            yield mypy_api.any_instance_of(node)
        elif isinstance(node, TypeAlias):
            yield node.target
        elif isinstance(node, (FuncDef, OverloadedFuncDef)) and isinstance(node.type, FunctionLike):
            yield from (item.ret_type for item in node.type.items)
    elif isinstance(node, Var) and node.type is not None and not node.is_inferred:
        yield node.type


def _type_may_swallow(type_: Type, is_async: bool, used: set[TypeInfo]) -> bool:
    found = get_proper_type(type_)
    if isinstance(found, UnionType):
        return any(_type_may_swallow(item, is_async, used) for item in found.items)
    if not isinstance(found, Instance) or found.type.fullname in _ANY_MANAGER:
        return True
    used.add(found.type)
    symbol = found.type.get("__aexit__" if is_async else "__exit__")
    node = None if symbol is None else symbol.node
    if isinstance(node, Decorator):
        node = node.func
    declared = node.type if isinstance(node, (FuncDef, OverloadedFuncDef)) else None
    if not isinstance(declared, FunctionLike):
        return True
    return any(_result_may_swallow(item.ret_type, is_async) for item in declared.items)


def _result_may_swallow(type_: Type, is_async: bool) -> bool:
    found = get_proper_type(type_)
    if is_async and isinstance(found, Instance) and found.args and found.type.fullname != "builtins.bool":
        found = get_proper_type(found.args[-1])  # what the coroutine returns
    if isinstance(found, UnionType):  # `bool | None` is how typeshed says that it depends, and mostly does not
        return not any(isinstance(get_proper_type(item), NoneType) for item in found.items)
    return not (
        isinstance(found, (NoneType, UninhabitedType)) or (isinstance(found, LiteralType) and found.value is False)
    )


_ANY_MANAGER: Final = frozenset(
    {
        f"{module}.{prefix}{name}"
        for module in ("contextlib", "typing")
        for prefix, name in (
            ("Abstract", "ContextManager"),
            ("AbstractAsync", "ContextManager"),
            ("", "ContextManager"),
            ("Async", "ContextManager"),
            ("_Generator", "ContextManager"),
            ("_AsyncGenerator", "ContextManager"),
            ("", "ExitStack"),
            ("Async", "ExitStack"),
        )
    }
)
"""Their objects swallow what the code behind them swallows, which their types do not say."""


def _makes_manager(decorator: Expression) -> bool:
    return isinstance(decorator, RefExpr) and decorator.fullname in _GENERATOR_DECORATORS


_GENERATOR_DECORATORS: Final = ("contextlib.contextmanager", "contextlib.asynccontextmanager")


def _generator_may_swallow(made: FuncDef, used: set[TypeInfo]) -> bool:
    """Whether a `yield` of a generator is inside a statement that may catch what is raised there."""
    for node in mypy_api.walk(made.body):
        if isinstance(node, TryStmt):
            is_caught = any(map(catches, node.types))
        elif isinstance(node, WithStmt):
            is_caught = any(
                _is_generator(manager, made, used) or may_swallow(manager, made, node.is_async, used)
                for manager in node.expr
            )
        else:
            continue
        if is_caught and any(isinstance(inside, YieldExpr) for inside in mypy_api.walk(node.body)):
            return True
    return False


def _is_generator(manager: Expression, method: FuncDef, used: set[TypeInfo]) -> bool:
    """Whether a manager inside a generator is made by one too, perhaps the same: nobody reads on for ever."""
    return isinstance(manager, CallExpr) and isinstance(_declaration(manager.callee, method, used), Decorator)
