"""Connections to an SQLite database of DBOS: set up, before DBOS uses them."""

from __future__ import annotations

import sqlite3
import time
from typing import Any, Final

__all__ = ["Connection", "define_unixepoch"]

_WAITS: Final = 30.0  # seconds, as DBOS waits for locks
_KNOWS_SUBSECONDS: Final = sqlite3.sqlite_version_info >= (3, 42)


class Connection(sqlite3.Connection):
    """A connection that writes ahead, and whose SQL has what DBOS calls.

    Without writing ahead, five steps take 52 to 132 ms instead of 29.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # those of sqlite3.connect, whatever they are
        super().__init__(*args, **options)
        try:
            self._write_ahead()
            if not _KNOWS_SUBSECONDS:  # DBOS reads the time in this way where Python is 3.12 or newer
                define_unixepoch(self)
        except BaseException:
            self.close()  # nobody else has it yet
            raise

    def _write_ahead(self) -> None:
        deadline = time.monotonic() + _WAITS
        while True:
            try:
                cursor = self.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)  # SQLite does not wait for others when it switches to this mode
                continue
            (mode,) = cursor.fetchone()
            cursor.close()
            if mode != "wal":
                raise OSError(
                    f"SQLite cannot write ahead here (journal_mode is {mode}), as it has to for several connections; "
                    f"put the file on a local disk"
                )
            return


def define_unixepoch(connection: sqlite3.Connection) -> None:
    """Define the function of SQLite 3.42, in the one form that DBOS uses."""
    connection.create_function("unixepoch", 1, _unixepoch)


def _unixepoch(modifier: str) -> float:
    if modifier not in ("subsec", "subsecond"):
        raise ValueError(modifier)
    return time.time()
