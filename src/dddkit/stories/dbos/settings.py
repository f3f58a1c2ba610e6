"""The settings of DBOS for durable stories."""

from __future__ import annotations

import re
from typing import Final, Literal

from dbos import DBOSConfig, DBOSPortableJSONSerializer
from sqlalchemy import URL

from dddkit._callables import kind_of
from dddkit.stories.dbos._executors import new_executor_id, renewed_after_fork
from dddkit.stories.dbos._leases import LeaseAtLaunch
from dddkit.stories.dbos._quiet import quieten
from dddkit.stories.dbos._sqlite import Connection
from dddkit.stories.dbos._urls import database_url as url_of

__all__ = ["APPLICATION_VERSION", "settings"]

APPLICATION_VERSION: Final = "dddkit-1"
"""What the version of each application begins with, for DBOS 3; the next number is for the next major version of DBOS.

DBOS's own is a hash of the code of the workflows, so that with each deployment runs would wait for workers of the
old version. Here the names of the steps decide whether a run can go on. The name of the application follows, since
DBOS lets no two applications of a database have the same version.
"""

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_NAME: Final = re.compile(r"[a-z0-9_-]{3,256}")
_KEEPALIVES: Final = {"keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3, "tcp_user_timeout": 15_000}
"""A server that vanished is noticed after 15 seconds; libpq's own settings wait for two hours."""


def settings(
    name: str,
    database_url: str | URL,
    *,
    executor_id: str | None = None,
    lease_url: str | URL | None = None,
    run_migrations: bool = True,
    max_executor_threads: int = 28,
    log_level: LogLevel = "WARNING",
) -> DBOSConfig:
    """Return the configuration for a DBOS that runs durable stories: `DBOS(config=settings("shop", url))`.

    Call it once in each process. It is a dict: `{**settings(...), "sys_db_pool_size": 50}` sets what DBOS has beside.
    What durable stories rely on should stay: the version of the application, which DBOS would otherwise make from the
    code; the serializer; the engine's options. Nothing is sent anywhere but to the database.

    Args:
        name: of the application: lower case letters, digits, `-` and `_`. Processes with other names leave its runs
            alone.
        database_url: as in `sqlite:///shop.sqlite`, for the processes of one machine, or
            `postgresql://user:password@host/shop`. The driver that a URL names does not matter: DBOS has its own.
            The database of a PostgreSQL is created where it does not exist.
        executor_id: what this process is called, in DBOS and in its log; None: the name of the machine, the process's
            id, and something random. A process that chooses one must be the only one that has it.
        lease_url: the same database without a pooler between, where `database_url` leads to a pooler that gives each
            transaction another session, as a PgBouncer in transaction mode does; None: `database_url` leads to the
            server itself. A worker shows that it is alive by one session of its own.
        run_migrations: whether DBOS creates and changes its tables when it is launched. With False somebody else has
            called `DBOS.migrate(url)`, as in a deployment.
        max_executor_threads: the threads that write records, and that DBOS works in; with 28 a process that runs any
            number of async runs at once has less than 40 threads. The steps of sync stories have 32 others.
        log_level: what DBOS logs of itself. While the database is away, it does so once a minute.

    Raises:
        TypeError: an argument is something else.
        ValueError: a name or URL that DBOS cannot use; a database in memory, which would end with the process.
        FileNotFoundError: the folder of the SQLite file does not exist.
        IsADirectoryError: the path of the SQLite file is a folder.
    """
    _check_name(name)
    if executor_id is not None:
        _check_executor_id(executor_id)
    if not _is_count(max_executor_threads):
        raise ValueError(
            f"settings: max_executor_threads is a number of threads, 1 or more, not {kind_of(max_executor_threads)}"
        )
    url = url_of("database_url", database_url)
    leases_at = url if lease_url is None else url_of("lease_url", lease_url)
    if lease_url is not None and "sqlite" in (url.drivername, leases_at.drivername):
        raise ValueError("settings: lease_url is for a PostgreSQL behind a pooler; leave it out")
    quieten()
    config = DBOSConfig(
        name=name,
        system_database_url=url.render_as_string(hide_password=False),
        executor_id=new_executor_id() if executor_id is None else executor_id,
        application_version=f"{APPLICATION_VERSION}-{name}",
        serializer=DBOSPortableJSONSerializer(),
        db_engine_kwargs={
            "connect_args": _connect_args(name, url, is_pooled=lease_url is not None),
            "pool_events": [(LeaseAtLaunch(name, url, leases_at), "connect")],
        },
        run_migrations=run_migrations,
        max_executor_threads=max_executor_threads,
        log_level=log_level,
        enable_otlp=False,
    )
    if executor_id is None:
        renewed_after_fork(config)
    return config


def _connect_args(name: str, url: URL, *, is_pooled: bool) -> dict[str, object]:
    if url.drivername == "sqlite":
        return {"factory": Connection}
    ours = {"application_name": f"dddkit {name}", **_KEEPALIVES}
    kept: dict[str, object] = {key: value for key, value in ours.items() if key not in url.query}
    if is_pooled:
        kept["prepare_threshold"] = None  # the next transaction may be in a session without what was prepared
    return kept


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"settings: the name of the application is a str, and not {kind_of(name)}")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"settings: DBOS takes no application called {name!r}; write 3 to 256 lower case letters, digits, - and _"
        )


def _check_executor_id(executor_id: object) -> None:
    if not isinstance(executor_id, str):
        raise TypeError(f"settings: executor_id is a str, and not {kind_of(executor_id)}")
    if not executor_id.strip() or not executor_id.isprintable() or len(executor_id) > 200:
        raise ValueError(
            f"settings: executor_id is {executor_id[:200]!r}; write 1 to 200 printable characters, or leave it out"
        )
