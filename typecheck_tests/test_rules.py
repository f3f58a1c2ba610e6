"""The promises that every rule keeps."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

import dddkit_mypy.rules
from dddkit_mypy import _names
from dddkit_mypy.__main__ import page
from dddkit_mypy._codes import INTERNAL, PARENT
from dddkit_mypy._examples import Reported, reports
from dddkit_mypy._index import all_rules
from dddkit_mypy._rule import Rule
from typecheck_tests.running import run_mypy

RULES = all_rules()

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def examples() -> Mapping[str, Reported]:
    """Return what mypy reports of both examples of each rule, by its code, all from one run."""
    return reports(RULES)


_every_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.code.code for rule in RULES])


@_every_rule
def test_the_bad_example_gets_its_own_diagnostic_and_no_other(rule: Rule, examples: Mapping[str, Reported]) -> None:
    printed = examples[rule.code.code].bad
    assert re.findall(r"\[(dddkit-[\w-]+)\]$", printed, re.MULTILINE) == [rule.code.code]
    assert printed.count(" error: ") == 1


@_every_rule
def test_the_good_example_is_clean(rule: Rule, examples: Mapping[str, Reported]) -> None:
    assert examples[rule.code.code].good == ""


@_every_rule
def test_the_good_example_runs(rule: Rule) -> None:
    exec(compile(rule.good, rule.code.code, "exec", dont_inherit=True), {"__name__": "example"})


@_every_rule
def test_a_rule_is_silenced_by_the_parent_code(rule: Rule) -> None:
    assert rule.code.sub_code_of is PARENT


@_every_rule
def test_a_rule_is_a_module_with_cases_of_its_own(rule: Rule) -> None:
    module = importlib.import_module(f"dddkit_mypy.rules.{rule.module}")
    assert module.RULE is rule
    assert (Path(__file__).parent / "rules" / f"{rule.module}.yml").exists()


def test_every_module_in_rules_is_listed() -> None:
    directory = Path(dddkit_mypy.rules.__file__).parent
    assert {path.stem for path in directory.glob("*.py")} - {"__init__"} == {rule.module for rule in RULES}


def test_codes_are_unique() -> None:
    codes = [PARENT.code, INTERNAL.code, *(rule.code.code for rule in RULES)]
    assert len(codes) == len(set(codes))


def _dotted_names(module: ModuleType) -> list[str]:
    return [value for name, value in sorted(vars(module).items()) if name.isupper() and isinstance(value, str)]


@pytest.mark.parametrize("dotted", _dotted_names(_names))
def test_every_name_the_plugin_knows_can_be_imported(dotted: str) -> None:
    module, _, name = dotted.rpartition(".")
    assert hasattr(importlib.import_module(module), name)


def test_the_reference_page_is_current(examples: Mapping[str, Reported]) -> None:
    """Update it with `python -m dddkit_mypy > docs/rules.md`."""
    assert page(RULES, examples) == PAGE


def test_the_reference_page_has_an_anchor_for_each_code() -> None:
    headings = re.findall(r"^## `([\w-]+)`$", PAGE, re.MULTILINE)
    assert headings == [rule.code.code for rule in RULES]


@_every_rule
def test_a_difference_on_the_page_turns_the_bad_example_into_the_good_one(rule: Rule) -> None:
    [shown] = re.findall(rf"^## `{rule.code.code}`$.*?^```diff\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    head, *lines = shown.splitlines()
    start = int(head.removeprefix("@@ -").partition(",")[0])
    for example, sign in ((rule.bad, "-"), (rule.good, "+")):
        unchanged = example.splitlines()[: start - 1]
        assert unchanged + [line[1:] for line in lines if line[:1] in ("", " ", sign)] == example.splitlines()
        assert all(line == "" or line.startswith(("from ", "import ")) for line in unchanged)


def test_the_plugin_type_checks_under_mypys_own_plugin_for_plugins(tmp_path: Path) -> None:
    """The plugin resolves aliases before it tests what a type is."""
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\nplugins = mypy.plugins.proper_plugin\n")
    assert run_mypy(ROOT, f"--config-file={config}", f"--cache-dir={tmp_path}", "mypy_plugin") == ""
