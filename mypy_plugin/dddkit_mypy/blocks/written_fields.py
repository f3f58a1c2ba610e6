"""What the source of a class says about its fields, and mypy keeps nowhere else, for the metadata of the class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy.nodes import (
    AssignmentStmt,
    CallExpr,
    ClassDef,
    MypyFile,
    NameExpr,
    RefExpr,
    SymbolNode,
    TypeAlias,
    TypeInfo,
    TypeVarExpr,
)
from mypy.types import EllipsisType, RawExpressionType, Type, TypeList, UnboundType, UnionType, get_proper_type

from dddkit_mypy import mypy_api

_UNSEEN: Final = "unseen"
_EXCLUDED: Final = "excluded"


def store_unseen_fields(scope: mypy_api.AnalysisScope) -> None:
    """Store the fields of a State whose type mypy does not have: it drops `Annotated`, and aliases may hide one."""
    unseen = [name for name, written in _annotations(scope.info.defn) if not _is_seen(written, scope)]
    _store(scope, _UNSEEN, unseen)


def unseen_fields(info: TypeInfo) -> list[str]:
    """Return the fields of a State whose type is not what its annotation says."""
    unseen: list[str] = mypy_api.metadata_of(info).get(_UNSEEN, [])
    return unseen


def store_excluded_fields(scope: mypy_api.AnalysisScope) -> tuple[()]:
    """Store the fields of a pydantic model that its JSON leaves out: `note: str = Field(exclude=True)`."""
    excluded = [
        target.name
        for statement in scope.info.defn.defs.body
        if isinstance(statement, AssignmentStmt) and _excludes(statement)
        for target in statement.lvalues
        if isinstance(target, NameExpr)
    ]
    _store(scope, _EXCLUDED, excluded)
    return ()


def excluded_fields(info: TypeInfo) -> list[str]:
    """Return the fields that the body of a class excludes; only of classes that derive from ours."""
    excluded: list[str] = mypy_api.metadata_of(info).get(_EXCLUDED, [])
    return excluded


def _store(scope: mypy_api.AnalysisScope, key: str, fields: list[str]) -> None:
    if not fields and key not in mypy_api.metadata_of(scope.info):
        return
    metadata = mypy_api.update_metadata(scope.info, {key: fields})
    if scope.is_for_daemon:
        mypy_api.set_private_text(scope.analyzer, scope.info, mypy_api.METADATA, repr(metadata))


def _excludes(statement: AssignmentStmt) -> bool:
    value = statement.rvalue
    return (
        isinstance(value, CallExpr)
        and isinstance(value.callee, RefExpr)
        and value.callee.fullname == "pydantic.fields.Field"
        and any(
            name == "exclude" and isinstance(given, NameExpr) and given.fullname == "builtins.True"
            for name, given in zip(value.arg_names, value.args, strict=True)
        )
    )


def _annotations(defn: ClassDef) -> Iterator[tuple[str, Type]]:
    for statement in defn.defs.body:
        if isinstance(statement, AssignmentStmt) and statement.unanalyzed_type is not None:
            for target in statement.lvalues:
                if isinstance(target, NameExpr):
                    yield target.name, statement.unanalyzed_type


def _is_seen(written: Type, scope: mypy_api.AnalysisScope) -> bool:
    """Whether an annotation is made of nothing but classes, and what `typing` has to combine them."""
    if isinstance(written, UnboundType):
        node = _node_named(written.name, scope.info, scope.tree)
        name = "builtins.None" if node is None and written.name == "None" else getattr(node, "fullname", "")
        if name in _LITERALS:
            return True
        is_class = isinstance(node, (TypeInfo, TypeVarExpr)) or name in _COMBINING
        if not is_class and isinstance(node, TypeAlias):  # `threading.Lock` and `typing.List` are aliases
            is_class = mypy_api.is_of_typeshed(node.module, scope)
        return is_class and all(_is_seen(part, scope) for part in written.args)
    found = get_proper_type(written)
    if isinstance(found, (UnionType, TypeList)):
        return all(_is_seen(item, scope) for item in found.items)
    return isinstance(written, (EllipsisType, RawExpressionType))


def _node_named(name: str, info: TypeInfo, tree: MypyFile) -> SymbolNode | None:
    """Return what a dotted name in the body of a class stands for; None for a name of a function around it."""
    first, *rest = name.split(".")
    symbol = info.names.get(first) or tree.names.get(first)
    if symbol is None:
        builtins = tree.names.get("__builtins__")
        symbol = builtins.node.names.get(first) if builtins and isinstance(builtins.node, MypyFile) else None
    node = None if symbol is None else symbol.node
    for part in rest:
        symbol = node.names.get(part) if isinstance(node, (MypyFile, TypeInfo)) else None
        node = None if symbol is None else symbol.node
    return node


_TYPING: Final = ("typing", "typing_extensions")
_COMBINING: Final = frozenset(
    {
        "builtins.None",
        "collections.abc.Callable",
        *(
            f"{module}.{name}"
            for module in _TYPING
            for name in ("Any", "Callable", "ClassVar", "Final", "Optional", "Tuple", "Type", "Union")
        ),
    }
)
_LITERALS: Final = frozenset(f"{module}.Literal" for module in _TYPING)
