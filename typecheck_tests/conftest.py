"""Where the cases of the rules are, and the environment mypy runs in."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from pytest_mypy_plugins.collect import YamlTestFile

from typecheck_tests.running import CONFIG, run_mypy

RULES = Path(__file__).parent / "rules"


def pytest_configure(config: pytest.Config) -> None:
    # The cases run the `mypy` on the PATH: let it be the one of this interpreter, however pytest was started.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # They share one cache for what no case changes; with one for each session, no run sees what another left behind.
    config.option.mypy_testing_base = tempfile.mkdtemp(prefix="dddkit-cases-")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.option.mypy_testing_base, ignore_errors=True)


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
