"""The plugin tells mypy what makes its cache invalid."""

from __future__ import annotations

import json

from mypy.options import Options
from mypy.plugin import ReportConfigContext

import dddkit_mypy
from dddkit_mypy._index import all_rules


def test_the_version_and_the_rules_are_part_of_the_cache() -> None:
    plugin = dddkit_mypy.plugin("2.4.1")(Options())
    data = plugin.report_config_data(ReportConfigContext("module", "module.py", is_check=True))
    assert json.loads(json.dumps(data)) == {
        "dddkit_mypy": dddkit_mypy.__version__,
        "codes": [rule.code.code for rule in all_rules()],
    }
