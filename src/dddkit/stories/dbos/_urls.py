"""The URLs that people have for a database, as DBOS takes them, and what is rejected of them."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from dddkit._callables import kind_of

__all__ = ["database_url"]

_SQLITE: Final = ("sqlite", "sqlite+pysqlite", "sqlite+aiosqlite")


def database_url(argument: str, given: object) -> URL:
    """Return the URL as DBOS takes it; raise what is wrong with it, without what it says: there is a password in it."""
    if not isinstance(given, (str, URL)):
        raise TypeError(
            f"settings: {argument} is a str, and not {kind_of(given)}; write one as in "
            f'settings("shop", "sqlite:///shop.sqlite")' + (", or set the variable that it is read from" * (not given))
        )
    if placeholder := re.search(r"\$\{\w*\}", given if isinstance(given, str) else ""):
        raise ValueError(
            f"settings: {argument} contains {placeholder[0]}, which nobody fills in here; "
            f'write os.environ["{placeholder[0][2:-1]}"]'
        )
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise ValueError(
            f"settings: {argument} is no URL; write one as in sqlite:///shop.sqlite, or "
            "postgresql://user:password@host/shop, with @ : / in a password as %40 %3A %2F"
        ) from None
    if url.drivername in _SQLITE:
        return URL.create("sqlite", database=_file(argument, url))
    if url.drivername.partition("+")[0] not in ("postgresql", "postgres"):
        raise ValueError(
            f"settings: DBOS keeps its runs in SQLite or PostgreSQL, and {argument} begins with {url.drivername}://"
        )
    if not url.database:
        raise ValueError(
            f"settings: {argument} names no database; write one behind the host, as in postgresql://host/shop"
        )
    if "ssl" in url.query:
        raise ValueError(
            f"settings: `ssl` in the query of {argument} is asyncpg's, and DBOS connects by psycopg; write sslmode"
        )
    return url.set(drivername="postgresql")


def _file(argument: str, url: URL) -> str:
    if url.host:
        raise ValueError(
            f"settings: {argument} names a host, which SQLite does not have; write three slashes before a path that "
            "is relative, four before one that is not"
        )
    path = url.database
    if not path or path == ":memory:" or url.query.get("mode") == "memory":
        raise ValueError(
            "settings: a durable story has to outlive its process, and this database is in memory; write a file, as in "
            "sqlite:///shop.sqlite"
        )
    if path.startswith("file:") or url.query:
        raise ValueError(f"settings: {argument} has to be the path of a file alone, as in sqlite:///shop.sqlite")
    file = Path(os.path.abspath(Path(path).expanduser()))  # the current folder may change before the first connection
    if not file.parent.is_dir():
        raise FileNotFoundError(
            errno.ENOENT, f"settings has no folder for {file.name!r}; create it first", str(file.parent)
        )
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, "settings takes the path of a file, and this is a folder", str(file))
    return str(file)
