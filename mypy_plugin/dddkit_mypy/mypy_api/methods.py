"""Generated code: the `__call__` of a story, and the call that brings mypy to the hook on a class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from mypy.nodes import (
    ARG_POS,
    MDEF,
    Argument,
    Block,
    CallExpr,
    ClassDef,
    Decorator,
    ExpressionStmt,
    FuncDef,
    MemberExpr,
    NameExpr,
    PassStmt,
    SymbolNode,
    SymbolTableNode,
    TypeInfo,
    Var,
)
from mypy.semanal import SemanticAnalyzer
from mypy.types import AnyType, CallableType, Instance, NoneType, Type, TypeOfAny, UnionType, get_proper_type
from mypy.typevars import fill_typevars

from dddkit_mypy.mypy_api.signatures import SELF_AND_ONE, return_type_of

NamedType: TypeAlias = Callable[[str, list[Type]], Instance]


def add_init_subclass_call(info: TypeInfo) -> None:
    """Make the checker call the hook on `__init_subclass__` after the body of a class with a metaclass of its own.

    mypy simulates such a call for all other classes. This one has no effect but the hook.
    """
    name = NameExpr(info.name)
    name.node, name.kind = info.mro[-1], MDEF
    callee = MemberExpr(name, "__init_subclass__")
    call = CallExpr(callee, [], [], [])
    statement = ExpressionStmt(call)
    for node in (name, callee, call, statement):
        node.set_line(info.defn)
    info.defn.defs.body.append(statement)


def remove_added_statements(defn: ClassDef) -> None:
    """Remove what the plugin has added to the body, before the daemon analyses it again."""
    here = (defn.line, defn.column)  # no statement of the source starts there
    defn.defs.body[:] = [
        statement
        for statement in defn.defs.body
        if not (isinstance(statement, ExpressionStmt) and (statement.line, statement.column) == here)
    ]


def replace_call(analyzer: SemanticAnalyzer, info: TypeInfo, result: Type) -> None:
    """Generate the method `__call__(self, state: Any, /)` of a class with this result, in its symbol table only.

    In the body of the class, mypy would compare it with the one that it overrides.
    """
    known = info.names.get("__call__")
    if known is not None:
        assert known.plugin_generated
        del info.names["__call__"]
    add_call(info, result, analyzer.named_type("builtins.function"))


def add_call(info: TypeInfo, result: Type, function: Instance) -> None:
    """Generate `__call__` like `replace_call`, for a class that has none; `function` is the type of functions.

    The method counts as decorated: of these, mypy asks our hook on attributes for the type.
    """
    own = fill_typevars(info)
    method = FuncDef("__call__", [Argument(Var("self"), own, None, ARG_POS), _STATE], _BODY)
    var = Var("__call__")
    name = f"{info.fullname}.__call__"
    for node in (method, var):
        node.info = info
        node.line = info.line
        node._fullname = name  # pyright: ignore[reportPrivateUsage]  # as mypy's own plugins do
    var.is_ready = var.is_initialized_in_class = method.is_decorated = True
    method.type = var.type = _type_of_call([own, _ANY], result, function, f"__call__ of {info.name}")
    decorated = Decorator(method, [], var)
    decorated.line = info.line
    symbol = SymbolTableNode(MDEF, decorated)
    symbol.plugin_generated = True
    info.names["__call__"] = symbol


_ANY: Final = AnyType(TypeOfAny.explicit)
# No walk of mypy comes to these: a generated method is in no body.
_STATE: Final = Argument(Var("state", _ANY), _ANY, None, ARG_POS, pos_only=True)
_BODY: Final = Block([PassStmt()])
_NAMES: Final[list[str | None]] = ["self", None]  # one cannot write story(state=state)


def _type_of_call(
    arguments: list[Type], result: Type, function: Instance, name: str | None, definition: SymbolNode | None = None
) -> CallableType:
    if not isinstance(get_proper_type(result), AnyType):
        result = UnionType([result, _ANY])
    return CallableType(arguments, [*SELF_AND_ONE], _NAMES, result, function, name, definition)


def set_call_result(call: Decorator, result: Type) -> None:
    """Set the result of a generated `__call__`.

    Where the story is used as a callback, mypy sees `result | Any`: that fits wherever `result` fits, and no method
    that a subclass writes by hand can be an incompatible override of it.
    """
    old = call.func.type
    assert isinstance(old, CallableType)
    call.func.type = call.var.type = _type_of_call(old.arg_types, result, old.fallback, old.name, old.definition)


def generated_call_result(info: TypeInfo) -> Type | None:
    """Return the result of the generated `__call__` of a class; None where the user defines the method."""
    symbol = info.get("__call__")
    if symbol is None or not symbol.plugin_generated:
        return None
    result = get_proper_type(return_type_of(symbol.type))
    return result.items[0] if isinstance(result, UnionType) else result


def coroutine_of_none(named_type: NamedType) -> Instance:
    """Return the type Coroutine[Any, Any, None]."""
    any_type = AnyType(TypeOfAny.explicit)
    return named_type("typing.Coroutine", [any_type, any_type, NoneType()])
