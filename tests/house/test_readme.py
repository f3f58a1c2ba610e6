"""What the README shows works, each block alone, as somebody would try it."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.house.pages import CHECKERS, ROOT, Reader, blocks, links, text_of

PAGE = "README.md"
BLOCKS = blocks(PAGE)
EXAMPLE, FLAVOUR = (block for block in BLOCKS if block.language == "python")
(PRINTED,) = re.findall(r"# prints: (.*\n)", EXAMPLE.text)
PROSE = re.sub(r"^```.*?^```$", "", text_of(PAGE), flags=re.MULTILINE | re.DOTALL)

needs_processes = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")


def test_it_fits_on_a_screen_or_two() -> None:
    assert len(text_of(PAGE).splitlines()) <= 100


@needs_processes
def test_the_example_runs_when_it_is_pasted(tmp_path: Path) -> None:
    assert _run(tmp_path / "pasted.py", EXAMPLE.text) == (PRINTED, "")


def _models() -> str:
    """Return the example in the other flavour, made as the README says."""
    imported = "from dddkit.dataclasses import"
    (ours,) = (line for line in EXAMPLE.text.splitlines(keepends=True) if line.startswith(imported))
    models = _replaced(ours, FLAVOUR.text)
    for name in ("Member(Aggregate)", "Borrowed(AggregateEvent)"):
        models, decorators = re.subn(
            rf"^ *@dataclass\(.*\)\n(?= *class {re.escape(name)})", "", models, flags=re.MULTILINE
        )
        assert decorators == 1
    return models


@needs_processes
def test_the_example_runs_in_the_other_flavour_as_it_says(tmp_path: Path) -> None:
    assert _run(tmp_path / "models.py", _models()) == (PRINTED, "")


@needs_processes
def test_mypy_says_of_the_steps_in_the_wrong_order_what_is_quoted_and_nothing_else(tmp_path: Path) -> None:
    (quoted,) = (block.text for block in BLOCKS if block.language == "text")
    reader = Reader(tmp_path)
    reader.configure('[tool.mypy]\nplugins = ["dddkit_mypy"]\nstrict = true\n')
    (tmp_path / "borrow.py").write_text(_replaced("    I.find\n    I.lend\n", "    I.lend\n    I.find\n"), "utf-8")
    found = "Found 1 error in 1 file (checked 1 source file)\n"
    assert reader.enter("mypy borrow.py") == (quoted + found, 1)


@needs_processes
def test_a_misspelt_step_is_found_at_import_as_well(tmp_path: Path) -> None:
    printed, errors = _run(tmp_path / "borrow.py", _replaced("    I.lend\n", "    I.lned\n"))
    assert printed == ""
    assert 'StoryDefinitionError: Borrow: I.lned names no step; did you mean "lend"?' in errors


@pytest.mark.slow
@needs_processes
@pytest.mark.parametrize("checker", CHECKERS)
def test_checkers_find_nothing_in_the_example_in_both_flavours(checker: str, tmp_path: Path) -> None:
    (tmp_path / "borrow.py").write_text(EXAMPLE.text, encoding="utf-8")
    (tmp_path / "models.py").write_text(_models(), encoding="utf-8")
    printed, status = Reader(tmp_path).check(checker)
    assert status == 0, printed


def _replaced(right: str, wrong: str) -> str:
    assert EXAMPLE.text.count(right) == 1
    return EXAMPLE.text.replace(right, wrong)


def _run(path: Path, text: str) -> tuple[str, str]:
    path.write_text(text, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-X", "utf8", "-W", "error", str(path)], capture_output=True, encoding="utf-8", check=False
    )
    return run.stdout, run.stderr


def test_no_block_is_left_out_of_these_tests() -> None:
    assert [block.language for block in BLOCKS] == ["python", "text", "python"]
    assert text_of(PAGE).count("```") == 2 * len(BLOCKS)


def test_its_table_has_every_extra_and_every_package_that_it_names_is_there() -> None:
    metadata = text_of("pyproject.toml")
    section = metadata[metadata.index("[project.optional-dependencies]") :].partition("\n\n")[0]
    extras = set(re.findall(r"^([\w-]+) = \[", section, re.MULTILINE))
    rows = [row.split("|") for row in PROSE.splitlines() if row.startswith("| ")][1:]
    assert {extra for row in rows for extra in re.findall(r"`(\w+)`", row[3])} == extras
    for name in {name for row in rows for name in re.findall(r"dddkit[\w.]*(?=[`\"])", row[2])}:
        assert find_spec(name), name


def test_every_command_of_the_readme_exists() -> None:
    makefile, metadata = text_of("Makefile"), text_of("pyproject.toml")
    commands = re.findall(r"`((?:make|pip|dddkit) [^`]+)`", PROSE)
    assert {command.split()[0] for command in commands} == {"make", "pip", "dddkit"}
    for command in commands:
        if target := re.fullmatch(r"make ([\w-]+)", command):
            assert re.search(rf"^{target[1]}:", makefile, re.MULTILINE), command
        elif named := re.fullmatch(r"dddkit (\w+)", command):
            assert (ROOT / "src" / "dddkit" / "cli" / f"{named[1]}.py").exists(), command
        else:
            installed = re.fullmatch(r"pip install (?:dddkit|'dddkit\[([\w,]+)\]')", command)
            assert installed, command
            for extra in (installed[1] or "").split(","):
                assert not extra or re.search(rf"^{extra} = \[", metadata, re.MULTILINE), command


@pytest.mark.parametrize("link", sorted(links(PAGE)))
def test_every_file_that_the_readme_names_is_there(link: str) -> None:
    assert (ROOT / link).exists()
