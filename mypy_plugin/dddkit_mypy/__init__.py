"""The mypy plugin of dddkit: it reports mis-declared stories, events and repositories while they are typed.

Enable it with one line of mypy's configuration:

    plugins = ["dddkit_mypy"]

It has no options of its own. Every diagnostic has an error code under the parent `dddkit`, and mypy's
`enable_error_code`, `disable_error_code`, per-module sections and `# type: ignore[code]` do the rest.
"""

import sys
from typing import Final

from mypy.plugin import Plugin

from dddkit_mypy._plugin import DDDKitPlugin

__version__: Final = "1.0.0"
__all__ = ["__version__", "plugin"]


_OLDEST_MYPY: Final = (1, 19)


def plugin(version: str) -> type[Plugin]:
    """Return the class of the plugin; mypy calls this with its own version.

    Raises:
        SystemExit: this mypy is too old, which is said on stderr; 2 is how mypy ends when it cannot check.
    """
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_MYPY:
        oldest = ".".join(map(str, _OLDEST_MYPY))
        print(
            f"dddkit_mypy: mypy {version} is too old, mypy {oldest} or newer is needed: pip install -U 'dddkit[mypy]'",
            file=sys.stderr,
        )
        raise SystemExit(2)
    return DDDKitPlugin
