"""`dddkit check` reports what mypy with the plugin reports of the kit, in each format."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from typecheck_tests.running import CONFIG, WITHOUT_DBOS

from tests.cli.running import run

ROOT: Final = Path(__file__).parents[2]
CORPUS: Final = ROOT / "typecheck_tests" / "corpus"
OPT_IN: Final = ("repeated-step", "unlisted-step", "mutable-field", "aggregate-reference")


class Found(NamedTuple):
    """One diagnostic, as every format has it."""

    file: str
    line: int
    code: str
    message: str


def by_mypy(folder: Path) -> list[Found]:
    """Return the diagnostics of mypy that concern the kit; all that nobody awaits here are stories."""
    command = [sys.executable, "-m", "mypy", "--output", "json", "--no-error-summary", "."]
    ran = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
    assert ran.returncode in (0, 1), ran.stderr
    errors: list[dict[str, Any]] = [json.loads(line) for line in ran.stdout.splitlines()]
    return sorted(
        Found(error["file"], error["line"], error["code"], error["message"])
        for error in errors
        if (error["code"] or "").startswith("dddkit-") or error["code"] == "unused-coroutine"
    )


def by_text(folder: Path) -> list[Found]:
    lines = run("check", folder=folder).out.splitlines()
    pattern = re.compile(r"(?P<file>[^:]+):(?P<line>\d+):\d+: error: (?P<message>.*)  \[(?P<code>[\w-]+)\]")
    found = filter(None, map(pattern.fullmatch, lines))
    return sorted(Found(match["file"], int(match["line"]), match["code"], match["message"]) for match in found)


def by_json(folder: Path) -> list[Found]:
    found = json.loads(run("check", "--format", "json", folder=folder).out)
    return sorted(Found(one["file"], one["line"], one["code"], one["message"]) for one in found)


def by_sarif(folder: Path) -> list[Found]:
    (log,) = json.loads(run("check", "--format", "sarif", folder=folder).out)["runs"]
    found: list[Found] = []
    for result in log["results"]:
        place = result["locations"][0]["physicalLocation"]
        message = result["message"]["text"].removesuffix("\nAre you missing an await?")
        found.append(Found(place["artifactLocation"]["uri"], place["region"]["startLine"], result["ruleId"], message))
    return sorted(found)


def by_github(folder: Path) -> list[Found]:
    pattern = re.compile(
        r"::error file=(?P<file>[^,]+),line=(?P<line>\d+),.*?title=(?P<code>[\w-]+)::(?P<message>.*?)(%0AAre you.*)?"
    )
    lines = run("check", "--format", "github", folder=folder).out.splitlines()
    found = filter(None, map(pattern.fullmatch, lines))
    return sorted(
        Found(match["file"], int(match["line"]), match["code"], match["message"].replace("%25", "%")) for match in found
    )


def configure(folder: Path, more: str = "") -> None:
    (folder / "mypy.ini").write_text(f"{CONFIG}explicit_package_bases = True\n{more}{WITHOUT_DBOS}")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """The corpus with its mistakes."""
    folder = shutil.copytree(CORPUS, tmp_path / "corpus")
    if sys.version_info < (3, 12):
        shutil.rmtree(folder / "py312")
    for module in (folder / "wrong").glob("*.py"):  # mypy checks them in a folder of their own
        module.rename(folder / f"wrong_{module.name}")
    (folder / "wrong").rmdir()
    configure(folder, f"enable_error_code = {','.join(f'dddkit-{name}' for name in OPT_IN)}\n")
    return folder


@pytest.mark.slow
def test_of_the_corpus_every_format_says_what_mypy_says(corpus: Path) -> None:
    expected = by_mypy(corpus)
    assert len({found.code for found in expected}) > 20
    assert {found.code for found in expected} >= {"unused-coroutine", "dddkit-unlisted-step"}
    for said in (by_text, by_json, by_sarif, by_github):
        assert said(corpus) == expected


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A copy of the shop, with the configuration of those who have none."""
    folder = tmp_path / "shop"
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    configure(folder)
    return folder


@pytest.mark.slow
def test_of_the_shop_there_is_nothing_to_say(shop: Path) -> None:
    assert (by_mypy(shop), by_json(shop)) == ([], [])
    (shop / "mypy.ini").unlink()
    assert run("check", folder=shop).code == 0


@pytest.mark.slow
def test_of_a_broken_shop_every_format_says_what_mypy_says(shop: Path) -> None:
    checkout = shop / "examples" / "shop" / "checkout.py"
    text = checkout.read_text()
    step = re.search(r"^    I\.(\w+)$", text, re.MULTILINE)
    assert step is not None
    checkout.write_text(text.replace(step[0], f"    I.{step[1]}x", 1))
    order = shop / "examples" / "shop" / "order.py"
    order.write_text(re.sub(r"self\.add_event\((.*)\)", r"\1", order.read_text(), count=1))
    (shop / "examples" / "caller.py").write_text(
        "from examples.shop.checkout import Checkout\n\n\n"
        "def sell(checkout: Checkout, state: Checkout.State) -> None:\n    checkout(state)\n"
    )
    expected = by_mypy(shop)
    assert {found.code for found in expected} >= {"dddkit-unknown-step", "dddkit-dropped-event", "unused-coroutine"}
    for said in (by_text, by_json, by_sarif, by_github):
        assert said(shop) == expected
