"""When the plugin calls rules, beside other plugins and options, and what happens to their own errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "faulty.py"

BUILDING = """\
from abc import ABC
from typing import Any
from pydantic import BaseModel

class Block(ABC):
    def add_event(self, event: object) -> None: ...
    def expect(self, what: object) -> None: ...

class Model(BaseModel): ...

class Open:
    known: int
    def __getattr__(self, name: str) -> Any: ...
"""
USES = """\
from dataclasses import dataclass
from building import Block, Model, Open

@dataclass
class Basket(Block):
    basket_id: int

class Mixin:
    def __init_subclass__(cls) -> None: ...

class Mixed(Mixin, Basket): ...

class Product(Model):
    product_id: int

def function() -> None:
    class Local(Block): ...
    class LocalModel(Model): ...

class Other: ...

def use(basket: Basket, open: Open) -> None:
    basket.add_event(1)
    basket.expect("text")
    print(open.known, open.unknown)
"""

CALLED = """\
uses.py:5: error: class Basket, after its body  [dddkit-called]
uses.py:11: error: class Mixed, after its body  [dddkit-called]
uses.py:13: error: class Product, after analysis  [dddkit-called]
uses.py:17: error: class Local, after its body  [dddkit-called]
uses.py:18: error: class LocalModel, after analysis  [dddkit-called]
uses.py:23: error: call with 1 parameters  [dddkit-called]
uses.py:24: error: Argument 1 to "expect" of "Block" has incompatible type "str"; expected "int"  [arg-type]
uses.py:25: error: attribute unknown  [dddkit-called]
"""


def _check(directory: Path, entry: str, *flags: str, others: tuple[str, str] = ("", "")) -> tuple[str, int]:
    (directory / "building.py").write_text(BUILDING)
    (directory / "uses.py").write_text(USES)
    plugins = f"{others[0]}{PLUGIN}:{entry}{others[1]}"
    (directory / "mypy.ini").write_text(f"[mypy]\nplugins = {plugins}\nstrict = True\nallow_empty_bodies = True\n")
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", *flags, "uses.py"],
        cwd=directory,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return run.stdout + run.stderr, run.returncode


@pytest.mark.parametrize(
    "others",
    [
        ("", ""),
        *[pytest.param(each, marks=pytest.mark.slow) for each in (("pydantic.mypy, ", ""), ("", ", pydantic.mypy"))],
    ],
)
def test_rules_are_called_once_for_what_they_name(tmp_path: Path, others: tuple[str, str]) -> None:
    assert _check(tmp_path, "called", others=others) == (CALLED, 1)


def test_opt_in_codes_are_switched_on_by_name(tmp_path: Path) -> None:
    said, _ = _check(tmp_path, "called", "--enable-error-code=dddkit-called-opt-in")
    assert said.count("[dddkit-called-opt-in]") == 5


def test_the_parent_code_switches_every_rule_off(tmp_path: Path) -> None:
    said, _ = _check(tmp_path, "called", "--disable-error-code=dddkit")
    assert "dddkit" not in said


def test_an_error_of_ours_is_a_diagnostic_that_says_where_to_report_it(tmp_path: Path) -> None:
    said, status = _check(tmp_path, "faulty")
    assert status == 1
    assert [line.partition(": error: ")[0] for line in said.splitlines()] == [
        f"uses.py:{line}" for line in (5, 11, 13, 17, 18, 23, 24, 25)
    ]
    for line in said.splitlines():
        assert line.endswith("[dddkit-internal]")
        assert "ValueError: planned" in line
        assert "please report it at https://github.com/mom1/dddkit/issues" in line


def test_under_show_traceback_an_error_of_ours_is_raised(tmp_path: Path) -> None:
    said, status = _check(tmp_path, "faulty", "--show-traceback")
    assert status  # 2, where mypy itself catches it
    assert "ValueError: planned" in said
    assert "Traceback" in said
