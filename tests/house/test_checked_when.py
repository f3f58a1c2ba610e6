"""What the page about the moments of checking shows is found at the moment that it says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.house.pages import ROOT, Block, Reader, blocks, text_of

PAGE = "docs/checked_when.md"
BLOCKS = blocks(PAGE)
NEXT = [*BLOCKS[1:], Block("", "", 0)]

pytestmark = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")


def _source(name: str) -> Block:
    (block,) = (block for block in BLOCKS if block.file == name)
    return block


@pytest.mark.parametrize(
    "name", [pytest.param("typed.py", marks=pytest.mark.slow), "signup.py"], ids=["without-the-plugin", "with-it"]
)
def test_mypy_says_what_is_quoted(name: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    source = _source(name)
    for block in BLOCKS:
        if block.language == "toml" and block.line < source.line:
            reader.take(block)
    reader.take(source)
    ((command, expected),) = NEXT[BLOCKS.index(source)].commands
    assert command == f"mypy {name}"
    assert reader.enter(command) == (expected, 1)


@pytest.mark.slow
def test_pyright_reports_the_same_lines_as_mypy_where_types_say_it(tmp_path: Path) -> None:
    source = _source("typed.py")
    Reader(tmp_path).take(source)
    printed, _ = Reader(tmp_path).check("pyright")
    lines = set(re.findall(r"typed\.py:(\d+):\d+ - error", printed))
    assert lines == set(re.findall(r"^typed\.py:(\d+): error", NEXT[BLOCKS.index(source)].text, re.MULTILINE))


def test_what_the_plugin_reports_is_refused_at_run_time_as_well(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    reader.take(_source("signup.py"))
    printed, _ = reader.enter("python signup.py")
    assert 'StoryDefinitionError: SignUp: I.chek_address names no step; did you mean "check_address"?' in printed


def test_the_blocks_about_later_moments_print_what_is_shown(tmp_path: Path) -> None:
    program, expected = "", ""
    for block, following in zip(BLOCKS, NEXT, strict=True):
        if block.language == "python" and block.file is None:
            program += "\n" * (block.line - program.count("\n")) + block.text
            assert following.language == "text"
            expected += following.text
    (tmp_path / "page.py").write_text(program, encoding="utf-8")
    assert Reader(tmp_path).enter("python -W error page.py") == (expected, 0)


def test_no_block_is_left_out_of_these_tests() -> None:
    assert {block.language for block in BLOCKS} == {"python", "text", "toml", "console"}
    assert text_of(PAGE).count("```") == 2 * len(BLOCKS)


def test_the_table_has_every_code_of_the_plugin() -> None:
    codes = r"`(dddkit-[a-z-]+)`"
    described = set(re.findall(codes, text_of("docs/rules.md")))
    assert described
    assert set(re.findall(codes, text_of(PAGE).partition("## The table")[2])) == described


def test_the_exceptions_that_it_names_are_there() -> None:
    exceptions = (ROOT / "src" / "dddkit" / "exceptions.py").read_text(encoding="utf-8")
    for name in set(re.findall(r"`(\w+Error)`", text_of(PAGE))) - {"TypeError", "ValueError", "RuntimeError"}:
        assert re.search(rf"^class {name}\(", exceptions, re.MULTILINE) or name == "FrozenInstanceError", name
