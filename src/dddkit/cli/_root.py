"""Where a project begins."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_MARKS: Final = ("pyproject.toml", "setup.cfg", "setup.py", ".git", ".hg")


def root_of_project(here: Path) -> Path:
    """Return the nearest folder, from this one upwards, that looks like the root of a project; else this one."""
    return next((folder for folder in (here, *here.parents) if _is_root(folder)), here)


def root_of_repository(here: Path) -> Path:
    """Return the repository that a folder is in; the folder itself where there is none."""
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def _is_root(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in _MARKS)
