"""Modules in many styles, written by somebody who had not read the rules: correct ones, and ones with mistakes.

Each of the correct ones runs, and its assertions show that the story was called or the event recorded; mypy with the
plugin says nothing. Those for which it once did are named after their row: `fp7_early_return.py`. In the wrong ones, a
comment names what is reported in its line: `# E: dddkit-unknown-step`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from dddkit_mypy._codes import CATALOGUE
from typecheck_tests.modes import Project
from typecheck_tests.running import CONFIG, WITHOUT_DBOS

CORPUS: Final = Path(__file__).parent / "corpus"
WRONG: Final = CORPUS / "wrong"
_NEWER: Final = ["py312"] if sys.version_info < (3, 12) else []
"""Folders of modules whose syntax this Python does not know."""
_HEAVY: Final = ["fp5_sqlalchemy", "with_fastapi"]
"""Modules that import more than the rest together; the slow tests check them."""

_IMPORT_ALL: Final = """
import importlib, sys, traceback

sys.path.insert(0, "")
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception:
        print(name, traceback.format_exc())
"""
_WITHOUT_COLUMNS: Final = CONFIG.partition("show_")[0]
"""Before Python 3.12, the old parser gives what stands in an f-string the column of the whole string."""

_ERROR: Final = re.compile(r"^(?P<path>[^:]+):(?P<line>\d+):.*? error: .*\[(?P<code>[\w-]+)\]$", re.MULTILINE)
_EXPECTED: Final = re.compile(r"# E: (?P<codes>[\w, -]+)$")


def _modules() -> Iterator[str]:
    for path in sorted(CORPUS.rglob("*.py")):
        *folders, name = path.relative_to(CORPUS).with_suffix("").parts
        if not {"wrong", *_NEWER}.intersection(folders):
            yield ".".join(folders if name == "__init__" else [*folders, name])


def _said(
    directory: Path, scratch: Path, cache: Path, config: str = CONFIG, leave_out: Sequence[str] = (), more: str = ""
) -> str:
    """Check a folder as a user does; return all that mypy says but its summary."""
    (scratch / "mypy.ini").write_text(f"{config}explicit_package_bases = True\n{more}")
    command = [sys.executable, "-m", "mypy", "--config-file", str(scratch / "mypy.ini"), "--no-error-summary"]
    excluded = "|".join(rf"^{name}[./]" for name in ["wrong", *_NEWER, *leave_out])
    options = ["--cache-dir", str(cache), "--exclude", excluded, "."]
    run = subprocess.run([*command, *options], cwd=directory, capture_output=True, encoding="utf-8", check=False)
    return run.stdout + run.stderr


def test_each_false_alarm_has_five_modules() -> None:
    rows = Counter(match["row"] for name in _modules() if (match := re.match(r"(?P<row>fp\d+)_", name)))
    assert not [f"fp{number}" for number in range(1, 13) if rows[f"fp{number}"] < 5]


@pytest.mark.slow
def test_all_correct_modules_run() -> None:
    command = [sys.executable, "-B", "-W", "error", "-c", _IMPORT_ALL, *_modules()]
    run = subprocess.run(command, cwd=CORPUS, capture_output=True, encoding="utf-8", check=False)
    assert run.stdout + run.stderr == ""


def test_no_correct_module_is_reported(tmp_path: Path, known_packages: Path) -> None:
    cache = shutil.copytree(known_packages, tmp_path / "cache")
    assert _said(CORPUS, tmp_path, cache, leave_out=_HEAVY) == ""


@pytest.mark.slow
@pytest.mark.parametrize("plugins", ["pydantic.mypy, dddkit_mypy", "dddkit_mypy, pydantic.mypy"])
def test_no_correct_module_is_reported_beside_the_plugin_of_pydantic(tmp_path: Path, plugins: str) -> None:
    assert _said(CORPUS, tmp_path, tmp_path / "cache", CONFIG.replace("dddkit_mypy", plugins)) == ""


def test_mistakes_are_reported_where_the_comments_say(tmp_path: Path, known_packages: Path) -> None:
    said = _said(WRONG, tmp_path, shutil.copytree(known_packages, tmp_path / "cache"), more=WITHOUT_DBOS)
    reported = {(match["path"], int(match["line"]), match["code"]) for match in _ERROR.finditer(said)}
    expected = set(_expected())
    assert (reported - expected, expected - reported) == (set(), set()), said


@pytest.mark.slow
def test_every_mode_reports_the_same(tmp_path: Path, known_packages: Path) -> None:
    """Packages and stubs are left out. All are edited: a daemon that starts from a cache is silent about the others."""
    flat = [path for path in CORPUS.glob("*.py") if not path.name.startswith(("fp1_", "uses_"))]
    files = {path.name: path.read_text() for path in [*sorted(flat), *sorted(WRONG.glob("*.py"))]}
    project = Project(tmp_path / "project", files, _WITHOUT_COLUMNS, known_packages)
    try:
        for edit in ({}, {name: f"{text}\n# edited\n" for name, text in files.items()}):
            project.edit(edit)
            said = project.said()
            assert said == dict.fromkeys(said, said["cold"])
    finally:
        project.close()


def test_every_rule_has_mistakes() -> None:
    assert not {code.code for code in CATALOGUE} - {code for _, _, code in _expected()}


def _expected() -> Iterator[tuple[str, int, str]]:
    for path in WRONG.glob("*.py"):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if match := _EXPECTED.search(line):
                yield from ((path.name, number, code) for code in match["codes"].split(", "))
