"""What processes write down before they may be killed: lines of one file, in the order in which they were written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

__all__ = ["Journal", "read_journal"]


class Journal:
    """Appends to a file that other processes append to as well. A line is there once `write` has returned."""

    def __init__(self, path: Path) -> None:
        self._file: Final = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, **facts: Any) -> None:
        # The system keeps what was written, whatever becomes of the process. A line that a kill has cut off in the
        # middle spoils no other: each begins with a line break of its own.
        os.write(self._file, f"\n{json.dumps(facts)}\n".encode())


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Return the lines that were written as a whole."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                facts = json.loads(line)
            except ValueError:
                continue
            yield facts
