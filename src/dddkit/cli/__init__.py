"""The `dddkit` command: rules for every checker, contracts of events.

`pip install 'dddkit[cli]'` installs what it needs, `pip install 'dddkit[cli,mypy]'` also what `check` needs.
"""

from dddkit.cli._main import main

__all__ = ["main"]
