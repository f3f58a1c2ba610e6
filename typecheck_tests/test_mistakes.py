"""Thousands of mistakes, made at random positions of correct modules: each is reported by its own rule."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from itertools import chain, islice
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import pytest

from dddkit_mypy._index import all_rules
from typecheck_tests.correct import correct_blocks, correct_stories
from typecheck_tests.mistakes import MISTAKES, Mistake, mutants
from typecheck_tests.running import CONFIG, WITHOUT_DBOS, codes_in, run_mypy

RULES: Final = all_rules()

OPT_IN: Final = {rule.code.code for rule in RULES if not rule.code.default_enabled}
CONFIG_WITH_ALL: Final = CONFIG + f"enable_error_code = {', '.join(sorted(OPT_IN))}\n"
SEEDS: Final = range(int(os.environ.get("DDDKIT_MISTAKES", "10")))
"""One module of each kind for each seed, and every mistake wherever it can be made in it."""
QUICK: Final = 1
"""The seed of quick runs: there, a mistake is made once in each module where it is possible."""


class Mutant(NamedTuple):
    """A module with one mistake in it."""

    mistake: Mistake
    source: str


class Checked(NamedTuple):
    """What mypy prints about the modules of one seed, and about each mutant of them."""

    originals: list[str]
    mutants: list[tuple[Mutant, str]]


def _originals(seed: int) -> list[str]:
    return [make(Random(seed)) for make in (correct_blocks, correct_stories)]


def _check(directory: Path, known: Path, sources: Mapping[str, str]) -> dict[str, str]:
    """Return what mypy prints about each module, checked in one run."""
    (directory / "mypy.ini").write_text(CONFIG_WITH_ALL + WITHOUT_DBOS)
    for name, source in sources.items():
        (directory / f"{name}.py").write_text(source)
    said: dict[str, list[str]] = {name: [] for name in sources}
    for line in run_mypy(directory, f"--cache-dir={shutil.copytree(known, directory / 'known')}", ".").splitlines():
        said[line.partition(".py:")[0]].append(line)
    return {name: "\n".join(lines) for name, lines in said.items()}


@pytest.fixture(
    scope="module", params=[pytest.param(seed, marks=() if seed == QUICK else pytest.mark.slow) for seed in SEEDS]
)
def checked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, known_packages: Path) -> Checked:
    originals = _originals(request.param)
    places = 1 if request.param == QUICK else None
    found = [
        Mutant(mistake, mutant)
        for source in originals
        for mistake in MISTAKES
        for mutant in islice(mutants(source, mistake), places)
    ]
    sources = {f"original{number}": source for number, source in enumerate(originals)}
    sources |= {f"mutant{number}": mutant.source for number, mutant in enumerate(found)}
    said = _check(tmp_path_factory.mktemp("mutants"), known_packages, sources)
    return Checked(
        [said[f"original{number}"] for number in range(len(originals))],
        [(mutant, said[f"mutant{number}"]) for number, mutant in enumerate(found)],
    )


def test_correct_modules_draw_no_diagnostic(checked: Checked) -> None:
    assert not any(checked.originals), "\n".join(filter(None, checked.originals))


_every_mistake = pytest.mark.parametrize(
    "mistake", MISTAKES, ids=[f"{mistake.code}-{mistake.name}" for mistake in MISTAKES]
)


@_every_mistake
def test_a_mistake_is_reported_by_its_rule_and_by_no_other(mistake: Mistake, checked: Checked) -> None:
    for mutant, said in checked.mutants:
        if mutant.mistake is mistake:
            ours = {code for code in codes_in(said) if code.startswith("dddkit") or code == mistake.code}
            assert ours - (OPT_IN - {mistake.code}) == {mistake.code}, f"{said}\n\n{mutant.source}"


@_every_mistake
def test_a_mistake_can_be_made_in_some_module(mistake: Mistake) -> None:
    originals = chain.from_iterable(_originals(seed) for seed in SEEDS)
    assert any(mutant for source in originals for mutant in mutants(source, mistake))


def test_every_rule_has_a_mistake_of_its_own() -> None:
    codes = Counter(mistake.code for mistake in MISTAKES)
    assert {rule.code.code for rule in RULES} <= set(codes)
