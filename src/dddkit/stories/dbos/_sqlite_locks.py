"""Locks by name on SQLite: files in a folder beside the database."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import Final

from dddkit._file_lock import FileLock
from dddkit._locks import new_lock

__all__ = ["SQLiteLocks"]


class SQLiteLocks:
    """Lock files, held until the process ends. Each goes with its owner, or who takes over. Any thread may call."""

    def __init__(self, database: str) -> None:
        self._folder: Final = Path(f"{os.path.realpath(database)}.executors")  # others may use a link to the file
        self._guard: Final = new_lock()
        self._held: Final[dict[str, FileLock]] = {}

    def take(self, name: str) -> bool:
        """Take the lock unless another process has it; return whether this one has it now."""
        with self._guard:
            if self.has(name):
                return True
            if not self._held:
                self._folder.mkdir(exist_ok=True)
                self._sweep()
            lock = FileLock(self._folder / _file_of(name))
            if not lock.acquire():
                return False
            self._held[name] = lock
            return True

    def _sweep(self) -> None:
        """Remove the files of processes that were killed."""
        for path in self._folder.glob("*.lock"):
            with FileLock(path) as found:
                if found.acquire():
                    found.release(remove=True)

    def give_back(self, name: str) -> None:
        """Give the lock back."""
        with self._guard:
            if (lock := self._held.pop(name, None)) is not None:
                lock.release(remove=True)

    def has(self, name: str) -> bool:
        """Return whether this process holds the lock."""
        with self._guard:
            lock = self._held.get(name)
            if lock is None:
                return False
            if not lock.is_current():  # somebody has removed the folder
                del self._held[name]
                lock.release()
                return False
            return True

    def close(self) -> None:
        """Give back what is held."""
        with self._guard:
            for name in list(self._held):
                self.give_back(name)

    def forget(self) -> None:
        """Leave the locks to the parent of this forked process, as FileLock does by itself."""
        self._held.clear()


def _file_of(name: str) -> str:
    readable = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
    return f"{readable[:60]}-{blake2b(name.encode(), digest_size=8).hexdigest()}.lock"
