"""Thousands of mistakes, made at random places of correct modules: each is reported, by the rule it belongs to."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import pytest

from dddkit_mypy.rules import RULES
from typecheck_tests.correct import correct_blocks, correct_stories
from typecheck_tests.mistakes import MISTAKES, Mistake, mutants
from typecheck_tests.running import CONFIG, codes_in, run_mypy

OPT_IN: Final = {rule.code.code for rule in RULES if not rule.code.default_enabled}
CONFIG_WITH_ALL: Final = CONFIG + f"enable_error_code = {', '.join(sorted(OPT_IN))}\n"
SEEDS: Final = range(int(os.environ.get("DDDKIT_MISTAKES", "10")))
"""How many modules of each kind the mistakes are made in; a hundred give tens of thousands."""


class Mutant(NamedTuple):
    """A module with one mistake in it."""

    mistake: Mistake
    source: str


def _originals() -> list[str]:
    return [make(Random(seed)) for seed in SEEDS for make in (correct_blocks, correct_stories)]


def _check(directory: Path, known: Path, sources: Mapping[str, str]) -> dict[str, str]:
    """What mypy says about each module, checked in one run."""
    (directory / "mypy.ini").write_text(CONFIG_WITH_ALL)
    for name, source in sources.items():
        (directory / f"{name}.py").write_text(source)
    said: dict[str, list[str]] = {name: [] for name in sources}
    for line in run_mypy(directory, f"--cache-dir={shutil.copytree(known, directory / 'known')}", ".").splitlines():
        said[line.partition(".py:")[0]].append(line)
    return {name: "\n".join(lines) for name, lines in said.items()}


def test_correct_modules_draw_no_diagnostic(tmp_path: Path, known_packages: Path) -> None:
    said = _check(tmp_path, known_packages, {f"original{number}": source for number, source in enumerate(_originals())})
    assert not any(said.values()), "\n".join(filter(None, said.values()))


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, known_packages: Path) -> list[tuple[Mutant, str]]:
    """Every mutant, and what mypy says about it."""
    found = [
        Mutant(mistake, mutant)
        for source in _originals()
        for mistake in MISTAKES
        for mutant in mutants(source, mistake)
    ]
    said = _check(
        tmp_path_factory.mktemp("mutants"),
        known_packages,
        {f"mutant{number}": mutant.source for number, mutant in enumerate(found)},
    )
    return [(mutant, said[f"mutant{number}"]) for number, mutant in enumerate(found)]


@pytest.mark.parametrize("mistake", MISTAKES, ids=[f"{mistake.code}-{mistake.name}" for mistake in MISTAKES])
def test_a_mistake_is_reported_by_its_rule_and_by_no_other(mistake: Mistake, judged: list[tuple[Mutant, str]]) -> None:
    of_this_kind = [(mutant, said) for mutant, said in judged if mutant.mistake is mistake]
    assert of_this_kind
    for mutant, said in of_this_kind:
        ours = {code for code in codes_in(said) if code.startswith("dddkit") or code == mistake.code}
        assert ours - (OPT_IN - {mistake.code}) == {mistake.code}, f"{said}\n\n{mutant.source}"


def test_every_rule_has_a_mistake_of_its_own() -> None:
    codes = Counter(mistake.code for mistake in MISTAKES)
    assert {rule.code.code for rule in RULES} <= set(codes)
