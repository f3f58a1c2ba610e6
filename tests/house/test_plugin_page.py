"""Every code block of docs/plugin.md works as the page says."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.pages import ROOT, Block, Reader, blocks, chapters, links, text_of

PAGE = "docs/plugin.md"
BLOCKS = blocks(PAGE)
CHAPTERS = chapters(PAGE)
SWITCHED_ON = next(block for block in BLOCKS if block.language == "toml")

FILES = {block.file: block for block in BLOCKS if block.language == "python" and block.file}
REPORTED = {name for block in BLOCKS for name in re.findall(r"^([\w.]+\.py):\d+: error: ", block.text, re.MULTILINE)}


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Yield a reader that has enabled the plugin."""
    made = Reader(tmp_path)
    made.take(SWITCHED_ON)
    yield made
    if (tmp_path / ".dmypy.json").exists():
        made.enter("dmypy stop")


@pytest.mark.parametrize(
    "title", [pytest.param(title, marks=() if title == "Switch it on" else pytest.mark.slow) for title in CHAPTERS]
)
def test_every_command_of_a_chapter_prints_what_is_quoted(title: str, reader: Reader) -> None:
    for block in _files_first(CHAPTERS[title]):
        if block.language != "console":
            reader.take(block)
            continue
        for command, expected in block.commands:
            if command.startswith("pre-commit "):
                if shutil.which("git") is None:
                    pytest.skip("pre-commit looks for the files that git knows, and there is no git")
                reader.enter("git init --quiet && git add --all")
            assert (command, reader.enter(command)[0]) == (command, expected)


def _files_first(chapter: list[Block]) -> list[Block]:
    """Sort files first: a page may show a command before the file that it needs."""
    return sorted(chapter, key=lambda block: block.file is None)


@pytest.mark.parametrize("name", sorted(FILES.keys() - REPORTED))
def test_an_example_that_mypy_does_not_report_runs(name: str, reader: Reader) -> None:
    for block in FILES.values():
        reader.take(block)
    assert reader.enter(f"python -W error {name}") == ("", 0)


@pytest.mark.parametrize(
    ("name", "old", "new", "code"),
    [
        ("derived.py", "restock(self, state: Order)", "restock(self, state: State)", "valid-type"),
        ("hooks.py", "hooks: list[StoryHook] =", "hooks =", "arg-type"),
        ("fulfil.py", "Fulfil[Gift]", "Fulfil[Order]", "override"),
        ("fulfil.py", "-> Awaitable[None] | None", "-> None", "override"),
    ],
    ids=["a variable as State", "hooks of no type", "a narrower State", "an async step"],
)
def test_mypy_reports_what_the_page_says_it_would(name: str, old: str, new: str, code: str, reader: Reader) -> None:
    before = FILES[name].text
    assert old in before
    reader.take(FILES[name]._replace(text=before.replace(old, new)))
    assert f"[{code}]" in reader.enter(f"mypy {name}")[0]


LINTERS = next(block for block in CHAPTERS["Linters"] if block.language == "toml")
STORY = "order.py"
RUFF = "ruff check --quiet --output-format=concise"
# Conventions and refactorings are a question of style.
PYLINT = "pylint --score=n --disable=C,R"
BASEDPYRIGHT = "basedpyright"


def _with_all_of_ruff(toml: str) -> str:
    """Select the general rules, not those for one framework or style; the file's `ignore` stays."""
    table = "[tool.ruff.lint]\n"
    assert table in toml
    return toml.replace(
        table, f'{table}select = ["A", "B", "C4", "E", "F", "I", "N", "PIE", "PL", "RUF", "SIM", "UP"]\n'
    )


@pytest.mark.slow
@pytest.mark.parametrize("linter", [RUFF, PYLINT, BASEDPYRIGHT], ids=["ruff", "pylint", "basedpyright"])
def test_with_the_lines_for_linters_a_story_is_clean(linter: str, reader: Reader) -> None:
    reader.take(FILES[STORY])
    reader.configure(_with_all_of_ruff(LINTERS.text))
    printed, status = reader.enter(f"{linter} {STORY}")
    assert not status, printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("linter", "line", "code"),
    [
        (RUFF, '"B018",', "B018"),
        (RUFF, '"E741",', "E741"),
        (RUFF, '"RUF012",', "RUF012"),
        (PYLINT, "disable =", "pointless-statement"),
        (BASEDPYRIGHT, "reportAny =", "reportAny"),
    ],
    ids=lambda value: value.partition(" ")[0].strip('",'),
)
def test_each_of_the_lines_for_linters_is_needed(linter: str, line: str, code: str, reader: Reader) -> None:
    without, removed = re.subn(rf"^ *{re.escape(line)}.*\n", "", LINTERS.text, flags=re.MULTILINE)
    assert removed == 1
    reader.take(FILES[STORY])
    reader.configure(_with_all_of_ruff(without))
    printed, status = reader.enter(f"{linter} {STORY}")
    assert status
    assert code in printed


def test_the_lines_for_linters_are_all_tried() -> None:
    settings = re.findall(r"^ *(?!\[|ignore|\])(.+)", LINTERS.text, re.MULTILINE)
    assert len(settings) == 5


def test_mypys_daemon_does_not_know_the_codes_of_plugins_outside_of_sections(reader: Reader) -> None:
    """When this test fails, mypy has fixed the bug, and the page needs its advice no longer."""
    reader.take(FILES["register.py"])
    reader.configure(SWITCHED_ON.text + 'enable_error_code = ["dddkit-repeated-step"]\n')
    printed, status = reader.enter("dmypy run -- register.py")
    assert status
    assert "KeyError: 'dddkit-repeated-step'" in printed


def test_the_page_names_the_oldest_mypy_that_is_supported() -> None:
    (oldest,) = re.findall(r'^mypy = \["mypy>=([\d.]+)"\]', text_of("pyproject.toml"), re.MULTILINE)
    assert f"mypy {oldest} or newer" in text_of(PAGE)


def test_no_block_is_left_out_of_these_tests() -> None:
    assert text_of(PAGE).count("```") == 2 * len(BLOCKS)
    for block in BLOCKS:
        assert block.file or block.language in ("toml", "console"), block
    for chapter in CHAPTERS.values():
        entered = [command for block in chapter for command, _ in block.commands]
        if {"mypy .", "pre-commit run --all-files"}.isdisjoint(entered):
            assert all(block.file in " ".join(entered) for block in chapter if block.file), entered


@pytest.mark.parametrize("link", sorted(links(PAGE)))
def test_every_file_that_the_page_names_is_there(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
