"""What the checkers find that run no plugin of mypy's, on the story that docs/plugin.md shows their users."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from shlex import quote
from typing import Final

import pytest
from tests.house.pages import Reader, chapters, text_of

CHAPTER: Final = [block for block in chapters("docs/plugin.md")["Other type checkers"] if block.file]
STORY, SUBCLASS = CHAPTER

_PYTHON: Final = quote(sys.executable)
CHECKERS: Final = {
    "mypy": "mypy --config-file with_plugin.ini",
    "mypy without the plugin": "mypy --config-file without_plugin.ini",
    "pyright": f"pyright -p strict.json --pythonpath {_PYTHON}",
    "basedpyright": f"basedpyright -p strict.json --pythonpath {_PYTHON}",
    "ty": f"ty check --python {_PYTHON} --output-format concise",
    "pyrefly": f"pyrefly check --config pyrefly.toml --python-interpreter-path {_PYTHON} --output-format min-text",
    "zuban": f"zuban check --config-file without_plugin.ini --python-executable {_PYTHON}",
}
SETTINGS: Final = {
    "with_plugin.ini": "[mypy]\nplugins = dddkit_mypy\nstrict = True\n",
    "without_plugin.ini": "[mypy]\nstrict = True\n",
    "strict.json": '{"include": ["*.py"], "typeCheckingMode": "strict", "reportUnusedExpression": "error"}\n',
    "pyrefly.toml": 'preset = "strict"\n',
}

pytestmark = pytest.mark.slow

every_checker = pytest.mark.parametrize("checker", CHECKERS)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """A reader with every checker as strict as it gets."""
    for name, text in SETTINGS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return Reader(tmp_path)


def _check(checker: str, reader: Reader, *names: str) -> tuple[str, int]:
    # Told of a project, pyright checks what the project includes and takes no names.
    named = "" if " -p " in CHECKERS[checker] else " ".join(names)
    return reader.enter(f"{CHECKERS[checker]} {named}")


@every_checker
def test_the_story_is_clean(checker: str, reader: Reader) -> None:
    reader.take(STORY)
    printed, status = _check(checker, reader, "order.py")
    assert status == 0, printed


@every_checker
def test_a_subclass_with_steps_of_its_own_is_clean(checker: str, reader: Reader) -> None:
    reader.take(STORY)
    reader.take(SUBCLASS)
    printed, status = _check(checker, reader, "order.py", "express.py")
    assert status == 0, printed


@every_checker
def test_a_misspelt_step_is_reported(checker: str, reader: Reader) -> None:
    text = STORY.text.replace("I.charge\n", "I.chrge\n")
    (line,) = [number for number, code in enumerate(text.splitlines(), 1) if code.strip() == "I.chrge"]
    reader.take(STORY._replace(text=text))
    printed, status = _check(checker, reader, "order.py")
    assert status == 1
    assert set(re.findall(r"order\.py:(\d+)", printed)) == {str(line)}, printed
    assert "chrge" in printed


def _of_a_parent_that_is_not_frozen(reader: Reader, comment: str) -> None:
    reader.take(STORY._replace(text=STORY.text.replace("frozen=True, ", "")))
    reader.take(SUBCLASS._replace(text=re.sub(r"# ty: ignore.*", comment, SUBCLASS.text)))


@pytest.mark.parametrize("checker", ["pyright", "basedpyright", "ty"])
def test_the_checkers_that_the_page_names_want_to_be_told_of_the_override(checker: str, reader: Reader) -> None:
    _of_a_parent_that_is_not_frozen(reader, "")
    printed, status = _check(checker, reader, "order.py", "express.py")
    assert status == 1
    assert re.search("reportIncompatibleVariableOverride|incompatible-mutable-override", printed), printed


def test_ty_wants_to_be_told_of_the_override_by_a_frozen_parent_too(reader: Reader) -> None:
    reader.take(STORY)
    reader.take(SUBCLASS._replace(text=re.sub(r"# ty: ignore.*", "", SUBCLASS.text)))
    assert "incompatible-mutable-override" in _check("ty", reader, "order.py", "express.py")[0]


@pytest.mark.parametrize("checker", ["pyright", "basedpyright"])
def test_the_comment_that_the_page_gives_for_pyright_tells_it(checker: str, reader: Reader) -> None:
    (comment,) = re.findall(r"`(# pyright: ignore\[.*?\])`", text_of("docs/plugin.md"))
    _of_a_parent_that_is_not_frozen(reader, comment)
    printed, status = _check(checker, reader, "order.py", "express.py")
    assert status == 0, printed
