"""The plugin imports a rule when mypy meets the first thing that the rule is about, and not before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dddkit_mypy._index import CATALOGUE, INDEX, Table, all_rules
from dddkit_mypy._rule import OnAnalysed, OnAttribute, OnCall, OnClass, OnConstruction

IMPORTED = """
import sys
from mypy.main import main

try:
    main(args=sys.argv[1:], clean_exit=True)
except SystemExit:
    pass
print(sorted(name.removeprefix("dddkit_mypy.") for name in sys.modules if name.startswith("dddkit_mypy.")))
"""


def test_the_index_names_each_rule_for_what_its_checks_ask_for() -> None:
    classes: dict[str, list[str]] = {}
    analysed: dict[str, list[str]] = {}
    attributes: dict[str, list[str]] = {}
    constructions: dict[str, list[str]] = {}
    calls: dict[str, dict[str, list[str]]] = {}
    signatures: dict[str, dict[str, list[str]]] = {}
    for name, rule in zip(CATALOGUE, all_rules(), strict=True):
        for check in rule.checks:
            if isinstance(check, OnAttribute):
                _add(attributes, [check.owner], name)
            elif isinstance(check, OnConstruction):
                _add(constructions, [check.base], name)
            elif isinstance(check, OnClass):
                _add(classes, check.bases, name)
            elif isinstance(check, OnAnalysed):
                _add(analysed, check.bases, name)
            elif isinstance(check, OnCall):
                _add(calls.setdefault(check.name, {}), check.bases, name)
            else:
                _add(signatures.setdefault(check.name, {}), check.bases, name)
    assert _sets(INDEX.classes) == _sets(classes)
    assert _sets(INDEX.analysed) == _sets(analysed)
    assert _sets(INDEX.attributes) == _sets(attributes)
    assert _sets(INDEX.constructions) == _sets(constructions)
    assert {name: _sets(table) for name, table in INDEX.calls.items()} == {n: _sets(t) for n, t in calls.items()}
    assert {name: _sets(table) for name, table in INDEX.signatures.items()} == {
        name: _sets(table) for name, table in signatures.items()
    }


def _add(table: dict[str, list[str]], keys: tuple[str, ...] | list[str], name: str) -> None:
    for key in keys:
        table.setdefault(key, []).append(name)


def _sets(table: Table) -> dict[str, set[str]]:
    return {key: set(names) for key, names in table.items()}


def test_a_run_with_a_cache_imports_no_rule(tmp_path: Path) -> None:
    (tmp_path / "mypy.ini").write_text("[mypy]\nplugins = dddkit_mypy\n")
    (tmp_path / "module.py").write_text("class Plain:\n    def __init__(self) -> None: ...\n\nPlain()\n")
    command = [sys.executable, "-c", IMPORTED, "--cache-dir=cache", "module.py"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)  # fills the cache
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=True)
    assert run.stdout.splitlines()[-1] == "['_codes', '_index', '_marks', '_names', '_plugin']"
