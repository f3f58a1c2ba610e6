"""Every code block of docs/command.md works as the page says."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.house.pages import Reader, blocks, links, text_of

PAGE = "docs/command.md"

pytestmark = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")


@pytest.mark.slow
def test_every_command_of_the_page_prints_what_is_quoted(tmp_path: Path) -> None:
    if shutil.which("sed") is None:
        pytest.skip("the page edits a file with sed")
    reader = Reader(tmp_path)
    reader.configure("[project]\nname = 'shop'\n")
    for block in blocks(PAGE):
        if block.file is not None or block.language == "toml":
            reader.take(block)
        elif block.language == "console":
            for command, expected in block.commands:
                assert (command, reader.enter(command)[0]) == (command, expected)


@pytest.mark.parametrize("link", sorted(links(PAGE)))
def test_every_file_that_the_page_names_is_there(link: str) -> None:
    assert (Path(__file__).parents[2] / PAGE).parent.joinpath(link).exists()


def test_the_page_shows_the_hook_by_the_version_of_this_tree() -> None:
    from dddkit import __version__

    assert f"rev: v{__version__}\n" in text_of(PAGE)
