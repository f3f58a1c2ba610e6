"""Every code block of docs/undoing.md works as the page says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.house.pages import Block, Reader, blocks, links, text_of

PAGE = "docs/undoing.md"
BLOCKS = blocks(PAGE)
MARK = "#-- end of block --#"

pytestmark = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")


def program(after_each: str = "") -> str:
    """Return all Python blocks as one program, each at its line of the page."""
    text = ""
    for block in BLOCKS:
        if block.language == "python":
            text += "\n" * (block.line - text.count("\n")) + block.text + after_each
    return text


def test_the_blocks_print_what_the_page_shows(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(program(f"print({MARK!r})\n"), encoding="utf-8")
    printed, status = Reader(tmp_path).enter("python -W error page.py")
    assert status == 0, printed
    following = [*BLOCKS[1:], Block("", "", 0)]
    expected = [
        after.text if after.language == "text" else ""
        for block, after in zip(BLOCKS, following, strict=True)
        if block.language == "python"
    ]
    assert [part.removeprefix("\n") for part in printed.split(MARK)[:-1]] == expected


@pytest.mark.parametrize("checker", ["mypy --strict --config-file mypy.ini", "pyright -p strict.json --pythonpath"])
def test_checkers_find_nothing_in_them(checker: str, tmp_path: Path) -> None:
    (tmp_path / "mypy.ini").write_text("[mypy]\nplugins = dddkit_mypy\n", encoding="utf-8")
    (tmp_path / "strict.json").write_text('{"include": ["*.py"], "typeCheckingMode": "strict"}', encoding="utf-8")
    (tmp_path / "page.py").write_text(program(), encoding="utf-8")
    argument = "page.py" if checker.startswith("mypy") else f"'{sys.executable}'"
    printed, status = Reader(tmp_path).enter(f"{checker} {argument}")
    assert status == 0, printed


def test_no_block_is_left_out_of_these_tests() -> None:
    assert {block.language for block in BLOCKS} == {"python", "text"}
    assert text_of(PAGE).count("```") == 2 * len(BLOCKS)


def test_the_readme_says_where_the_page_is() -> None:
    assert PAGE in links("README.md")
