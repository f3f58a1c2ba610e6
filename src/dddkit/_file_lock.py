"""A lock that at most one owner on this machine has, in whatever process."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import FileIO
from threading import RLock
from typing import Final
from weakref import WeakSet

from dddkit._typing import Self

__all__ = ["FileLock"]

if sys.platform == "win32":
    import msvcrt

    def _lock(file: FileIO) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def _unlock(file: FileIO) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: FileIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: FileIO) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)  # closing is not enough where somebody has forked without our knowing


_GUARD: Final = RLock()
"""Held while locks change, and during a fork: a child must not inherit a file that is locked a moment later."""

_LOCKS: Final[WeakSet[FileLock]] = WeakSet()


class FileLock:
    """A lock file. Of all objects for one path, in all threads and processes of the machine, at most one has the lock.

    It is released by `release`, and by the end of the process, however that ends. The file stays, unless the owner
    removes it with the lock. A forked child does not have its parent's locks.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Final = os.path.abspath(path)
        self._file: FileIO | None = None
        _LOCKS.add(self)

    @property
    def held(self) -> bool:
        """Whether this object has the lock."""
        return self._file is not None

    def acquire(self) -> bool:
        """Take the lock unless somebody has it, this object included; return whether it was taken. Never waits.

        Raises:
            OSError: the file cannot be created or opened.
        """
        with _GUARD:
            if self._file is not None:
                return False
            while True:
                file = FileIO(self.path, "r", opener=_create)
                try:
                    _lock(file)
                except BlockingIOError:
                    file.close()
                    return False
                except BaseException:
                    file.close()
                    raise
                if _is_at(self.path, file):
                    self._file = file
                    return True
                file.close()  # its owner has removed it after it was opened here: others lock a new one

    def is_current(self) -> bool:
        """Return whether this object has the lock, and its file is where others look for it."""
        with _GUARD:
            return self._file is not None and _is_at(self.path, self._file)

    def release(self, *, remove: bool = False) -> None:
        """Give the lock back. Where this object does not have it, nothing happens.

        Args:
            remove: whether to remove the file too, where the system lets us remove one that is open.
        """
        with _GUARD:
            file, self._file = self._file, None
            if file is not None:
                try:
                    if remove and _is_at(self.path, file):
                        with suppress(PermissionError):  # Windows; a folder of somebody else
                            os.remove(self.path)
                    _unlock(file)
                finally:
                    file.close()

    def _forget(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def __enter__(self) -> Self:
        """Return this lock, to be released at the end of the block if it was acquired."""
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _is_at(path: str, file: FileIO) -> bool:
    """Return whether this file is the one at the path, and not one that was removed."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(file.fileno()))


def _create(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o666)  # reading is enough for a lock, also on a file of somebody else


def _forget_parents_locks() -> None:
    """Close the files of the parent's locks; they stay locked, by the parent."""
    for lock in list(_LOCKS):
        lock._forget()  # pyright: ignore[reportPrivateUsage]  # for this module alone
    _GUARD.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_GUARD.acquire, after_in_parent=_GUARD.release, after_in_child=_forget_parents_locks)
