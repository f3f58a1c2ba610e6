"""What a mypy says that is too old for the plugin."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dddkit_mypy import plugin

ROOT = Path(__file__).parents[2]


def test_a_mypy_that_is_too_old_is_named_with_what_to_install(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        plugin("1.18.2")
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "dddkit_mypy: mypy 1.18.2 is too old, mypy 1.19 or newer is needed: pip install -U 'dddkit[mypy]'\n"
    )


def test_the_oldest_mypy_is_that_of_the_extra() -> None:
    found = re.search(
        r'^mypy = \["mypy>=([\d.]+)"\]', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert found
    plugin(f"{found[1]}.0")
    plugin("2.5.0+dev.0123abc")
