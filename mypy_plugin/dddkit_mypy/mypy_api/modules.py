"""Modules that mypy has loaded, and the classes in them."""

from __future__ import annotations

from collections.abc import Iterator

from mypy.checker import TypeChecker
from mypy.nodes import MypyFile, SymbolTable, TypeInfo

from dddkit_mypy.mypy_api.analysis import AnalysisScope


def module_named(api: object, name: str) -> MypyFile | None:
    """Return a loaded module; `api` is a scope of the analysis, or the checker."""
    modules = api.analyzer.modules if isinstance(api, AnalysisScope) else None
    if isinstance(api, TypeChecker):
        modules = api.modules
    return modules.get(name) if modules is not None else None


def classes_in_module(module: MypyFile) -> Iterator[TypeInfo]:
    """Yield the classes of a module, those in other classes too; not those that it imports, nor those in functions."""
    yield from _classes_in(module.names, module.fullname)


def _classes_in(names: SymbolTable, owner: str) -> Iterator[TypeInfo]:
    for name, symbol in names.items():
        if isinstance(symbol.node, TypeInfo) and symbol.node.fullname == f"{owner}.{name}" and "@" not in name:
            yield symbol.node
            yield from _classes_in(symbol.node.names, symbol.node.fullname)
