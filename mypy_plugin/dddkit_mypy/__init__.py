"""The mypy plugin of dddkit: it reports mis-declared stories, events and repositories while they are typed.

Enable it with one line of mypy's configuration:

    plugins = ["dddkit_mypy"]

It has no options of its own. Every diagnostic has an error code under the parent `dddkit`, and mypy's
`enable_error_code`, `disable_error_code`, per-module sections and `# type: ignore[code]` do the rest.
"""

from typing import Final

from mypy.plugin import Plugin

from dddkit_mypy._plugin import DDDKitPlugin

__version__: Final = "1.0.0"
__all__ = ["__version__", "plugin"]


def plugin(version: str) -> type[Plugin]:
    """Return the class of the plugin; mypy calls this with its own version."""
    return DDDKitPlugin
