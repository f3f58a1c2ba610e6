"""In which forms `dddkit check` prints what it has found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema  # type: ignore[import-untyped]  # its types are in a package of their own
import pytest

from tests.cli.running import run

RULES: Final = "https://mom1.github.io/dddkit/rules.html"


def test_json_is_one_list_with_an_object_for_each(project: Path) -> None:
    call, step = json.loads(run("check", "--format", "json", folder=project).out)
    assert step == {
        "file": "src/shop/checkout.py",
        "line": 6,
        "column": 5,
        "end_line": 6,
        "end_column": 12,
        "code": "dddkit-unknown-step",
        "severity": "error",
        "message": 'Checkout: I.chrge names no step; did you mean "charge"?',
        "hint": None,
        "url": f"{RULES}#dddkit-unknown-step",
    }
    assert (call["code"], call["hint"]) == ("unused-coroutine", "Are you missing an await?")


def test_github_shows_each_beside_its_line(project: Path) -> None:
    call, step = run("check", "--format", "github", folder=project).out.splitlines()
    assert step == (
        "::error file=src/shop/checkout.py,line=6,endLine=6,col=5,endColumn=12,title=dddkit-unknown-step"
        '::Checkout: I.chrge names no step; did you mean "charge"?'
    )
    assert call.endswith("must be used%0AAre you missing an await?")


def test_paths_for_github_begin_at_the_repository(project: Path) -> None:
    (project / ".git").mkdir()
    printed = run("check", "--format", "github", folder=project / "src" / "shop").out
    assert printed.startswith("::error file=src/shop/checkout.py,")


def _object(required: Mapping[str, object], optional: Mapping[str, object] | None = None) -> dict[str, object]:
    properties = {**required, **(optional or {})}
    return {"type": "object", "required": [*required], "properties": properties, "additionalProperties": False}


_TEXT: Final = _object({"text": {"type": "string", "minLength": 1}})
_LEVEL: Final = {"enum": ["none", "note", "warning", "error"]}
_URI: Final = {"type": "string", "format": "uri"}
_FROM_ONE: Final = {"type": "integer", "minimum": 1}
_PLACE: Final = _object({"uri": {"type": "string", "format": "uri-reference"}, "uriBaseId": {"const": "%SRCROOT%"}})
_REGION: Final = _object(
    {"startLine": _FROM_ONE}, {"startColumn": _FROM_ONE, "endLine": _FROM_ONE, "endColumn": _FROM_ONE}
)
_RESULT: Final = _object(
    {
        "message": _TEXT,
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": _LEVEL,
        "locations": {
            "type": "array",
            "items": _object({"physicalLocation": _object({"artifactLocation": _PLACE, "region": _REGION})}),
        },
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
    }
)
_RULE: Final = _object(
    {"id": {"type": "string"}, "shortDescription": _TEXT, "fullDescription": _TEXT, "help": _TEXT, "helpUri": _URI},
    {"defaultConfiguration": _object({"level": _LEVEL})},
)
_DRIVER: Final = _object(
    {
        "name": {"type": "string"},
        "semanticVersion": {"type": "string"},
        "informationUri": _URI,
        "rules": {"type": "array", "items": _RULE, "uniqueItems": True},
    }
)
_RUN: Final = _object(
    {
        "tool": _object({"driver": _DRIVER}),
        "results": {"type": "array", "items": _RESULT},
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "originalUriBaseIds": {"type": "object"},
    }
)
SARIF: Final = _object(
    {"version": {"const": "2.1.0"}, "$schema": _URI, "runs": {"type": "array", "items": _RUN, "minItems": 1}}
)
"""What SARIF 2.1.0 says of the objects that we write, and GitHub of rules. Its schema is long, and not ours to copy."""


def sarif(folder: Path, *arguments: str) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(run("check", "--format", "sarif", *arguments, folder=folder).out)
    jsonschema.validate(log, SARIF)
    found: list[dict[str, Any]] = log["runs"]
    assert len(found) == 1
    return found[0]


def test_sarif_names_the_rules_and_where_they_are_explained(project: Path) -> None:
    rules = {rule["id"]: rule for rule in sarif(project)["tool"]["driver"]["rules"]}
    assert [*rules] == ["dddkit-unknown-step", "unused-coroutine"]
    assert rules["dddkit-unknown-step"]["shortDescription"] == {"text": "Every `I.name` lists a step of its story"}
    assert "misspelt step" in rules["dddkit-unknown-step"]["fullDescription"]["text"]
    assert "no step runs" in rules["unused-coroutine"]["fullDescription"]["text"]
    assert rules["dddkit-unknown-step"]["helpUri"] == f"{RULES}#dddkit-unknown-step"


def test_each_result_of_sarif_names_its_rule_and_its_place(project: Path) -> None:
    log = sarif(project)
    for result in log["results"]:
        assert log["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    (location,) = log["results"][1]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "src/shop/checkout.py"
    assert location["physicalLocation"]["region"] == {"startLine": 6, "startColumn": 5, "endLine": 6, "endColumn": 12}


def test_a_result_of_sarif_keeps_its_fingerprint_when_its_line_moves(project: Path) -> None:
    before = [result["partialFingerprints"] for result in sarif(project)["results"]]
    path = project / "src" / "shop" / "checkout.py"
    path.write_text(f"# a new line\n{path.read_text()}")
    assert [result["partialFingerprints"] for result in sarif(project)["results"]] == before


def test_a_clean_project_is_a_sarif_log_without_results(project: Path) -> None:
    (project / "fine.py").write_text("import shop\n")
    assert sarif(project, "fine.py")["results"] == []


def _on_a_terminal(folder: Path, **environment: str) -> str:
    """Return what the command prints to a terminal."""
    pty = pytest.importorskip("pty", reason="there are no terminals here to print to")
    ours, theirs = pty.openpty()
    usual = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "CI")}
    command = [sys.executable, "-m", "dddkit.cli", "check"]
    subprocess.run(
        command, cwd=folder, env={**usual, "TERM": "xterm", **environment}, stdout=theirs, stderr=theirs, check=False
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux has no end of the file here
            part = b""
        if not part:
            os.close(ours)
            return shown.decode()
        shown += part


@pytest.mark.slow
def test_colour_is_for_terminals_and_no_color_is_respected(project: Path) -> None:
    assert "\x1b[1;31m" in _on_a_terminal(project)
    assert "\x1b[1;31m" not in _on_a_terminal(project, NO_COLOR="1")
    assert "\x1b[" not in run("check", folder=project).out
