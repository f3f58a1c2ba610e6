"""The mypy plugin of dddkit: mis-declared stories, events and repositories, found while they are typed.

Switch it on with one line of mypy's configuration:

    plugins = ["dddkit_mypy"]

It has no options of its own. Every diagnostic has an error code under the parent `dddkit`, and mypy's
`enable_error_code`, `disable_error_code`, per-module sections and `# type: ignore[code]` do the rest.
"""

from typing import Final

from mypy.plugin import Plugin

from dddkit_mypy._plugin import DDDKitPlugin

__version__: Final = "0.6.0"
__all__ = ["__version__", "plugin"]


def plugin(version: str) -> type[Plugin]:
    """Tell mypy which plugin this is; mypy calls it with its own version."""
    return DDDKitPlugin
