"""The reference page of the rules: `python -m dddkit_mypy > docs/rules.md` prints it."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Final

from dddkit_mypy._examples import Reported, reports
from dddkit_mypy._index import all_rules
from dddkit_mypy._rule import Rule

_HEAD: Final = """\
# The rules of the mypy plugin

<!-- Printed from the rules by `python -m dddkit_mypy`: edit them, not this page. -->

The plugin reports code that breaks one of these rules. Each message ends with the code of its rule, which is the
heading of its section on this page. A section says why the rule exists, shows a module that is reported and its
correction as a diff, and then what `mypy --pretty` prints. [Using the mypy plugin](plugin.md) says how to switch the
plugin on.

Rules are silenced and switched on and off as mypy's own codes are: by `# type: ignore[dddkit-unknown-step]` on a line,
by `disable_error_code` and `enable_error_code` in the configuration, also per module. The code `dddkit` stands for all
of them where they are silenced or switched off; an opt-in rule is switched on by its own code. An error of the plugin
itself is reported as `dddkit-internal`, with the place to report it.

| Code | Rule | On | Since |
|---|---|---|---|
"""


def page(rules: Sequence[Rule], reported: Mapping[str, Reported]) -> str:
    """Return the page, in Markdown: the rules, and by their codes what mypy reports of their examples."""
    table = "".join(f"{_row(rule)}\n" for rule in rules)
    return f"{_HEAD}{table}\n" + "\n".join(_section(rule, reported[rule.code.code].bad) for rule in rules)


def _row(rule: Rule) -> str:
    code = rule.code.code
    is_on = "yes" if rule.code.default_enabled else "opt-in"
    return f"| [`{code}`](#{code}) | {rule.title} | {is_on} | {rule.since} |"


def _section(rule: Rule, reported: str) -> str:
    lines = [f"## `{rule.code.code}`", "", f"**{rule.title}.**"]
    if not rule.code.default_enabled:
        lines += ["", f'Opt-in: `enable_error_code = ["{rule.code.code}"]`.']
    lines += ["", rule.reason, "", "```diff", *_difference(rule.bad, rule.good), "```", ""]
    lines += ["```text", reported, "```", ""]
    return "\n".join(lines)


def _difference(bad: str, good: str) -> Iterator[str]:
    """Yield the lines of a unified diff of two modules: all of them, but not the imports if these are equal."""
    before, after = bad.splitlines(), good.splitlines()
    _, _, _, *lines = difflib.unified_diff(before, after, n=len(before), lineterm="")
    imports = len([*takewhile(_is_unchanged_import, lines)])
    yield f"@@ -{imports + 1},{len(before) - imports} +{imports + 1},{len(after) - imports} @@"
    for line in lines[imports:]:
        yield line.rstrip()


def _is_unchanged_import(line: str) -> bool:
    return line == " " or line.startswith((" from ", " import "))


if __name__ == "__main__":
    rules = all_rules()
    sys.stdout.write(page(rules, reports(rules)))
