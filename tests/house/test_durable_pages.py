"""What the pages about durable stories show works: their files, their commands, and what these print."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.house.pages import CHECKERS, Block, Reader, blocks, chapters, links, without_times

if TYPE_CHECKING:
    from tests.servers.databases import PostgreSQL

PAGES = ["docs/durable.md", "docs/durable_running.md"]  # the second uses the files of the first

pytestmark = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")


def _chapters_with_commands() -> dict[str, list[Block]]:
    """Return the blocks of each chapter that runs something, with the files of the chapters before it."""
    files: list[Block] = []
    found: dict[str, list[Block]] = {}
    for page in PAGES:
        for title, listed in chapters(page).items():
            if any(block.language == "console" for block in listed):
                found[title] = [*files, *listed]
            files += [block for block in listed if block.language == "python"]
    return found


CHAPTERS = _chapters_with_commands()
ON_A_SERVER = "PostgreSQL"


@pytest.mark.slow
@pytest.mark.parametrize("title", [title for title in CHAPTERS if title != ON_A_SERVER])
def test_the_commands_of_a_chapter_print_what_is_quoted(title: str, tmp_path: Path) -> None:
    _follow(title, tmp_path, {})


@pytest.mark.slow
def test_the_commands_print_the_same_with_a_server(tmp_path: Path, postgresql: PostgreSQL) -> None:
    url = postgresql.url("psycopg").set(drivername="postgresql").render_as_string(hide_password=False)
    _follow(ON_A_SERVER, tmp_path, {"SHOP_DATABASE": url})


def _follow(title: str, folder: Path, environment: Mapping[str, str]) -> None:
    # What is killed writes nothing any more, so nothing may wait to be written.
    reader = Reader(folder, {"PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "1", **environment})
    for block in CHAPTERS[title]:
        if block.language == "python":
            reader.take(block)
            continue
        for command, expected in block.commands:
            printed, _ = reader.enter(f"timeout 60 sh -c '{command}'")
            assert (command, _as_quoted(printed)) == (command, _as_quoted(expected))


def _as_quoted(printed: str) -> str:
    """Leave out what is another each time."""
    return re.sub(r" of [\w.-]+, which is not running", " of a worker, which is not running", without_times(printed))


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_checkers_find_nothing_in_the_files(checker: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for page in PAGES:
        reader.take_files(page)
    printed, status = reader.check(checker)
    assert status == 0, printed


@pytest.mark.parametrize("page", PAGES)
def test_every_file_has_a_name_and_no_block_is_left_out(page: str) -> None:
    assert {block.language for block in blocks(page)} == {"python", "console"}
    assert [block.line for block in blocks(page) if block.language == "python" and block.file is None] == []


def test_the_readme_leads_to_the_first_page_and_that_to_the_second() -> None:
    assert PAGES[0] in links("README.md")
    assert Path(PAGES[1]).name in links(PAGES[0])


def test_every_link_of_the_pages_leads_somewhere() -> None:
    for page in PAGES:
        for link in links(page):
            assert (Path(page).parent / link).exists(), link
