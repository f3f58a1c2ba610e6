"""The promises that every rule keeps."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import dddkit_mypy.rules
from dddkit_mypy import __main__ as page
from dddkit_mypy import _names
from dddkit_mypy._codes import INTERNAL, PARENT
from dddkit_mypy._index import all_rules
from dddkit_mypy._rule import Rule
from typecheck_tests.running import CONFIG, WITHOUT_DBOS, codes_in, run_mypy

RULES = all_rules()

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the diagnostics of each example by file name, all from one run."""
    directory = tmp_path_factory.mktemp("examples")
    opt_in = ", ".join(rule.code.code for rule in RULES if not rule.code.default_enabled)
    (directory / "mypy.ini").write_text(CONFIG + (f"enable_error_code = {opt_in}\n" if opt_in else "") + WITHOUT_DBOS)
    for rule in RULES:
        (directory / f"{_stem(rule)}_bad.py").write_text(rule.bad)
        (directory / f"{_stem(rule)}_good.py").write_text(rule.good)
    said = run_mypy(directory, ".")
    return {
        path.name: "\n".join(line for line in said.splitlines() if line.startswith(f"{path.name}:"))
        for path in directory.glob("*.py")
    }


def _stem(rule: Rule) -> str:
    return rule.code.code.removeprefix("dddkit-").replace("-", "_")


_every_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.code.code for rule in RULES])


@_every_rule
def test_the_bad_example_gets_its_own_diagnostic_and_no_other(rule: Rule, examples: dict[str, str]) -> None:
    assert set(codes_in(examples[f"{_stem(rule)}_bad.py"])) == {rule.code.code}


@_every_rule
def test_the_good_example_is_clean(rule: Rule, examples: dict[str, str]) -> None:
    assert examples[f"{_stem(rule)}_good.py"] == ""


@_every_rule
def test_the_good_example_runs(rule: Rule) -> None:
    exec(compile(rule.good, rule.code.code, "exec", dont_inherit=True), {"__name__": "example"})


@_every_rule
def test_a_rule_is_silenced_by_the_parent_code(rule: Rule) -> None:
    assert rule.code.sub_code_of is PARENT


@_every_rule
def test_a_rule_is_a_module_with_cases_of_its_own(rule: Rule) -> None:
    module = importlib.import_module(f"dddkit_mypy.rules.{_stem(rule)}")
    assert module.RULE is rule
    assert (Path(__file__).parent / "rules" / f"{_stem(rule)}.yml").exists()


def test_every_module_in_rules_is_listed() -> None:
    directory = Path(dddkit_mypy.rules.__file__).parent
    assert {path.stem for path in directory.glob("*.py")} - {"__init__"} == {_stem(rule) for rule in RULES}


def test_codes_are_unique() -> None:
    codes = [PARENT.code, INTERNAL.code, *(rule.code.code for rule in RULES)]
    assert len(codes) == len(set(codes))


def _dotted_names(module: ModuleType) -> list[str]:
    return [value for name, value in sorted(vars(module).items()) if name.isupper() and isinstance(value, str)]


@pytest.mark.parametrize("dotted", _dotted_names(_names))
def test_every_name_the_plugin_knows_can_be_imported(dotted: str) -> None:
    module, _, name = dotted.rpartition(".")
    assert hasattr(importlib.import_module(module), name)


def test_the_reference_page_is_current() -> None:
    """Update it with `python -m dddkit_mypy > docs/rules.md`."""
    printed = subprocess.run([sys.executable, "-m", "dddkit_mypy"], capture_output=True, encoding="utf-8", check=True)
    assert (ROOT / "docs" / "rules.md").read_text(encoding="utf-8") == printed.stdout


def test_the_reference_page_has_an_anchor_for_each_code() -> None:
    headings = re.findall(r"^## `([\w-]+)`$", page.page(), re.MULTILINE)
    assert headings == [rule.code.code for rule in RULES]


def test_the_plugin_type_checks_under_mypys_own_plugin_for_plugins(tmp_path: Path) -> None:
    """The plugin resolves aliases before it tests what a type is."""
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\nplugins = mypy.plugins.proper_plugin\n")
    assert run_mypy(ROOT, f"--config-file={config}", f"--cache-dir={tmp_path}", "mypy_plugin") == ""
