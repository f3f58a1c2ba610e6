"""What the pages about durable stories show works: their files, their commands, and what these print."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.house.pages import CHECKERS, Block, Reader, blocks, chapters, links

PAGE = "docs/durable.md"

pytestmark = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")


def _chapters_with_commands() -> dict[str, list[Block]]:
    """Return the blocks of each chapter that runs something, with the files of the chapters before it."""
    files: list[Block] = []
    found: dict[str, list[Block]] = {}
    for title, listed in chapters(PAGE).items():
        if any(block.language == "console" for block in listed):
            found[title] = [*files, *listed]
        files += [block for block in listed if block.language == "python"]
    return found


CHAPTERS = _chapters_with_commands()


@pytest.mark.slow
@pytest.mark.parametrize("title", sorted(CHAPTERS))
def test_the_commands_of_a_chapter_print_what_is_quoted(title: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path, {"PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "1"})  # what is killed prints nothing more
    for block in CHAPTERS[title]:
        if block.language == "python":
            reader.take(block)
            continue
        for command, expected in block.commands:
            printed, _ = reader.enter(command)
            assert (command, _without_times(printed)) == (command, _without_times(expected))


def _without_times(text: str) -> str:
    return re.sub(r" in \d+\.\d+s", "", text)


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_checkers_find_nothing_in_the_files(checker: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    reader.take_files(PAGE)
    printed, status = reader.check(checker)
    assert status == 0, printed


def test_every_file_has_a_name_and_no_block_is_left_out() -> None:
    assert {block.language for block in blocks(PAGE)} == {"python", "console"}
    assert [block.line for block in blocks(PAGE) if block.language == "python" and block.file is None] == []


def test_the_readme_leads_to_the_page() -> None:
    assert PAGE in links("README.md")
