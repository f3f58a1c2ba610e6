"""Which stories may be steps of another one in their module, read once per module."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mypy.nodes import (
    AssignmentStmt,
    CallExpr,
    ClassDef,
    Decorator,
    FuncDef,
    LambdaExpr,
    MypyFile,
    NameExpr,
    RefExpr,
    SymbolNode,
    TypeInfo,
    Var,
)

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._record import Record
from dddkit_mypy.stories.declaration import is_story, steps_of

_WRAPPERS: Final = ("builtins.staticmethod", "builtins.classmethod")


class NestedStories:
    """The stories that are steps of the stories in a module, as far as the types of the steps show."""

    def __init__(self, module: MypyFile) -> None:
        self._module: Final = module.fullname
        self._any = False
        """Whether there is a step that may be any story: one of type Story, or of an unknown type."""
        self._classes: Final[set[str]] = set()
        self._bases: Final[set[str]] = set()
        """The bases of these classes, themselves included: an object of a base may be one of the class."""
        for node in mypy_api.walk(module):
            if isinstance(node, ClassDef) and is_story(node.info):
                steps = steps_of(node.info)
                for name in () if steps is None else steps.names:
                    symbol = node.info.get(name)
                    if symbol is not None:
                        self._add(symbol.node)

    def _add(self, node: SymbolNode | None) -> None:
        """Add what the value of a field or a property may be."""
        found: Iterable[TypeInfo] = ()
        if isinstance(node, Decorator) and node.func.is_property:
            found = mypy_api.classes_in(node.func.type)
        elif isinstance(node, Var) and node.is_inferred:  # mypy may not know its type yet
            self._add_value(node)
        elif isinstance(node, Var):
            found = mypy_api.classes_in(node.type)
        self._add_classes(found)

    def _add_value(self, node: Var) -> None:
        """Add what an attribute without annotation is, as far as the source of this module says."""
        for statement in node.info.defn.defs.body if node.info.module_name == self._module else ():
            if isinstance(statement, AssignmentStmt) and any(
                isinstance(target, NameExpr) and target.name == node.name for target in statement.lvalues
            ):
                value = statement.rvalue
                if isinstance(value, CallExpr) and isinstance(value.callee, RefExpr):
                    if isinstance(value.callee.node, TypeInfo) and value.callee.fullname not in _WRAPPERS:
                        self._add_classes([value.callee.node])
                        return
                    if value.callee.fullname in _WRAPPERS and value.args:
                        value = value.args[0]
                if isinstance(value, LambdaExpr) or (isinstance(value, RefExpr) and isinstance(value.node, FuncDef)):
                    return
        self._any = True

    def _add_classes(self, classes: Iterable[TypeInfo]) -> None:
        for found in classes:
            if found.fullname == names.STORY:
                self._any = True
            elif is_story(found):
                self._classes.add(found.fullname)
                self._bases.update(base.fullname for base in found.mro)

    def may_have(self, story: TypeInfo) -> bool:
        """Whether a story may be among them."""
        return self._any or story.fullname in self._bases or any(base.fullname in self._classes for base in story.mro)


def nested_stories(checker: mypy_api.TypeChecker) -> NestedStories:
    """Return the stories that are steps in the current module."""
    if not (_LAST and _LAST[0].scope is checker.scope):
        # The daemon changes modules in place; each time it checks one, the scope is a new one.
        _LAST[:] = [_Known(checker.scope, NestedStories(checker.tree))]
    return _LAST[0].found


class _Known(Record):
    scope: object
    found: NestedStories


_LAST: Final[list[_Known]] = []
"""What was found in the current module."""
