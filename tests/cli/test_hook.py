"""The hooks of `.pre-commit-hooks.yaml`, run by pre-commit as in a project of a user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.cli.conftest import STORY
from tests.cli.running import run as run_command

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml", "src", "mypy_plugin")
_AUTHOR: Final = ("-c", "user.name=dddkit", "-c", "user.email=dddkit@example.org")


def enter(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PRE_COMMIT_HOME": str(folder.with_name("hooks")),
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False)


def repository(folder: Path) -> str:
    """Make a repository of what is in a folder; return its revision."""
    for command in (("init", "--quiet"), ("add", "--all", "--force"), (*_AUTHOR, "commit", "--quiet", "-m", "all")):
        made = enter("git", *command, folder=folder)
        assert made.returncode == 0, made.stderr
    return enter("git", "rev-parse", "HEAD", folder=folder).stdout.strip()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None, reason="pre-commit needs git")
def test_pre_commit_runs_the_hooks_in_an_environment_of_their_own(tmp_path: Path) -> None:
    kit, project = tmp_path / "kit", tmp_path / "project"
    for folder in (kit, project):
        folder.mkdir()
    for name in PACKAGE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, kit / name)
    (project / "checkout.py").write_text(STORY)
    (project / "README.md").write_text("<!-- dddkit draw checkout:Checkout -->\n<!-- end -->\n")
    (project / ".pre-commit-config.yaml").write_text(
        f"repos: [{{repo: {kit}, rev: {repository(kit)}, hooks: [{{id: dddkit-check}}, {{id: dddkit-draw}}]}}]\n"
    )
    repository(project)
    run = (sys.executable, "-m", "pre_commit", "run", "--all-files")
    ran = enter(*run, folder=project)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "checkout.py:6:5: error: Checkout: I.chrge names no step" in ran.stdout
    assert "README.md:1: checkout:Checkout has changed; run dddkit draw --output README.md" in ran.stdout
    (project / "checkout.py").write_text(STORY.replace("chrge", "charge"))
    assert run_command("draw", "--output", "README.md", folder=project).code == 0
    mended = enter(*run, folder=project)
    assert mended.returncode == 0, mended.stdout + mended.stderr
