"""Stubs leave out what runs: bodies, most decorators, private names, the steps that a story lists."""

from __future__ import annotations

from mypy.checker import TypeChecker
from mypy.nodes import MypyFile, TypeInfo

from dddkit_mypy.mypy_api.analysis import AnalysisScope
from dddkit_mypy.mypy_api.classes import is_never_edited

# Any `api` here is a scope of the analysis, or the checker.


def comes_from_stub(info: TypeInfo, api: object) -> bool:
    """Whether a class or a base of it is declared in a stub. The stubs that come with mypy do not count."""
    return any(is_in_stub(base, api) for base in info.mro)


def is_in_stub(info: TypeInfo, api: object) -> bool:
    """Whether a class itself is declared in a stub."""
    if is_never_edited(info):
        return False
    module, comes_with_mypy = _module(info.module_name, api)
    return module is not None and module.is_stub and not comes_with_mypy


def is_of_typeshed(module: str, api: object) -> bool:
    """Whether a module comes with mypy: one of the standard library, or of a library whose stubs mypy has."""
    return _module(module, api)[1]


def _module(name: str, api: object) -> tuple[MypyFile | None, bool]:
    """Return a module, and whether it comes with mypy."""
    if isinstance(api, AnalysisScope):
        modules = api.analyzer.modules
    else:
        assert isinstance(api, TypeChecker)
        modules = api.modules
    module = modules.get(name)
    return module, module is not None and module.is_typeshed_file(api.options)
