"""What the processes are called that run durable stories: each has an id of its own, a forked one too."""

from __future__ import annotations

import os
import socket
from typing import Final
from uuid import uuid4

from dbos import DBOS, DBOSConfig

from dddkit.stories.dbos._private import instance, is_launched, set_executor_id

__all__ = ["check_not_forked", "new_executor_id", "renewed_after_fork"]

_configs: Final[list[DBOSConfig]] = []
"""Of this process, each with an id that was made for it."""

_of_parent: DBOS | None = None
"""The DBOS that the parent of this process had launched."""


def new_executor_id() -> str:
    """Return an id that no other process has, and that shows people where to look."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"


def renewed_after_fork(config: DBOSConfig) -> None:
    """Give this configuration another id in a forked child, where two processes with one id would run the same runs.

    A prefork server imports the application before it forks. DBOS reads the id when it is made; a child that inherits
    one that is not launched yet gets the new id too.
    """
    _configs.append(config)


def check_not_forked(who: str) -> None:
    """Raise where DBOS was launched before this process was forked: its threads and connections are the parent's.

    Raises:
        RuntimeError: it was.
    """
    if _of_parent is not None and instance() is _of_parent:  # after its end there may be another one
        raise RuntimeError(
            f"{who}: DBOS was launched before this process was forked, and nothing of it runs here; launch it after "
            f"the fork, in each process, as in the lifespan of the application"
        )


def _renew() -> None:
    global _of_parent
    _of_parent = instance() if is_launched() else None
    if not _configs:
        return
    mine = new_executor_id()
    set_executor_id(mine, {config.get("executor_id") for config in _configs})
    for config in _configs:
        config["executor_id"] = mine


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
