"""What mypy is told to check, and how: the project's configuration where there is one, and else what suits most."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Generator, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from dddkit._requirements import require
from dddkit.cli._failure import CommandError
from dddkit.cli._root import root_of_project

if TYPE_CHECKING:
    from mypy.fscache import FileSystemCache
    from mypy.modulefinder import BuildSource
    from mypy.options import Options

OLDEST_MYPY: Final = (1, 19)

_PLUGIN: Final = "dddkit_mypy"
_NEVER_READ: Final = ("__pycache__", "site-packages", "node_modules")
"""Folders that mypy leaves out itself, beside those whose names begin with a dot."""
_OUR_PLUGIN: Final = "dddkit.cli._mypy.plugin"
CACHE: Final = ".dddkit_cache"


def require_mypy() -> None:
    """Raise unless mypy is installed, and new enough for the plugin."""
    require("mypy", extra="mypy")
    from mypy.version import __version__

    found = tuple(int(part) for part in re.findall(r"\d+", __version__)[:2])
    if found < OLDEST_MYPY:
        oldest = ".".join(map(str, OLDEST_MYPY))
        raise CommandError(
            f"mypy {__version__} is too old, mypy {oldest} or newer is needed: pip install -U 'dddkit[mypy]'"
        )


@dataclass(frozen=True)
class Plan:
    """What the user has asked for."""

    paths: Sequence[str] = ()
    enabled: Sequence[str] = ()
    disabled: Sequence[str] = ()
    python: str | None = None
    cache: str | None = CACHE
    """The folder of the cache, beside the configuration; None for no cache."""
    is_of_project: bool = False
    """Whether all of the project is meant, where no paths are given, and not the current folder alone."""


@dataclass(frozen=True)
class Project:
    """What mypy is going to check."""

    root: Path
    """The folder that mypy runs in: that of the configuration."""
    sources: Sequence[BuildSource]
    options: Options
    fscache: FileSystemCache
    warnings: Sequence[str]
    """What mypy has to say of the configuration."""


@contextmanager
def open_project(plan: Plan) -> Generator[Project, None, None]:
    """Yield what mypy is going to check; in the block, the current folder is the root of the project.

    mypy reads the paths in a configuration from the current folder, so only there all of them mean what they should.

    Raises:
        CommandError: a path does not exist, or mypy refuses the configuration.
    """
    for path in plan.paths:
        if not os.path.exists(path):  # a file or folder, whatever it is called
            raise CommandError(f"{path} does not exist")
    here = Path.cwd()
    if plan.python is not None and os.path.dirname(plan.python):  # a path, which is one of this folder
        plan = replace(plan, python=os.path.abspath(plan.python))
    configuration, problems = _configuration(plan)
    if configuration is None and problems:  # mypy goes on without it; that may hide what was to be found
        raise CommandError(f"mypy cannot read its configuration: {problems[0]}")
    is_of_project = configuration is not None and not _is_of_user(configuration)
    root = configuration.parent if configuration is not None and is_of_project else root_of_project(here)
    paths = [os.path.relpath(here / path, root) for path in plan.paths]
    if not paths and root != here and not plan.is_of_project:
        paths = [os.path.relpath(here, root)]
    os.chdir(root)
    try:
        yield _project(plan, root, paths)
    finally:
        os.chdir(here)


def _project(plan: Plan, root: Path, paths: Sequence[str]) -> Project:
    from mypy.find_sources import InvalidSourceList, create_source_list
    from mypy.fscache import FileSystemCache

    options, sources, warnings = _options(plan)
    if options.config_file is None:
        _suit_most(options)
    _have_plugin(options)
    _check_only(options, plan)
    fscache = FileSystemCache()
    if paths or not sources:
        given = [os.path.abspath(path) for path in paths or ["."]]  # so mypy reads what git ignores also above the root
        loops = [link for path in given for link in _loops(path, {os.path.realpath(path), *_folders_above(path)})]
        options.exclude += [f"^{re.escape(PurePath(os.path.relpath(link)).as_posix())}/$" for link in loops]
        try:
            sources = create_source_list(given, options, fscache)
        except InvalidSourceList as error:
            raise CommandError(str(error).replace(f"{root}{os.sep}", "")) from error
        for source in sources:
            if source.path is not None:
                source.path = os.path.relpath(source.path)  # so that the cache may move with the project
    return Project(root, sources, options, fscache, warnings)


def _loops(folder: str, around: AbstractSet[str]) -> Iterator[str]:
    """Yield the links under a folder that lead to one around them: mypy would follow them as deep as it can."""
    real = os.path.realpath(folder)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _NEVER_READ or not entry.is_dir():
                continue
            target = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(real, entry.name)
            if target in around:
                yield entry.path
            else:
                yield from _loops(entry.path, {*around, target})


def _folders_above(path: str) -> Iterator[str]:
    return map(str, Path(path).resolve().parents)


def _options(plan: Plan) -> tuple[Options, list[BuildSource], list[str]]:
    """Return mypy's options, the sources that its configuration names, and what it prints about it."""
    from mypy.main import process_options

    arguments = ["--no-error-summary"]
    for option, values in (("--enable-error-code", plan.enabled), ("--disable-error-code", plan.disabled)):
        for value in values:
            arguments += [option, value]
    if plan.python is not None:
        arguments += ["--python-executable", plan.python]
    printed = io.StringIO()
    try:
        sources, options = process_options(arguments, stdout=printed, stderr=printed, require_targets=False)
    except SystemExit as end:
        raise CommandError(f"mypy cannot start: {_last_line(printed.getvalue())}") from end
    return options, sources, printed.getvalue().splitlines()


def _suit_most(options: Options) -> None:
    """Set what makes mypy find its way without a configuration: namespace packages, src layout, two `main.py`."""
    options.namespace_packages = True
    options.explicit_package_bases = True
    options.mypy_path = [folder for folder in ("src", "lib") if Path(folder).is_dir()]
    options.exclude = [r"(^|/)build/(lib|bdist)\b"]
    options.exclude_gitignore = True
    options.check_untyped_defs = True
    options.config_file = "pyproject.toml"  # mypy loads plugins only where it has a configuration


def _have_plugin(options: Options) -> None:
    """Put our plugin, which also marks what the rules do not report, in the place of the usual one."""
    others = [name for name in options.plugins if not _is_our_plugin(name)]
    options.plugins = [*others, _OUR_PLUGIN]


def _is_our_plugin(name: str) -> bool:
    path = PurePath(name.removesuffix(":plugin"))
    return path.name == _PLUGIN or (path.name == "__init__.py" and path.parent.name == _PLUGIN)


def _check_only(options: Options, plan: Plan) -> None:
    """Switch off what a configuration wants of mypy beside diagnostics."""
    options.output = "json"
    options.cache_dir = os.devnull if plan.cache is None else plan.cache
    options.incremental = plan.cache is not None
    options.many_errors_threshold = -1  # else it hides errors where an import is missing
    options.show_error_code_links = False
    options.show_error_context = False
    options.cache_fine_grained = False
    options.warn_unused_configs = False
    options.warn_unused_ignores = False
    options.report_dirs = {}
    options.junit_xml = None
    options.install_types = False
    options.non_interactive = False
    options.verbosity = 0
    if getattr(options, "num_workers", 0):  # not in mypy 1.19
        options.num_workers = 0  # they need more set-up than this, and a warm run has nothing for them to do


def _configuration(plan: Plan) -> tuple[Path | None, list[str]]:
    """Return the configuration that mypy finds, and what it has to say of it."""
    options, _, printed = _options(plan)
    return None if options.config_file is None else Path(options.config_file).resolve(), printed


def _is_of_user(configuration: Path) -> bool:
    from mypy import defaults

    return any(configuration == Path(path).expanduser().resolve() for path in defaults.USER_CONFIG_FILES)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return _sentence(lines[-1]) if lines else "it does not say why"


def _sentence(text: str) -> str:
    return re.sub(r"^(mypy: )?error: ", "", text.strip())
