"""Diagnostics as a SARIF log, version 2.1.0."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from dddkit import __version__
from dddkit.cli._check.diagnostics import UNAWAITED, Diagnostic, url_of

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_BASE: Final = "%SRCROOT%"


def sarif_log(diagnostics: Sequence[Diagnostic], root: Path) -> dict[str, Any]:
    """Return the log; its paths are relative to the root of the repository, as code scanning reads them."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    titles, reasons = _titles(), _reasons() if codes else {}
    seen: Counter[str] = Counter()
    results: list[dict[str, Any]] = []
    for diagnostic in diagnostics:
        uri = quote(Path(os.path.relpath(diagnostic.file, root)).as_posix())
        fingerprint = hashlib.sha256(f"{uri}\0{diagnostic.code}\0{diagnostic.gist}".encode()).hexdigest()
        seen[fingerprint] += 1
        results.append(
            {
                "ruleId": diagnostic.code,
                "ruleIndex": codes.index(diagnostic.code),
                "level": "error" if diagnostic.severity == "error" else "note",
                "message": {"text": "\n".join(filter(None, (diagnostic.message, diagnostic.hint)))},
                "locations": [
                    {
                        "physicalLocation": {
                            "artifactLocation": {"uri": uri, "uriBaseId": _BASE},
                            "region": {
                                "startLine": diagnostic.line,
                                "startColumn": diagnostic.column,
                                "endLine": diagnostic.end_line,
                                "endColumn": diagnostic.end_column,
                            },
                        }
                    }
                ],
                "partialFingerprints": {"dddkit/v1": f"{fingerprint}:{seen[fingerprint]}"},
            }
        )
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "dddkit check",
                        "semanticVersion": __version__,
                        "informationUri": "https://github.com/mom1/dddkit",
                        "rules": [
                            {
                                "id": code,
                                "shortDescription": {"text": titles.get(code, code)},
                                "fullDescription": {"text": reasons.get(code, titles.get(code, code))},
                                "help": {"text": f"{url_of(code)} shows an example and its correction."},
                                "helpUri": url_of(code),
                                "defaultConfiguration": {"level": "error"},
                            }
                            for code in codes
                        ],
                    }
                },
                "originalUriBaseIds": {_BASE: {"description": {"text": "The root of the repository."}}},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }


def _titles() -> dict[str, str]:
    """Return what each code says is right."""
    from mypy.errorcodes import error_codes

    return {name: code.description for name, code in error_codes.items()}


def _reasons() -> dict[str, str]:
    """Return why each rule exists. GitHub's code scanning demands a full description and a help text."""
    from dddkit_mypy._index import all_rules

    return {rule.code.code: rule.reason for rule in all_rules()} | dict.fromkeys(
        UNAWAITED, "A call of an async story makes a coroutine; until somebody awaits it, no step runs."
    )
