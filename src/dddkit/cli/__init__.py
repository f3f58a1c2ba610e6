"""The `dddkit` command: rules for every checker, drawings, contracts of events.

`pip install 'dddkit[cli]'` installs what it needs, `pip install 'dddkit[cli,mypy]'` also what `check` and `draw` need.
"""

from dddkit.cli._main import main

__all__ = ["main"]
