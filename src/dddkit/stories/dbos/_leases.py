"""The lease of this process: as long as it is held, others leave the runs of this process alone."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

from dbos import DBOS
from sqlalchemy import URL

from dddkit._database_errors import shown_of_database
from dddkit._locks import new_lock
from dddkit._outage_log import OutageLog
from dddkit.exceptions import ExecutorInUseError
from dddkit.stories.dbos._log import LOGGER
from dddkit.stories.dbos._postgresql_locks import PostgreSQLLocks
from dddkit.stories.dbos._sqlite_locks import SQLiteLocks

__all__ = ["Lease", "LeaseAtLaunch", "current_lease", "end_lease", "runs_may_begin"]

_EVERY: Final = 1.0  # seconds
_TRUSTED: Final = 10.0
"""So many seconds after it was confirmed a lease counts as held; less than after which a server ends the session."""
_PATIENCE: Final = 2.0
"""Seconds for which a process that starts tries to take its lease: others may have it while they look who is dead."""


class Locks(Protocol):
    """Locks by name, each of which at most one process has."""

    def take(self, name: str) -> bool: ...
    def give_back(self, name: str) -> None: ...
    def has(self, name: str) -> bool: ...
    def close(self) -> None: ...
    def forget(self) -> None: ...


class Lease:
    """The lock that is called like the executor of this process, taken when DBOS is launched, given back at its end.

    A thread confirms it each second, and takes it again where it was lost.
    """

    def __init__(
        self,
        application: str,
        executor_id: str,
        locks: Locks,
        *,
        every: float = _EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.executor_id: Final = executor_id
        self._every: Final = every
        self._clock: Final = clock
        self._log: Final = OutageLog(LOGGER, f"the lease of {executor_id}")
        self._application: Final = application
        self._locks: Final = locks
        self._confirmed = 0.0
        self._since = 0.0
        self._ended: Final = threading.Event()
        self._thread: Final = threading.Thread(target=self._keep, name="dddkit-lease", daemon=True)

    def begin(self) -> None:
        """Take the lease.

        Raises:
            ExecutorInUseError: another process has it, and does not give it back.
        """
        end = time.monotonic() + _PATIENCE
        while not self._locks.take(self._name(self.executor_id)):
            if time.monotonic() > end:
                self._locks.close()
                raise ExecutorInUseError(self.executor_id)
            time.sleep(0.05)
        self._confirmed = self._since = self._clock()
        self._thread.start()

    @property
    def held(self) -> bool:
        """Whether others leave the runs of this process alone, as far as is known."""
        return self._clock() - self._confirmed < _TRUSTED and not self._ended.is_set()

    def held_for(self) -> float:
        """Return for how many seconds it has been held without a break; 0 where it is not."""
        return self._clock() - self._since if self.held else 0.0

    @contextmanager
    def borrowed(self, executor_id: str) -> Generator[bool]:
        """Take the lease of another executor for the block, so that only one process takes over its runs.

        Gives whether it is taken: nobody has it, so that executor is not running.
        """
        name = self._name(executor_id)
        taken = executor_id != self.executor_id and self._locks.take(name)
        try:
            yield taken
        finally:
            if taken:
                self._locks.give_back(name)

    def end(self) -> None:
        """Give the lease back: others may take over what is left."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        with suppress(Exception):  # the database is away, which has ended the lease too
            self._locks.close()

    def forget(self) -> None:
        """Leave the lease to the parent of this forked process."""
        self._confirmed = 0.0
        self._locks.forget()

    def _name(self, executor_id: str) -> str:
        return f"{self._application} {executor_id}"

    def _keep(self) -> None:
        while not self._ended.wait(self._every):
            self.confirm()

    def confirm(self) -> None:
        """Show others that this process is alive; take the lease again where it was lost."""
        name = self._name(self.executor_id)
        try:
            if not self._locks.has(name):
                if not self._locks.take(name):
                    self._log.failed("another process has it, and takes over its runs; tried again each second")
                    return
                self._since = self._clock()
                LOGGER.warning(
                    "the lease of %s was lost, and is held again; others may have taken over its runs", self.executor_id
                )
            elif not self.held:  # paused for a while, and nobody has noticed
                self._since = self._clock()
            self._confirmed = self._clock()
        except Exception as error:
            what = f"it cannot be confirmed ({shown_of_database(error)}), so no more runs begin"
            self._log.failed(f"{what}; tried again each second", what)
        else:
            self._log.recovered("works again")


_guard: Final = new_lock()
_current: Lease | None = None


def current_lease() -> Lease | None:
    """Return the lease of this process; None where it runs no durable stories."""
    return _current


def runs_may_begin() -> bool:
    """Whether this process may execute runs: it may not while others may take them over."""
    return _current is None or _current.held


def end_lease(lease: Lease) -> None:
    """Give this lease back."""
    global _current  # DBOS is one per process too
    with _guard:
        if _current is lease:
            _current = None
    lease.end()


class LeaseAtLaunch:
    """What takes the lease when DBOS connects first, which is when it is launched, before any run begins.

    It is an event of the engine's pool, for there a chosen executor id that is in use fails the launch.
    """

    def __init__(self, application: str, url: URL, leases_at: URL) -> None:
        self._application: Final = application
        self._url: Final = url
        self._leases_at: Final = leases_at
        self._lease: Lease | None = None

    def __call__(self, connection: Any, record: object) -> None:  # Any: a connection of the driver
        global _current
        if not self._is_to_database(connection):
            return
        with _guard:
            if _current is not None:
                if _current is self._lease:
                    return
                # Of an earlier DBOS that knew no durable story, so that nothing of ours has noticed its end.
                _current.end()
                _current = None
            lease = Lease(self._application, DBOS.executor_id, self._locks())
            try:
                lease.begin()
            except BaseException:
                connection.close()  # SQLAlchemy does not know it yet
                raise
            self._lease = _current = lease

    def _is_to_database(self, connection: Any) -> bool:
        """Whether it is a connection to the database of the runs, and not to the one from where DBOS creates that."""
        return self._url.drivername == "sqlite" or connection.info.dbname == self._url.database

    def _locks(self) -> Locks:
        if self._url.drivername == "sqlite":
            return SQLiteLocks(str(self._url.database))
        return PostgreSQLLocks(self._leases_at)


def _forget_parents() -> None:
    global _current
    if _current is not None:
        _current.forget()
        _current = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents)
