"""mypy's cache as JSON, which it is by default before mypy 1.20."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

import pytest

import dddkit
from typecheck_tests.running import run_mypy

SOURCE: Final = Path(dddkit.__file__).parent
MODULES: Final = sorted(
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts) for path in SOURCE.rglob("[!_]*.py")
)
OTHERS: Final = "aiohttp anyio dbos faststream nats opentelemetry prometheus_client pydantic rich sqlalchemy typer"
CONFIG: Final = f"""\
[mypy]
fixed_format_cache = False
[mypy-{",".join(f"{name}.*" for name in OTHERS.split())}]
follow_imports = skip
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("orjson") is None, reason="mypy reads JSON with orjson, if it is there")
def test_fp22_mypy_reads_what_it_has_cached_of_dddkit(tmp_path: Path) -> None:
    """orjson reads no integer beyond the largest float, and mypy computes the constants that it caches."""
    (tmp_path / "mypy.ini").write_text(CONFIG)
    for name in ("first.py", "second.py"):
        (tmp_path / name).write_text("".join(f"import {module}\n" for module in MODULES))
        assert run_mypy(tmp_path, name) == ""
