"""The settings of DBOS for durable stories."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Final, Literal

from dbos import DBOSConfig, DBOSPortableJSONSerializer
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from dddkit._callables import kind_of
from dddkit.stories.dbos._executors import new_executor_id, renewed_after_fork
from dddkit.stories.dbos._leases import LeaseAtLaunch
from dddkit.stories.dbos._quiet import quieten
from dddkit.stories.dbos._sqlite import Connection

__all__ = ["APPLICATION_VERSION", "settings"]

APPLICATION_VERSION: Final = "dddkit-1"
"""For DBOS 3; the next number is for the next major version of DBOS.

DBOS's own is a hash of the code of the workflows, so that with each deployment runs would wait for workers of the
old version. Here the names of the steps decide whether a run can go on.
"""

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_SQLITE: Final = ("sqlite", "sqlite+pysqlite", "sqlite+aiosqlite")
_NAME: Final = re.compile(r"[a-z0-9_-]{3,256}")
_KEEPALIVES: Final = {"keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3, "tcp_user_timeout": 15_000}
"""A server that vanished is noticed after 15 seconds; libpq's own settings wait for two hours."""


def settings(
    name: str,
    database_url: str | URL,
    *,
    executor_id: str | None = None,
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
    url = _database(database_url)
    quieten()
    config = DBOSConfig(
        name=name,
        system_database_url=url.render_as_string(hide_password=False),
        executor_id=new_executor_id() if executor_id is None else executor_id,
        application_version=APPLICATION_VERSION,
        serializer=DBOSPortableJSONSerializer(),
        db_engine_kwargs={
            "connect_args": _connect_args(name, url),
            "pool_events": [(LeaseAtLaunch(name, url), "connect")],
        },
        run_migrations=run_migrations,
        max_executor_threads=max_executor_threads,
        log_level=log_level,
        enable_otlp=False,
    )
    if executor_id is None:
        renewed_after_fork(config)
    return config


def _connect_args(name: str, url: URL) -> dict[str, object]:
    if url.drivername == "sqlite":
        return {"factory": Connection}
    ours = {"application_name": f"dddkit {name}", **_KEEPALIVES}
    return {key: value for key, value in ours.items() if key not in url.query}


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


def _database(given: object) -> URL:
    """Return the URL as DBOS takes it; raise what is wrong with it, without what it says: there is a password in it."""
    if not isinstance(given, (str, URL)):
        raise TypeError(
            f"settings: database_url is a str, and not {kind_of(given)}; write one as in "
            f'settings("shop", "sqlite:///shop.sqlite")' + (", or set the variable that it is read from" * (not given))
        )
    if placeholder := re.search(r"\$\{\w*\}", given if isinstance(given, str) else ""):
        raise ValueError(
            f"settings: database_url contains {placeholder[0]}, which nobody fills in here; "
            f'write os.environ["{placeholder[0][2:-1]}"]'
        )
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise ValueError(
            "settings: database_url is no URL; write one as in sqlite:///shop.sqlite, or "
            "postgresql://user:password@host/shop, with @ : / in a password as %40 %3A %2F"
        ) from None
    if url.drivername in _SQLITE:
        return URL.create("sqlite", database=_file(url))
    if url.drivername.partition("+")[0] not in ("postgresql", "postgres"):
        raise ValueError(
            f"settings: DBOS keeps its runs in SQLite or PostgreSQL, and database_url begins with {url.drivername}://"
        )
    if not url.database:
        raise ValueError(
            "settings: database_url names no database; write one behind the host, as in postgresql://host/shop"
        )
    if "ssl" in url.query:
        raise ValueError(
            "settings: `ssl` in the query of database_url is asyncpg's, and DBOS connects by psycopg; write sslmode"
        )
    return url.set(drivername="postgresql")


def _file(url: URL) -> str:
    if url.host:
        raise ValueError(
            "settings: database_url names a host, which SQLite does not have; write three slashes before a path that "
            "is relative, four before one that is not"
        )
    path = url.database
    if not path or path == ":memory:" or url.query.get("mode") == "memory":
        raise ValueError(
            "settings: a durable story has to outlive its process, and this database is in memory; write a file, as in "
            "sqlite:///shop.sqlite"
        )
    if path.startswith("file:") or url.query:
        raise ValueError("settings: database_url has to be the path of a file alone, as in sqlite:///shop.sqlite")
    file = Path(os.path.abspath(Path(path).expanduser()))  # the current folder may change before the first connection
    if not file.parent.is_dir():
        raise FileNotFoundError(
            errno.ENOENT, f"settings has no folder for {file.name!r}; create it first", str(file.parent)
        )
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, "settings takes the path of a file, and this is a folder", str(file))
    return str(file)
