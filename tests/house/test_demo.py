"""What `make demo` and `.ci/run` show to somebody who is new here."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.house.pages import ROOT, text_of

pytestmark = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The lines of each part of the demo, by its title."""
    run = subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "examples.demo"],
        cwd=ROOT,
        env={**os.environ, "MYPY_CACHE_DIR": str(tmp_path_factory.mktemp("cache"))},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    _, *found = re.split(r"^(?=== )", run.stdout.removesuffix(run.stdout.splitlines()[-1] + "\n"), flags=re.MULTILINE)
    return {part.partition("\n")[0].strip("= "): part.rstrip().splitlines() for part in found}


@pytest.mark.slow  # `make demo` checks most of it itself
def test_the_demo_shows_a_story_a_sale_a_refusal_failures_and_mypy(
    parts: dict[str, list[str]],
) -> None:
    assert list(parts) == [
        "1. A story",
        "2. A sale",
        "3. A declined card",
        "4. A capture that fails",
        "5. Processes that are killed",
        "6. A durable checkout",
        "7. What mypy catches",
    ]


@pytest.mark.slow  # `make demo` checks most of it itself
def test_each_part_of_the_demo_fits_on_a_screen(parts: dict[str, list[str]]) -> None:
    for title, lines in parts.items():
        assert len(lines) <= 25, title
        assert max(map(len, lines)) <= 120, title


@pytest.mark.slow  # `make demo` checks most of it itself
def test_the_story_of_the_demo_is_quoted_from_the_shop(parts: dict[str, list[str]]) -> None:
    source = text_of("examples/shop/checkout.py").splitlines()
    quoted = [line for line in parts["1. A story"][3:] if line.strip() != "..."]
    assert quoted[1] == "class Checkout(Story):"
    assert [line for line in quoted if line not in source] == []


def test_the_demo_needs_no_more_than_its_own_dependencies() -> None:
    metadata = text_of("pyproject.toml")
    (listed,) = re.findall(r"^demo = \[(.*?)\](?:  #.*)?$", metadata, re.MULTILINE)
    (extra,) = re.findall(r"^sqlalchemy = \[(.*?)^\]$", metadata, re.MULTILINE | re.DOTALL)
    packages = {name.replace("-", "_") for name in re.findall(r'"([\w-]+)', listed)}
    imported = {
        name
        for path in (ROOT / "examples").rglob("*.py")
        for name in re.findall(r"^(?:from|import) (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    imported |= set(re.findall(r'"([\w-]+)', extra))  # the unit of work of the shop imports them
    assert imported - set(sys.stdlib_module_names) - {"dddkit", "examples"} == packages - {"mypy"}


def test_ci_runs_commands_that_the_makefile_has() -> None:
    targets = re.findall(r"^run make (\S+)", text_of(".ci/run"), re.MULTILINE)
    assert {"lint", "test", "test-slow", "demo", "dashboards", "kill", "build"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:.*## ", text_of("Makefile"), re.MULTILINE), target


def test_the_fast_and_the_slow_tests_are_all_tests() -> None:
    makefile = text_of("Makefile")
    assert '-m "not slow"' in makefile
    assert re.search(r"-m slow$", makefile, re.MULTILINE)
