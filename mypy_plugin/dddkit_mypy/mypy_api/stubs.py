"""Stubs leave out what runs: bodies, most decorators, private names, the steps that a story lists."""

from __future__ import annotations

from mypy.checker import TypeChecker
from mypy.nodes import TypeInfo

from dddkit_mypy.mypy_api.analysis import AnalysisScope
from dddkit_mypy.mypy_api.classes import is_never_edited


def comes_from_stub(info: TypeInfo, api: object) -> bool:
    """Whether a class or a base of it is declared in a stub, behind a scope of the analysis or the checker.

    The stubs that come with mypy do not count.
    """
    return any(is_in_stub(base, api) for base in info.mro)


def is_in_stub(info: TypeInfo, api: object) -> bool:
    """Whether a class itself is declared in a stub."""
    if is_never_edited(info):
        return False
    if isinstance(api, AnalysisScope):
        modules = api.analyzer.modules
    else:
        assert isinstance(api, TypeChecker)
        modules = api.modules
    module = modules.get(info.module_name)
    return module is not None and module.is_stub and not module.is_typeshed_file(api.options)
