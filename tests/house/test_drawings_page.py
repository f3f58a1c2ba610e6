"""Every code block of docs/drawings.md works as the page says, and its pictures are those of the shop."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.house.pages import CHECKERS, ROOT, Reader, blocks, links, text_of

PAGE = "docs/drawings.md"

needs_processes = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")


@pytest.mark.slow
@needs_processes
def test_every_command_of_the_page_prints_what_is_quoted(tmp_path: Path) -> None:
    if shutil.which("sed") is None:
        pytest.skip("the page edits a file with sed")
    reader = Reader(tmp_path)
    reader.configure("[project]\nname = 'shop'\n")
    for block in blocks(PAGE):
        if block.file is not None:
            reader.take(block)
        elif block.language == "console":
            for command, expected in block.commands:
                assert (command, reader.enter(command)[0]) == (command, expected)


@pytest.mark.slow
@needs_processes
def test_the_pictures_of_the_page_are_those_of_the_shop(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "shop", tmp_path / "examples" / "shop")
    shutil.copy(ROOT / PAGE, tmp_path)
    (tmp_path / "pyproject.toml").touch()
    assert Reader(tmp_path).enter("dddkit draw --check drawings.md") == ("", 0)


@pytest.mark.slow
@needs_processes
@pytest.mark.parametrize("checker", CHECKERS)
def test_checkers_find_nothing_in_the_story_of_the_page(checker: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    reader.take_files(PAGE)
    printed, status = reader.check(checker)
    assert status == 0, printed


@pytest.mark.parametrize("link", sorted(links(PAGE)))
def test_every_file_that_the_page_names_is_there(link: str) -> None:
    assert (ROOT / PAGE).parent.joinpath(link).exists()


def test_the_page_shows_the_hook_by_the_version_of_this_tree() -> None:
    from dddkit import __version__

    assert f"rev: v{__version__}\n" in text_of(PAGE)
