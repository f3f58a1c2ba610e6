"""What the processes that are killed begin with."""

from __future__ import annotations

import os
import sys
import threading
from multiprocessing import parent_process
from pathlib import Path

__all__ = ["begin_child"]


def begin_child(log: Path) -> None:
    """Write what this process says to the log, and end when its parent does, whatever that dies of."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with log.open("a") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
