"""Fields whose annotation is the name of an alias."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

from mypy.nodes import AssignmentStmt, MypyFile, NameExpr, SymbolNode, SymbolTable, TypeAlias, TypeInfo, Var
from mypy.types import Instance, UnboundType, get_proper_type


def aliased_fields(info: TypeInfo, tree: MypyFile) -> Iterator[str]:
    """Yield the fields in the body of a class whose whole annotation is the name of an alias, or may be.

    In the types of the variables, mypy has replaced an alias for a class by the class.
    """
    for statement in info.defn.defs.body:
        if isinstance(statement, AssignmentStmt) and isinstance(statement.unanalyzed_type, UnboundType):
            annotation = statement.unanalyzed_type
            for target in statement.lvalues:
                if isinstance(target, NameExpr) and not annotation.args:
                    value = get_proper_type(target.node.type) if isinstance(target.node, Var) else None
                    if isinstance(value, Instance) and _may_be_alias(annotation.name, value.type, info, tree):
                        yield target.name


def _may_be_alias(annotation: str, found: TypeInfo, info: TypeInfo, tree: MypyFile) -> bool:
    first, *rest = annotation.split(".")
    node = _node_in(info.names, first)
    if not isinstance(node, (TypeInfo, TypeAlias)):
        builtins = _node_in(tree.names, "__builtins__")
        node = _node_in(tree.names, first) or (_node_in(builtins.names, first) if _has_names(builtins) else None)
    if node is None:
        return "@" in info.fullname and found.name != annotation  # a name of the function around it
    for part in rest:
        node = _node_in(node.names, part) if _has_names(node) else None
    # The aliases of `typing` stand for `list` and similar classes.
    return isinstance(node, TypeAlias) and node.module not in ("typing", "typing_extensions")


def _has_names(node: SymbolNode | None) -> TypeGuard[MypyFile | TypeInfo]:
    return isinstance(node, (MypyFile, TypeInfo))


def _node_in(symbols: SymbolTable, name: str) -> SymbolNode | None:
    symbol = symbols.get(name)
    return None if symbol is None else symbol.node
