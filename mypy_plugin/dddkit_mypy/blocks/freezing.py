"""Classes that are not frozen, although their base is."""

from __future__ import annotations

from typing import NamedTuple

from mypy.errorcodes import ErrorCode
from mypy.nodes import (
    ARG_STAR2,
    AssignmentStmt,
    CallExpr,
    ClassDef,
    DictExpr,
    Expression,
    NameExpr,
    OpExpr,
    StrExpr,
    TypeInfo,
)

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext
from dddkit_mypy.blocks.decorators import name_of


class Thaw(NamedTuple):
    """The decorator or configuration that makes a class not frozen, although its base is."""

    node: Expression
    advice: str


def report_thaw(ctx: ClassContext, kind: str, code: ErrorCode) -> None:
    """Report a class that is not frozen, although its base is; `kind` says in the message what the class is."""
    thaw = _thaw_of(ctx.info)
    if thaw is not None:
        ctx.report(f"{ctx.info.name} is {kind}, but not frozen; {thaw.advice}", thaw.node, code)


def _thaw_of(info: TypeInfo) -> Thaw | None:
    """Return what makes the class itself not frozen; None where it is frozen, and where a base is not frozen either."""
    return _thaw_of_dataclass(info) if info.has_base(names.FROZEN) else _thaw_of_model(info.defn)


def _thaw_of_dataclass(info: TypeInfo) -> Thaw | None:
    decorators = mypy_api.making_dataclasses(info.defn)
    if _is_frozen(info) is not False or len(decorators) != 1:
        return None
    if any(_is_frozen(base) is False for base in info.mro[1:] if base.has_base(names.FROZEN)):
        return None  # reported there
    decorator = decorators[0]
    if isinstance(decorator, CallExpr):
        given = dict(zip(decorator.arg_names, decorator.args, strict=True))
        if ARG_STAR2 in decorator.arg_kinds or ("frozen" in given and _truth(given["frozen"]) is None):
            return None  # computed
    short = name_of(decorator).rpartition(".")[2]
    return Thaw(decorator, f"give @{short} frozen=True")


def _is_frozen(info: TypeInfo) -> bool | None:
    """Whether a dataclass, or a class of attrs, is frozen for mypy; None for any other class."""
    for maker in ("dataclass", "attrs"):
        if maker in info.metadata:
            return bool(info.metadata[maker]["frozen"])
    return None


def _thaw_of_model(defn: ClassDef) -> Thaw | None:
    node = defn.keywords.get("frozen")  # it has precedence
    if node is None:
        for statement in defn.defs.body:
            if isinstance(statement, AssignmentStmt) and _assigns(statement, "model_config"):
                node = _frozen_in(statement.rvalue)
            elif isinstance(statement, ClassDef) and statement.name == "Config":
                node = _frozen_in_class(statement)
    if node is None or _truth(node) is not False:
        return None
    return Thaw(node, "leave out frozen=False")


def _frozen_in_class(config: ClassDef) -> Expression | None:
    found = [
        statement.rvalue
        for statement in config.defs.body
        if isinstance(statement, AssignmentStmt) and _assigns(statement, "frozen")
    ]
    return found[-1] if found else None


def _frozen_in(config: Expression) -> Expression | None:
    """Return the value of `frozen` in a configuration, None where it has none; where unknown, the configuration."""
    if isinstance(config, CallExpr) and name_of(config).rpartition(".")[2] in (
        "ConfigDict",
        "SettingsConfigDict",
        "dict",
    ):
        given = dict(zip(config.arg_names, config.args, strict=True))
        parts = [value for name, value in zip(config.arg_names, config.args, strict=True) if name is None]
        if "frozen" in given:
            return given["frozen"]  # keywords have precedence
    elif isinstance(config, DictExpr):
        parts = list[Expression]()
        for key, value in config.items:
            if key is None:
                parts.append(value)
            elif not isinstance(key, StrExpr):
                parts.append(key)
            elif key.value == "frozen":
                parts.append(value)
    elif isinstance(config, OpExpr) and config.op == "|":
        parts = [config.left, config.right]
    else:
        return config
    return next((found for found in map(_frozen_in, reversed(parts)) if found is not None), None)


def _assigns(statement: AssignmentStmt, name: str) -> bool:
    return any(isinstance(target, NameExpr) and target.name == name for target in statement.lvalues)


def _truth(node: Expression) -> bool | None:
    """Return the value of a literal True or False; None for any other expression."""
    if isinstance(node, NameExpr) and node.fullname in ("builtins.True", "builtins.False"):
        return node.fullname == "builtins.True"
    return None
