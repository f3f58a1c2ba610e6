"""The recipes for other libraries work: their files, their commands, and what these print."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.house.pages import CHECKERS, Reader, blocks, chapters, links, text_of, without_times

RECIPES = "docs/recipes.md"
LOGGING = "docs/recipes_logging.md"
PAGES = [RECIPES, LOGGING]
EACH = [(page, title) for page in PAGES for title in sorted(chapters(page))]

pytestmark = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")


@pytest.mark.slow
@pytest.mark.parametrize(("page", "title"), EACH, ids=[title for _, title in EACH])
def test_the_command_of_a_recipe_prints_what_is_quoted(page: str, title: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path, {"PYTHONWARNINGS": "error"})
    for block in chapters(page)[title]:
        if block.language == "python":
            reader.take(block)
            continue
        for command, expected in block.commands:
            printed, status = reader.enter(command)
            assert (command, _stable(printed), status) == (command, _stable(expected), 0)


def _stable(printed: str) -> str:
    """Leave out what is different each time: how long tests took, the ids of runs, the paths in a traceback."""
    shortened = re.sub(r'(": "Traceback \(most recent call last\):)(?:[^"\\]|\\.)*', r"\1 ...", without_times(printed))
    ids: dict[str, int] = {}
    return re.sub(r"\b[0-9a-f]{32}\b", lambda found: f"run {ids.setdefault(found[0], len(ids))}", shortened)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("checker", CHECKERS)
def test_checkers_find_nothing_in_the_files(checker: str, page: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    reader.take_files(page)
    printed, status = reader.check(checker)
    errors = [line for line in printed.splitlines() if " - error: " in line]
    # What dishka and svcs leave without a type, in pyright's strict mode.
    untyped = r'Type of "(provide|register_factory)" is partially unknown'
    assert status == 0 or (errors and all(re.search(untyped, error) for error in errors)), printed


@pytest.mark.parametrize("page", PAGES)
def test_each_recipe_has_files_with_names_and_a_command(page: str) -> None:
    for title, found in chapters(page).items():
        assert (title, {block.language for block in found}) == (title, {"python", "console"})
    assert text_of(page).count("```") == 2 * len(blocks(page))
    assert [block.line for block in blocks(page) if block.language == "python" and block.file is None] == []


@pytest.mark.parametrize(
    ("page", "recipe"),
    [
        ("docs/undoing.md", RECIPES),
        ("docs/testing.md", RECIPES),
        ("docs/persistence_recipes.md", RECIPES),
        ("docs/observability.md", LOGGING),
        (RECIPES, LOGGING),
    ],
)
def test_other_pages_say_where_the_recipes_are(page: str, recipe: str) -> None:
    assert recipe.removeprefix("docs/") in links(page)
