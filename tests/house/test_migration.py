"""Programs that were written for dddkit 0.5.0, or for stories 5, and the pages that say what is different here."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.house.pages import CHECKERS, ROOT, Block, Reader, blocks, text_of

PROGRAMS = sorted((ROOT / "tests" / "house" / "of_0_5").glob("*.py"))
FROM_0_5 = "docs/migration_0_5.md"
FROM_STORIES = "docs/migration_stories.md"
MARK = "#-- end of program --#"
ONE_AFTER_THE_OTHER = f"""
import runpy, sys
for path in sys.argv[1:]:
    runpy.run_path(path, run_name="program")
    print({MARK!r})
"""
SHARED_DEFAULT = re.compile(r".*UserWarning: Pack: goods of Pack\.State is one object.*\n  class Pack\(Story\):\n")

pytestmark = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")


def run_here(*paths: Path) -> tuple[list[str], str]:
    """Run the programs one after the other in one new process; return what each prints, and the warnings."""
    run = subprocess.run(
        [sys.executable, "-X", "utf8", "-W", "error", "-W", "default::UserWarning", "-c", ONE_AFTER_THE_OTHER, *paths],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split(f"{MARK}\n")[:-1], run.stderr


def test_what_was_documented_for_0_5_0_does_the_same_here() -> None:
    printed, warned = run_here(*PROGRAMS)
    assert printed == [path.with_suffix(".out").read_text(encoding="utf-8") for path in PROGRAMS]
    assert SHARED_DEFAULT.fullmatch(warned), warned  # the one thing that is new about them


@pytest.fixture(scope="session")
def predecessors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with dddkit 0.5.0 and stories 5; what comes first on the path is imported."""
    folder = tmp_path_factory.mktemp("predecessors")
    wanted = ["dddkit==0.5.0", "stories==5.1.0"]
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target"]
    installed = subprocess.run([*command, folder, *wanted], capture_output=True, encoding="utf-8", check=False)
    assert installed.returncode == 0, installed.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_the_programs_are_such_that_0_5_0_runs_them(path: Path, predecessors: Path, tmp_path: Path) -> None:
    run = Reader(tmp_path, {"PYTHONPATH": str(predecessors)}).enter(f"python '{path}'")
    assert run == (path.with_suffix(".out").read_text(encoding="utf-8"), 0)


def before_and_after() -> list[tuple[Block, str, str]]:
    """Return the programs of the page about 0.5, each with what both versions print."""
    listed = [block for block in blocks(FROM_0_5) if block.language in ("python", "text")]
    assert [block.language for block in listed] == ["python", "text", "text"] * (len(listed) // 3)
    return [(listed[at], listed[at + 1].text, listed[at + 2].text) for at in range(0, len(listed), 3)]


def written(folder: Path, *programs: Block) -> list[Path]:
    paths: list[Path] = []
    for block in programs:
        Reader(folder).take(block)
        assert block.file is not None
        paths.append(folder / block.file)
    return paths


def test_1_0_prints_what_the_page_about_0_5_says(tmp_path: Path) -> None:
    programs = before_and_after()
    printed, warned = run_here(*written(tmp_path, *(block for block, _, _ in programs)))
    assert (printed, warned) == ([now for _, _, now in programs], "")


@pytest.mark.slow
def test_0_5_0_prints_what_the_page_says_of_it(predecessors: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path, {"PYTHONPATH": str(predecessors)})
    for block, before, _ in before_and_after():
        (path,) = written(tmp_path, block)
        assert (block.file, *reader.enter(f"python {path.name}")) == (block.file, before, 0)


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("page", [FROM_0_5, FROM_STORIES])
def test_checkers_find_nothing_in_the_programs(page: str, checker: str, tmp_path: Path) -> None:
    written(tmp_path, *(block for block in blocks(page) if block.language == "python" and block.file != "before.py"))
    printed, status = Reader(tmp_path).check(checker)
    assert status == 0, printed


def program_of_stories(name: str) -> tuple[Block, str]:
    listed = blocks(FROM_STORIES)
    ((block, following),) = ((block, following) for block, following in pairwise(listed) if block.file == name)
    return block, following.text


def test_the_program_from_stories_prints_what_the_page_shows(tmp_path: Path) -> None:
    programs = [program_of_stories(name) for name in ("after.py", "together.py")]
    printed, warned = run_here(*written(tmp_path, *(block for block, _ in programs)))
    assert (printed, warned) == ([shown for _, shown in programs], "")


@pytest.mark.slow
def test_stories_5_prints_what_the_page_says_of_it(predecessors: Path, tmp_path: Path) -> None:
    block, shown = program_of_stories("before.py")
    written(tmp_path, block)
    assert Reader(tmp_path, {"PYTHONPATH": str(predecessors)}).enter("python before.py") == (shown, 0)


@pytest.mark.parametrize("page", [FROM_0_5, FROM_STORIES])
def test_no_block_is_left_out_of_these_tests(page: str) -> None:
    assert {block.language for block in blocks(page)} == {"python", "text"}
    assert [block.line for block in blocks(page) if block.language == "python" and block.file is None] == []
    assert text_of(page).count("```") == 2 * len(blocks(page))
