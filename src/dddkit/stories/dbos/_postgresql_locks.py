"""Locks by name on PostgreSQL: advisory locks of one session, which has a connection of its own."""

from __future__ import annotations

from contextlib import suppress
from hashlib import blake2b
from typing import Final

from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.pool import NullPool

from dddkit._locks import new_lock

__all__ = ["PostgreSQLLocks"]

_KEEPALIVES: Final = {"keepalives_idle": 3, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
"""On this side: after 10 seconds without an answer the connection counts as lost."""

_SESSION: Final = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
    "idle_session_timeout": "15s",
}
"""On the side of the server: the session ends 15 seconds after its owner was heard of last.

The kernel of a stopped process answers keepalives; the limit for an idle session, from PostgreSQL 14 on, ends it too.
"""

_forgotten: Final[list[Connection]] = []
"""The parent's, in a forked child: closing one would end the parent's session."""


class PostgreSQLLocks:
    """Advisory locks, held by a session until it ends. Any thread may call."""

    def __init__(self, url: URL) -> None:
        self._engine: Final = create_engine(
            url.set(drivername="postgresql+psycopg"),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": 10, "application_name": "dddkit lease", **_KEEPALIVES},
        )
        self._guard: Final = new_lock()
        self._connection: Connection | None = None
        self._held: Final[set[str]] = set()

    def take(self, name: str) -> bool:
        """Take the lock unless another session has it; return whether this one has it now."""
        with self._guard:
            if name not in self._held and self._call("SELECT pg_try_advisory_lock(%s)", _key(name)):
                self._held.add(name)
            return name in self._held

    def give_back(self, name: str) -> None:
        """Give the lock back."""
        with self._guard:
            if name in self._held:
                self._held.discard(name)
                self._call("SELECT pg_advisory_unlock(%s)", _key(name))

    def has(self, name: str) -> bool:
        """Return whether the session has the lock; show the server that its owner is alive."""
        with self._guard:
            if self._held:
                self._call("SELECT %s::bigint", 1)
            return name in self._held

    def close(self) -> None:
        """End the session, and with it what it holds."""
        with self._guard:
            self._leave()
            self._engine.dispose()

    def forget(self) -> None:
        """Leave the session to the parent of this forked process."""
        connection, self._connection = self._connection, None
        self._held.clear()
        if connection is not None:
            _forgotten.append(connection)

    def _call(self, query: str, value: int) -> object:
        try:
            if self._connection is None:
                self._connection = self._connect()
            return self._connection.exec_driver_sql(query, (value,)).scalar_one()
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        self._held.clear()
        if connection is not None:
            _close(connection)

    def _connect(self) -> Connection:
        connection = self._engine.connect()
        try:
            connection.exec_driver_sql(
                "SELECT set_config(name, %s::jsonb ->> name, false) FROM pg_settings WHERE %s::jsonb ? name",
                (_AS_JSON, _AS_JSON),
            )
        except BaseException:
            _close(connection)
            raise
        return connection


_AS_JSON: Final = "{" + ", ".join(f'"{name}": "{value}"' for name, value in _SESSION.items()) + "}"
"""As a parameter: an older server sets those it knows."""


def _close(connection: Connection) -> None:
    with suppress(Exception):  # a lost one
        connection.invalidate()
    with suppress(Exception):
        connection.close()


def _key(name: str) -> int:
    digest = blake2b(f"dddkit.stories.dbos\0{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
