"""docs/architecture.md shows the modules that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.pages import ROOT, blocks, links

PAGE = "docs/architecture.md"
PACKAGES = {"src/dddkit": ROOT / "src" / "dddkit", "mypy_plugin/dddkit_mypy": ROOT / "mypy_plugin" / "dddkit_mypy"}


def shown() -> set[Path]:
    """Return the files and folders in the tree on the page."""
    (tree,) = (block.text for block in blocks(PAGE) if block.language == "text")
    found: set[Path] = set()
    folders: list[Path] = []
    for line in tree.splitlines():
        names = re.match(r"( *)((?:[\w./]+(?: |$))+)", line)
        assert names is not None, line
        depth = len(names[1]) // 2
        paths = [Path(*folders[:depth], name) for name in names[2].split()]
        found.update(paths)
        del folders[depth:]
        folders.append(Path(names[2].split()[0]))
    return found


def test_every_path_of_the_tree_exists() -> None:
    assert [str(path) for path in sorted(shown()) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_is_in_the_tree_itself_or_in_a_folder_that_the_tree_does_not_open(package: str) -> None:
    paths = shown()
    opened = {path.parent for path in paths}
    modules = [path.relative_to(ROOT) for path in PACKAGES[package].rglob("*.py") if not path.name.startswith("__")]
    missing = [module for module in modules if module.parent in opened and module not in paths]
    assert [str(module) for module in missing] == []


@pytest.mark.parametrize("link", sorted(links(PAGE)))
def test_every_file_that_the_page_names_is_there(link: str) -> None:
    assert (ROOT / PAGE).parent.joinpath(link).exists()
