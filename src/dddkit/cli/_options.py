"""Options of all commands that run mypy."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["CacheFolder", "NoCache", "Python"]

Python = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="The Python of the project, where it is not the one that runs dddkit."),
]
CacheFolder = Annotated[str, typer.Option(metavar="DIR", help="The folder of the cache, beside the configuration.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Read and write no cache.")]
