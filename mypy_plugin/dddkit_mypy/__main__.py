"""The reference page of the rules: `python -m dddkit_mypy > docs/rules.md` prints it."""

from __future__ import annotations

import sys
from typing import Final

from dddkit_mypy._index import all_rules
from dddkit_mypy._rule import Rule

_HEAD: Final = """\
# The rules of the mypy plugin

Printed from the rules themselves by `python -m dddkit_mypy`; edit them, not this page.

Each diagnostic ends with its code, and the code is the heading of its section here. Everything is silenced, switched
on and off as mypy's own codes are: `# type: ignore[dddkit-unknown-step]` on a line, `disable_error_code` and
`enable_error_code` in the configuration, also per module. The parent code `dddkit` stands for all of them. An error of
the plugin itself is reported as `dddkit-internal`, with the place to report it.
"""


def page() -> str:
    """Return the page, in Markdown."""
    rules = all_rules()
    contents = [f"- [`{rule.code.code}`](#{rule.code.code}): {_title(rule)}" for rule in rules]
    return "\n".join([_HEAD, *contents, "", *(_section(rule) for rule in rules)])


def _title(rule: Rule) -> str:
    return rule.title if rule.code.default_enabled else f"{rule.title} (opt-in)"


def _section(rule: Rule) -> str:
    lines = [f"## `{rule.code.code}`", "", f"**{rule.title}.**"]
    if not rule.code.default_enabled:
        lines += ["", f'Opt-in: `enable_error_code = ["{rule.code.code}"]`.']
    lines += ["", rule.reason, "", "Reported:", "", f"```python\n{rule.bad}```", "", "Right:", ""]
    lines += [f"```python\n{rule.good}```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(page())
