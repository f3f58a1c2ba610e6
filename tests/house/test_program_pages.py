"""Every code block of the pages whose blocks are one program works as the page says."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.house.pages import CHECKERS, Block, Reader, blocks, chapters, links, text_of

if TYPE_CHECKING:
    from tests.servers.databases import PostgreSQL

EVENTS = "docs/events.md"
MARK = "#-- end of block --#"

pytestmark = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")
ON_A_SERVER = "PostgreSQL"  # the chapter that needs one
WITH_A_SERVER = ["docs/persistence.md", "docs/publishing.md"]
PAGES = [
    EVENTS,
    "docs/building_blocks.md",
    "docs/stories.md",
    "docs/undoing.md",
    "docs/messages.md",
    "docs/messages_lock.md",
    "docs/testing.md",
    "docs/existing_schemas.md",
    *WITH_A_SERVER,
]
every_page = pytest.mark.parametrize("page", PAGES)


def program(page: str, after_each: str = "", without: str = "") -> str:
    """Return all Python blocks as one program, each at its line of the page; leave a chapter out."""
    text = ""
    left_out = _blocks_of(page, without)
    for block in blocks(page):
        if block.language == "python" and block not in left_out:
            text += "\n" * (block.line - text.count("\n")) + block.text + after_each
    return text


def _blocks_of(page: str, title: str) -> list[Block]:
    return chapters(page).get(title, []) if title else []


@every_page
def test_fd8_the_blocks_print_what_the_page_shows(page: str, tmp_path: Path) -> None:
    _check_what_is_printed(page, tmp_path, without=ON_A_SERVER)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_A_SERVER)
def test_the_blocks_print_the_same_with_a_server(page: str, tmp_path: Path, postgresql: PostgreSQL) -> None:
    url = postgresql.url("asyncpg").render_as_string(hide_password=False)
    _check_what_is_printed(page, tmp_path, environment={"SHOP_DATABASE": url})


def _check_what_is_printed(
    page: str, folder: Path, without: str = "", environment: Mapping[str, str] | None = None
) -> None:
    (folder / "page.py").write_text(program(page, f"print({MARK!r})\n", without), encoding="utf-8")
    printed, status = Reader(folder, environment).enter("python -W error page.py")
    assert status == 0, printed
    left_out = _blocks_of(page, without)
    listed = [block for block in blocks(page) if block not in left_out]
    following = [*listed[1:], Block("", "", 0)]
    expected = [
        after.text if after.language == "text" else ""
        for block, after in zip(listed, following, strict=True)
        if block.language == "python"
    ]
    assert [_as_quoted(part.removeprefix("\n")) for part in printed.split(MARK)[:-1]] == expected


def _as_quoted(printed: str) -> str:
    """Leave out how long an outage has taken, which depends on the machine, and the lines of a traceback."""
    printed = re.sub(r"after \d+ s", "after 0 s", printed)
    return re.sub(r"(?<=\(most recent call last\):\n)(  .*\n)+", "  ...\n", printed)


@pytest.mark.slow
@every_page
@pytest.mark.parametrize("checker", CHECKERS)
def test_fd8_checkers_find_nothing_in_them(page: str, checker: str, tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(program(page), encoding="utf-8")
    printed, status = Reader(tmp_path).check(checker)
    assert status == 0, printed


def test_fd8_the_plugin_reports_the_event_that_is_not_folded(tmp_path: Path) -> None:
    (tmp_path / "mypy.ini").write_text("[mypy]\nplugins = dddkit_mypy\n", encoding="utf-8")
    right = program(EVENTS)
    folded = "    @handle_changes.register\n    def _(self, event: Order.Paid"
    assert right.count(folded) == 1
    (tmp_path / "page.py").write_text(right.replace(folded, "    def _(self, event: Order.Paid"), encoding="utf-8")
    assert "[dddkit-unhandled-event]" in Reader(tmp_path).enter("mypy --config-file mypy.ini page.py")[0]


@every_page
def test_no_block_is_left_out_of_these_tests(page: str) -> None:
    assert {block.language for block in blocks(page)} == {"python", "text"}
    assert text_of(page).count("```") == 2 * len(blocks(page))


@every_page
def test_fd8_the_readme_says_where_the_page_is(page: str) -> None:
    assert page in links("README.md")
