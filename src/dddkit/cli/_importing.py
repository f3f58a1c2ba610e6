"""Importing what a user has named as `module:name`."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from dddkit._callables import kind_of
from dddkit.cli._failure import CommandError
from dddkit.cli._root import root_of_project
from dddkit.cli._wording import did_you_mean

T = TypeVar("T")


def imported(place: str, kind: type[T]) -> T:
    """Import an object; without a name, the only one of its kind in the module.

    Raises:
        CommandError: there is no such module or object, the module fails while it is imported, or it is another kind.
    """
    module_name, _, name = place.partition(":")
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise CommandError(f"{place} is no module; write it as in shop.messages:catalog")
    module = _module(module_name)
    of_kind = [found for found, value in vars(module).items() if isinstance(value, kind)]
    if not name:
        if len(of_kind) != 1:
            how_many = f"several {kind.__name__}s" if of_kind else f"no {kind.__name__}"
            way_out = f"write {module_name}:{of_kind[0]}" if of_kind else "name another module"
            raise CommandError(f"{module_name} has {how_many}; {way_out}")
        name = of_kind[0]
    found: object = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise CommandError(f"{module_name} has no {name}{did_you_mean(name, of_kind)}") from None
    if not isinstance(found, kind):
        raise CommandError(f"{place} is no {kind.__name__}, but {kind_of(found)}{did_you_mean(name, of_kind)}")
    return found


def _module(name: str) -> ModuleType:
    _find_modules()
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: it must not end the command with an exit code of its own
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            root = root_of_project(Path.cwd())
            raise CommandError(f"there is no module {error.name} in {root} or in this environment") from None
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise CommandError(f"{name} fails while it is imported{_place(error)}: {text}") from None


def _place(error: BaseException) -> str:
    """Return the line of the project that raised, or has called what raised."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    root = root_of_project(Path.cwd())
    own = [frame for frame in frames if _is_own(Path(frame.filename), root)]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def _is_own(file: Path, root: Path) -> bool:
    return root in file.parents and "site-packages" not in file.parts


def _find_modules() -> None:
    """Have Python find the modules of the project as they would be found from its root, and with a src layout."""
    here = Path.cwd()
    root = root_of_project(here)
    while (here / "__init__.py").exists():  # its modules have names that begin with that of the package
        here = here.parent
    for folder in (root, root / "src", here):
        if folder.is_dir():
            path = str(folder)
            if path in sys.path:
                sys.path.remove(path)
            sys.path.insert(0, path)
