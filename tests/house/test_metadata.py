"""What the project says about itself in several places is the same everywhere."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_both_packages_have_the_version_of_the_distribution() -> None:
    import dddkit
    import dddkit_mypy

    assert dddkit.__version__ == dddkit_mypy.__version__ == version("dddkit")


def test_constraints_pin_every_development_tool() -> None:
    metadata = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    groups = metadata[metadata.index("[dependency-groups]") :].partition("\n\n")[0]
    tools = set(re.findall(r'"([\w-]+)(?:\[[\w,-]+\])?"', groups)) - {"test", "lint", "checkers"}
    pinned = re.findall(
        r"^([\w-]+)==[\w.]+(?:;|$)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {tool.lower() for tool in tools} <= {name.lower() for name in pinned}


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml", "Makefile"])
def test_no_file_names_a_host_to_install_from(name: str) -> None:
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")
def test_importing_the_kit_imports_no_optional_package() -> None:
    program = (
        "import sys, dddkit.dataclasses, dddkit.stories; "
        "print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'pydantic', 'prometheus_client', 'aioprometheus', 'opentelemetry', 'mypy', 'dddkit_mypy', 'asyncio', "
        "'attr'}))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert run.stdout == "[]\n"
