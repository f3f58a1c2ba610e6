"""Where the cases of the rules are, and the environment mypy runs in."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pytest_mypy_plugins.collect import YamlTestFile
from pytest_mypy_plugins.item import YamlTestItem

from typecheck_tests.modes import Files, Histories, History, SeededCaches, seeded_cache
from typecheck_tests.running import CONFIG, WITHOUT_DBOS, run_mypy

RULES = Path(__file__).parent / "rules"
QUICK = 20
"""So many cases of each rule run with `make test`."""


def pytest_configure(config: pytest.Config) -> None:
    # The cases run the `mypy` on the PATH: let it be the one of this interpreter, however pytest was started.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # They share one cache for what no case changes; with one for each session, no run sees what another left behind.
    config.option.mypy_testing_base = tempfile.mkdtemp(prefix="dddkit-cases-")
    ini = Path(config.option.mypy_testing_base) / "mypy.ini"
    ini.write_text((Path(__file__).parent / "mypy.ini").read_text() + WITHOUT_DBOS)
    config.option.mypy_ini_file = str(ini)


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.option.mypy_testing_base, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave some cases to `make test-slow`, since each starts a mypy.

    These are the cases of faults that were found once, and what goes beyond the first cases of a rule.
    """
    seen = Counter[Path]()
    for item in items:
        if isinstance(item, YamlTestItem):
            seen[item.path] += 1
            if seen[item.path] > QUICK or re.match(r"f[a-z]\d+_", item.name):
                item.add_marker(pytest.mark.slow)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect `rules/unknown_step.yml`, which has the name of its rule; pytest-mypy-plugins wants `test_` before it."""
    if file_path.parent == RULES and file_path.suffix == ".yml":
        # pytest leaves the keywords of its own constructor untyped
        return YamlTestFile.from_parent(parent, path=file_path)  # pyright: ignore[reportUnknownMemberType]
    return None


@pytest.fixture(scope="session")
def known_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of dddkit and of what programs import beside it, to be copied: half of each run is saved."""
    directory = tmp_path_factory.mktemp("known")
    (directory / "mypy.ini").write_text(CONFIG)
    imported = "abc, dataclasses, functools, types, attrs, pydantic, pydantic.dataclasses, collections.abc"
    (directory / "seed.py").write_text(f"import dddkit.dataclasses, dddkit.pydantic, dddkit.stories, {imported}\n")
    run_mypy(directory, "--cache-dir=cache", "seed.py")
    return directory / "cache"


@pytest.fixture(scope="session")
def seeded_caches(tmp_path_factory: pytest.TempPathFactory) -> SeededCaches:
    """Give the cache that a project with a configuration starts from."""
    made: dict[str, Path] = {}

    def give(config: str) -> Path:
        if config not in made:
            made[config] = seeded_cache(tmp_path_factory.mktemp("seed"), config)
        return made[config]

    return give


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory, seeded_caches: SeededCaches) -> Iterator[Histories]:
    """Give the history of a project; tests that ask for the same one after the other share it."""
    current: list[tuple[object, History]] = []

    def close() -> None:
        while current:
            current.pop()[1].project.close()

    def history(config: str, files: Mapping[str, str], edits: Mapping[str, Files]) -> History:
        wanted = (config, files, list(edits))
        if not current or current[0][0] != wanted:
            close()
            current.append(
                (wanted, History(tmp_path_factory.mktemp("project"), config, files, edits, seeded_caches(config)))
            )
        return current[0][1]

    yield history
    close()
