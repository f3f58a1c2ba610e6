"""Which modules of a project a drawing needs, and what mypy keeps of them."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from dddkit.cli._failure import CommandError
from dddkit.cli._mypy.project import Project
from dddkit.cli._wording import did_you_mean

if TYPE_CHECKING:
    from mypy.modulefinder import BuildSource


def sources_for(modules: Collection[str], project: Project) -> Project:
    """Return a project with what can be seen of these modules in a drawing: they themselves, and all but the tests.

    Tests count where one of the modules is a test itself.

    Raises:
        CommandError: there is no such module.
    """
    tests = any(map(_is_test, modules))
    sources = [source for source in project.sources if tests or not _is_test(source.module)]
    known = {source.module for source in sources}
    others = [name for name in modules if name not in known and not any(one.startswith(f"{name}.") for one in known)]
    return replace(project, sources=[*sources, *(_source_of(module, project) for module in others)])


def _is_test(module: str) -> bool:
    return any(
        part in ("test", "tests", "conftest") or part.startswith("test_") or part.endswith("_test")
        for part in module.split(".")
    )


def _source_of(module: str, project: Project) -> BuildSource:
    """Return a module that the configuration leaves out, or one that is installed."""
    from mypy.build import default_data_dir
    from mypy.modulefinder import BuildSource, FindModuleCache, compute_search_paths

    by_path = {source.path: source.module for source in project.sources}
    if (as_module := by_path.get(os.path.relpath(module))) is not None:
        raise CommandError(f"{module} is a path; write {as_module}")
    if all(part.isidentifier() for part in module.split(".")):
        paths = compute_search_paths([*project.sources], project.options, default_data_dir())
        path = FindModuleCache(paths, project.fscache, project.options).find_module(module)
        if isinstance(path, str) and os.path.isfile(path):
            return BuildSource(os.path.relpath(path), module)
    names = [source.module for source in project.sources]
    raise CommandError(f"there is no module {module} in {project.root}{did_you_mean(module, names)}")


def keep_trees(project: Project) -> None:
    """Have mypy read all sources anew, and keep their statements and the types of their expressions.

    Of other modules it keeps what its cache has, which is less, and takes much less time.
    """
    options = project.options
    options.export_types = options.preserve_asts = True
    of_modules = options.per_module_options
    of_modules["*.*"] = {**of_modules.get("*.*", {}), "preserve_asts": False}  # else it checks all that is installed
    for source in project.sources:
        of_modules[source.module] = {**of_modules.get(source.module, {}), "preserve_asts": True}
        of_modules[source.module]["check_untyped_defs"] = True  # a method without annotations has types as well
        source.text = _text(source, project)
    options.build_per_module_cache()


def _text(source: BuildSource, project: Project) -> str | None:
    """Return the text of a source, which makes mypy read it although its cache has it; None where it cannot be read."""
    from mypy.util import DecodeError, decode_python_encoding

    if source.path is None or not os.path.isfile(source.path):
        return None
    try:
        return decode_python_encoding(project.fscache.read(source.path))
    except (OSError, UnicodeDecodeError, DecodeError):
        return None
