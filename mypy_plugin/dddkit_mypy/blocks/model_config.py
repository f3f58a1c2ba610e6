"""What the configuration of a pydantic model says about `frozen`, merged from its bases as pydantic merges it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from mypy.nodes import (
    AssignmentStmt,
    CallExpr,
    ClassDef,
    Decorator,
    DictExpr,
    Expression,
    ExpressionStmt,
    FuncDef,
    IndexExpr,
    MemberExpr,
    MypyFile,
    NameExpr,
    OpExpr,
    OverloadedFuncDef,
    RefExpr,
    Statement,
    StrExpr,
    TypeInfo,
    Var,
)

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.blocks.decorators import name_of

_STORED: Final = "frozen"
_OF_PYDANTIC: Final = "pydantic-mypy-metadata"  # where pydantic's own plugin keeps what it has read
_DICTS: Final = ("ConfigDict", "SettingsConfigDict", "dict")


class Setting(NamedTuple):
    """What a configuration says about `frozen`."""

    value: bool | None
    """None where it cannot be evaluated."""
    node: Expression | None = None
    """Where the class itself says so, in its own module."""
    constant: str = ""
    """The name of the constant that says so, if one does."""
    base: TypeInfo | None = None
    """The base that says so, if the class inherits it."""


_UNKNOWN: Final = Setting(None)


def store_setting(scope: mypy_api.AnalysisScope) -> tuple[()]:
    """Store what the body of a class says, for children in other modules."""
    own = Reader(scope.tree).own(scope.info)
    if own is not None:
        mypy_api.update_metadata(scope.info, {_STORED: own.value})
        mypy_api.set_private_text(scope.analyzer, scope.info, mypy_api.METADATA, repr(own.value))
    elif _STORED in mypy_api.metadata_of(scope.info):
        del mypy_api.update_metadata(scope.info, {})[_STORED]
    return ()


class Reader:
    """Reads configurations for a class in this module; of classes elsewhere, it knows only what is stored."""

    def __init__(self, tree: MypyFile) -> None:
        self._tree = tree
        self._open: set[Expression] = set()  # the configurations that are being read, each of which may name itself

    def effective(self, info: TypeInfo) -> Setting | None:
        """Return what the configuration of a class says, with all that it inherits; None where it says nothing."""
        if mypy_api.is_ours(info):
            return Setting(value=True) if info.fullname in names.FROZEN_MODELS else None
        if mypy_api.is_never_edited(info):
            return None  # `BaseModel`
        own = self.own(info)
        if own is not None:
            return own
        for base in reversed(info.bases):  # a later base has precedence
            found = self.effective(base.type)
            if found is not None:
                return found._replace(node=None, base=found.base or base.type)
        return None

    def own(self, info: TypeInfo) -> Setting | None:
        """Return what a class itself says, inherited or not; None where it says nothing."""
        if info.fallback_to_any:
            return _UNKNOWN
        if info.module_name != self._tree.fullname:
            return _stored(info)
        keyword = info.defn.keywords.get("frozen")
        if keyword is not None:  # it has precedence
            return Setting(truth_of(keyword), keyword)
        found: Setting | None = None
        for statement in info.defn.defs.body:
            if isinstance(statement, AssignmentStmt) and _assigns(statement, "model_config"):
                found = self.of(statement.rvalue)
            elif isinstance(statement, ClassDef) and statement.name == "Config":
                found = _of_class(statement)
        if found is None and not {"model_config", "Config"}.isdisjoint(info.names) and not _sees(info):
            return _UNKNOWN  # under an `if`
        if found is not None and any(map(_changes_config, info.defn.defs.body)):
            return _UNKNOWN
        return found

    def of(self, config: Expression) -> Setting | None:
        """Return what a configuration says; None where it says nothing."""
        if config in self._open:
            return _UNKNOWN
        self._open.add(config)
        found = self._of(config)
        self._open.remove(config)
        return found

    def _of(self, config: Expression) -> Setting | None:
        parts: list[Expression] = []
        if isinstance(config, CallExpr) and name_of(config).rpartition(".")[2] in _DICTS:
            for name, value in zip(config.arg_names, config.args, strict=True):
                if name == "frozen":
                    return Setting(truth_of(value), value)  # keywords have precedence
                if name is None:
                    parts.append(value)
        elif isinstance(config, DictExpr):
            for key, value in config.items:
                if isinstance(key, StrExpr):
                    if key.value == "frozen":
                        parts.append(value)
                else:
                    parts.append(value if key is None else key)
        elif isinstance(config, OpExpr) and config.op == "|":
            parts = [config.left, config.right]
        elif isinstance(config, MemberExpr) and config.name == "model_config":
            owner = config.expr.node if isinstance(config.expr, RefExpr) else None
            found = self.effective(owner) if isinstance(owner, TypeInfo) else _UNKNOWN
            return None if found is None else Setting(found.value, config, owner.name if owner is not None else "")
        elif isinstance(config, NameExpr) and truth_of(config) is None:
            return self._of_constant(config)
        else:
            return Setting(truth_of(config), config)
        return next((found for found in map(self.of, reversed(parts)) if found is not None), None)

    def _of_constant(self, name: NameExpr) -> Setting | None:
        """Return what the constant of the module says; None where it says nothing."""
        if not isinstance(name.node, Var) or name.fullname != f"{self._tree.fullname}.{name.name}":
            return _UNKNOWN._replace(node=name)
        value = _CONSTANTS.value_of(name.name, self._tree)
        if not isinstance(value, (CallExpr, DictExpr, OpExpr)):
            return _UNKNOWN._replace(node=name)
        found = self.of(value)
        return None if found is None else Setting(found.value, name, found.constant or name.name)


def _stored(info: TypeInfo) -> Setting | None:
    """Return what is known of a class in another module."""
    ours = mypy_api.metadata_of(info)
    if _STORED in ours:
        return Setting(ours[_STORED])
    if any(info.has_base(base) for base in names.FROZEN_MODELS) or not info.has_base(names.MODEL):
        declares = "model_config" in info.names and not info.has_base(names.MODEL)
        return _UNKNOWN if declares else None
    declares = not {"model_config", "Config"}.isdisjoint(info.names)
    known = _of_pydantic(info)
    if known is False and declares and any(_of_pydantic(base) is False for base in info.mro[1:]):
        return _UNKNOWN  # inherited, perhaps, and the plugin could not read what it declares itself
    if known is not None:
        return Setting(known)
    if info.metadata.get("dataclass", {}).get("frozen"):
        return Setting(value=True)  # a keyword, which mypy knows
    return _UNKNOWN if declares else None


def _of_pydantic(info: TypeInfo) -> bool | None:
    config: dict[str, Any] = info.metadata.get(_OF_PYDANTIC, {}).get("config", {})
    found = config.get("frozen")
    return found if isinstance(found, bool) else None


def _sees(info: TypeInfo) -> bool:
    """Whether the configuration of a class is a statement of its body, under no `if`."""
    return any(
        (isinstance(statement, AssignmentStmt) and _assigns(statement, "model_config"))
        or (isinstance(statement, ClassDef) and statement.name == "Config")
        for statement in info.defn.defs.body
    )


def _changes_config(statement: Statement) -> bool:
    """Whether a statement of a class body may change the configuration: `model_config["frozen"] = True`, or a call."""
    if isinstance(statement, AssignmentStmt):
        return any(
            isinstance(target, IndexExpr) and isinstance(target.base, NameExpr) and target.base.name == "model_config"
            for target in statement.lvalues
        )
    return isinstance(statement, ExpressionStmt) and any(
        isinstance(node, NameExpr) and node.name == "model_config" for node in mypy_api.walk(statement)
    )


def _of_class(config: ClassDef) -> Setting | None:
    found = [
        statement.rvalue
        for statement in config.defs.body
        if isinstance(statement, AssignmentStmt) and _assigns(statement, "frozen")
    ]
    if config.base_type_exprs and not found:
        return _UNKNOWN
    return Setting(truth_of(found[-1]), found[-1]) if found else None


class _Constants:
    """The values of the constants in one module, read once."""

    def __init__(self) -> None:
        self._statements: list[Statement] | None = None  # another list whenever the daemon has parsed a module again
        self._values: dict[str, Expression | None] = {}

    def value_of(self, name: str, tree: MypyFile) -> Expression | None:
        """Return the value that one statement of a module assigns; None where others may change it."""
        if tree.defs is not self._statements:
            self._statements = tree.defs
            self._values = {}
            for statement in tree.defs:
                self._read(statement)
        return self._values.get(name)

    def _read(self, statement: Statement) -> None:
        if isinstance(statement, (FuncDef, Decorator, OverloadedFuncDef, ClassDef)):
            return
        if isinstance(statement, AssignmentStmt):
            target = statement.lvalues[0]
            if len(statement.lvalues) == 1 and isinstance(target, NameExpr):
                self._values[target.name] = None if target.name in self._values else statement.rvalue
                return
            changed = [node for target in statement.lvalues for node in mypy_api.walk(target)]
        else:
            changed = list(mypy_api.walk(statement))
        for node in changed:
            if isinstance(node, NameExpr):
                self._values[node.name] = None


_CONSTANTS: Final = _Constants()


def _assigns(statement: AssignmentStmt, name: str) -> bool:
    return any(isinstance(target, NameExpr) and target.name == name for target in statement.lvalues)


def truth_of(node: Expression) -> bool | None:
    """Return the value of a literal True or False; None for any other expression."""
    if isinstance(node, NameExpr) and node.fullname in ("builtins.True", "builtins.False"):
        return node.fullname == "builtins.True"
    return None
