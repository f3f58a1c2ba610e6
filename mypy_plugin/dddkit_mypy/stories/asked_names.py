"""Which attributes a function asks an object for before it uses them, in one walk."""

from __future__ import annotations

from typing import Final

from mypy.nodes import (
    ARG_STAR2,
    AssignmentStmt,
    CallExpr,
    ComparisonExpr,
    Decorator,
    Expression,
    ForStmt,
    FuncDef,
    IndexExpr,
    MemberExpr,
    Node,
    OpExpr,
    RefExpr,
    StrExpr,
    TryStmt,
    TupleExpr,
    TypeAlias,
    TypeInfo,
    WithStmt,
)
from mypy.types import CallableType, Type, get_proper_type

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.stories.catching import catches, suppresses


class AskedNames:
    """What a function, or a module, says about the attributes that objects have."""

    def __init__(self, node: Node) -> None:
        self.names: Final[set[str]] = set()
        """The attributes that it asks for by name, or reads where a missing one is caught."""
        self.any = False
        """Whether it may ask for any other."""
        self.assigned: Final[set[int]] = set()
        """The ids of what it assigns to."""
        self.keywords: Final[dict[int, str]] = {}
        """The keywords in its patterns, by the ids of what they stand for."""
        self.stories: Final[dict[str, str | None]] = {}
        """For rules: what they have found out about classes in this function."""
        self._understood: Final[set[int]] = set()
        """The ids of the dictionaries of objects that are used in a way which says what for."""
        to_do: list[tuple[Node, bool]] = [(node, False)]
        while to_do:
            node, is_caught = to_do.pop()
            caught_block = self._read(node, is_caught)
            children = [(child, is_caught or child is caught_block) for child in mypy_api.children(node)]
            to_do += reversed(children)

    def _read(self, node: Node, is_caught: bool) -> Node | None:
        """Read one node; return the block in it in which missing attributes are caught."""
        if isinstance(node, MemberExpr):
            if is_caught and id(node) not in self.assigned:
                self.names.add(node.name)
            if _is_dictionary(node) and id(node) not in self._understood:
                self.any = True
        elif isinstance(node, CallExpr):
            self._read_call(node)
        elif isinstance(node, ComparisonExpr):
            for operator, left, right in zip(node.operators, node.operands, node.operands[1:], strict=False):
                if operator in ("in", "not in"):
                    self._read_dictionary(right, [left])
        elif isinstance(node, IndexExpr):
            self._read_dictionary(node.base, [node.index])
        elif isinstance(node, AssignmentStmt):
            self._assign(*node.lvalues)
        elif isinstance(node, ForStmt):
            self._assign(node.index)
        elif isinstance(node, mypy_api.ClassPattern):
            self._add_protocols(node.class_ref)
            if node.class_ref.fullname in (names.SIMPLE_NAMESPACE, "builtins.object"):
                self.names.update(node.keyword_keys)
            self.keywords.update(zip(map(id, node.keyword_values), node.keyword_keys, strict=True))
        elif isinstance(node, TryStmt):
            if any(map(catches, node.types)):
                return node.body
        elif isinstance(node, WithStmt):
            self._assign(*(target for target in node.target if target is not None))
            if any(map(suppresses, node.expr)):
                return node.body
        return None

    def _read_call(self, node: CallExpr) -> None:
        callee = node.callee
        called = callee.fullname if isinstance(callee, RefExpr) else ""
        if called in names.ATTRIBUTE_FUNCTIONS and len(node.args) > 1:
            self._add(node.args[1])
        elif called in ("builtins.isinstance", "builtins.issubclass") and len(node.args) > 1:
            self._add_protocols(node.args[1])
        elif isinstance(callee, RefExpr) and isinstance(callee.node, (FuncDef, Decorator)):
            self._add_narrowed(callee.node.type)
        if isinstance(callee, MemberExpr):
            self._read_dictionary(callee.expr, node.args, node.arg_names)
        is_harmless = called.startswith("builtins.") or (
            isinstance(callee, MemberExpr) and isinstance(callee.expr, StrExpr)
        )
        for kind, argument in zip(node.arg_kinds, node.args, strict=True):
            if is_harmless or kind == ARG_STAR2:
                self._understood.add(id(argument))
        if _is_dictionary(node) and id(node) not in self._understood:
            self.any = True

    def _read_dictionary(
        self, expr: Expression, keys: list[Expression], keywords: list[str | None] | None = None
    ) -> None:
        """Add the keys that are asked for, where the expression is the dictionary of an object."""
        if isinstance(expr, CallExpr) and isinstance(expr.callee, MemberExpr) and expr.callee.name == "keys":
            expr = expr.callee.expr
        if not _is_dictionary(expr):
            return
        self._understood.add(id(expr))
        for number, key in enumerate(keys):
            keyword = keywords[number] if keywords else None
            if keyword is not None:
                self.names.add(keyword)
            elif number == 0:
                self._add(key)

    def _add(self, name: Expression) -> None:
        if isinstance(name, StrExpr):
            self.names.add(name.value)
        else:
            self.any = True

    def _add_protocols(self, classes: Expression) -> None:
        """Add the members of protocols: mypy takes a namespace, which may have any attribute, for one of each."""
        if isinstance(classes, TupleExpr):
            for item in classes.items:
                self._add_protocols(item)
        elif isinstance(classes, OpExpr):
            self._add_protocols(classes.left)
            self._add_protocols(classes.right)
        elif isinstance(classes, RefExpr) and isinstance(classes.node, TypeInfo):
            self._add_members(classes.node)
        elif isinstance(classes, RefExpr) and isinstance(classes.node, TypeAlias):
            self._add_members(*mypy_api.classes_in(classes.node.target))
        else:
            self.any = True

    def _add_narrowed(self, type_: Type | None) -> None:
        found = get_proper_type(type_)
        if isinstance(found, CallableType) and found.type_is is not None:
            self._add_members(*mypy_api.classes_in(found.type_is))

    def _add_members(self, *classes: TypeInfo) -> None:
        for info in classes:
            if info.is_protocol:
                self.names.update(name for base in info.mro if base.is_protocol for name in base.names)

    def _assign(self, *targets: Expression) -> None:
        self.assigned.update(id(part) for target in targets for part in mypy_api.assigned_parts(target))


def _is_dictionary(node: Expression) -> bool:
    """Whether an expression is all attributes of an object, or their names."""
    if isinstance(node, CallExpr):
        callee = node.callee
        return bool(node.args) and isinstance(callee, RefExpr) and callee.fullname in ("builtins.vars", "builtins.dir")
    return isinstance(node, MemberExpr) and node.name == "__dict__"


def asked_names(checker: mypy_api.TypeChecker) -> AskedNames:
    """Return what the current function asks for, the outermost one where functions are nested; else the module."""
    node = mypy_api.outermost_function(checker)
    is_module = node is checker.tree
    known = _LAST.get(is_module)
    if known is None or known[0] is not node or known[1] is not checker.scope:
        # The daemon changes functions in place; each time it checks a module, the scope is a new one.
        known = _LAST[is_module] = (node, checker.scope, AskedNames(node))
    return known[2]


_LAST: Final[dict[bool, tuple[Node, object, AskedNames]]] = {}
"""The current module and the current function, so that each is read once and not at every attribute."""
