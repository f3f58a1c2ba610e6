"""The recipes for persistence work: their files, their commands, and what these print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.house.pages import CHECKERS, Reader, blocks, chapters, links, without_times

if TYPE_CHECKING:
    from tests.servers.databases import PostgreSQL

PAGE = "docs/persistence_recipes.md"
CHAPTERS = chapters(PAGE)
SHOP = next(iter(CHAPTERS))
ON_A_SERVER = "Tenants on PostgreSQL"

pytestmark = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")


@pytest.mark.slow
@pytest.mark.parametrize("title", sorted(CHAPTERS.keys() - {SHOP, ON_A_SERVER}))
def test_the_commands_of_a_recipe_print_what_is_quoted(title: str, tmp_path: Path) -> None:
    _follow(title, Reader(tmp_path, {"PYTHONWARNINGS": "error"}))


@pytest.mark.slow
def test_the_recipe_for_postgresql_prints_what_is_quoted(tmp_path: Path, postgresql: PostgreSQL) -> None:
    url = postgresql.url("asyncpg").render_as_string(hide_password=False)
    _follow(ON_A_SERVER, Reader(tmp_path, {"PYTHONWARNINGS": "error", "SHOP_DATABASE": url}))


def _follow(title: str, reader: Reader) -> None:
    for block in [*CHAPTERS[SHOP], *CHAPTERS[title]]:
        if block.language == "python":
            reader.take(block)
            continue
        for command, expected in block.commands:
            assert (command, without_times(reader.enter(command)[0])) == (command, without_times(expected))


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


def test_the_tutorial_leads_to_the_recipes() -> None:
    assert "persistence_recipes.md" in links("docs/persistence.md")
