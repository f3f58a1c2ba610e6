"""Our stubs match the packages they describe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUBS = ROOT / "stubs"
PACKAGES = sorted(path.name for path in STUBS.iterdir() if path.is_dir())

pytestmark = pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")


def stubtest(folder: Path, package: str) -> subprocess.CompletedProcess[str]:
    # Our stubs omit what we do not use, which is not an error.
    return subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", package, "--ignore-missing-stub"],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(folder)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_the_stubs_match_the_package(package: str) -> None:
    compared = stubtest(STUBS, package)
    assert compared.returncode == 0, compared.stdout + compared.stderr


def test_stubs_that_do_not_match_would_be_found(tmp_path: Path) -> None:
    text = (STUBS / "aioprometheus" / "__init__.pyi").read_text(encoding="utf-8")
    wrong = tmp_path / "aioprometheus"
    wrong.mkdir()
    (wrong / "histogram.pyi").write_bytes((STUBS / "aioprometheus" / "histogram.pyi").read_bytes())
    (wrong / "__init__.pyi").write_text(text.replace("accepts_headers:", "accept_headers:"), encoding="utf-8")
    compared = stubtest(tmp_path, "aioprometheus")
    assert "aioprometheus.render is inconsistent" in compared.stdout


@pytest.mark.parametrize("stub", sorted(STUBS.rglob("*.pyi")), ids=lambda path: str(path.relative_to(STUBS)))
def test_each_stub_says_why_it_is_there(stub: Path) -> None:
    assert stub.read_text(encoding="utf-8").startswith("# Why this is here: ")


def test_stubs_are_no_part_of_the_package() -> None:
    metadata = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'packages = ["src/dddkit", "mypy_plugin/dddkit_mypy"]' in metadata
    assert 'include = ["/src", "/mypy_plugin", "/docs", "/*.md", "/LICENSE"]' in metadata
