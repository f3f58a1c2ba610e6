"""settings(): what durable stories need of DBOS, whatever URL people have, and what is rejected by name."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Generator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from dbos import DBOSConfig, DBOSPortableJSONSerializer
from hypothesis import given
from hypothesis import settings as limited
from hypothesis import strategies as st
from sqlalchemy import make_url

from dddkit.stories.dbos import settings
from dddkit.stories.dbos._sqlite import Connection, define_unixepoch  # DBOS is what opens them

SECRET = "hunter2"


def url_of(config: DBOSConfig) -> str:
    url = config.get("system_database_url")
    assert url is not None
    return url


def test_the_version_is_pinned_so_that_a_deployment_strands_no_run(tmp_path: Path) -> None:
    config = settings("shop", f"sqlite:///{tmp_path}/a.sqlite")
    assert config.get("application_version") == "dddkit-1-shop"  # changed: no worker continues the runs of before


def test_records_are_json_and_nothing_leaves_for_anywhere_but_the_database(tmp_path: Path) -> None:
    config = settings("shop", f"sqlite:///{tmp_path}/a.sqlite")
    assert isinstance(config.get("serializer"), DBOSPortableJSONSerializer)
    assert config.get("enable_otlp") is False
    assert not any("conductor" in key for key in config)


def test_threads_are_limited_and_tables_are_made_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.sqlite"
    config = settings("shop", url)
    assert (config.get("max_executor_threads"), config.get("run_migrations")) == (28, True)
    config = settings("shop", url, max_executor_threads=4, run_migrations=False, log_level="ERROR")
    assert (config.get("max_executor_threads"), config.get("run_migrations")) == (4, False)
    assert config.get("log_level") == "ERROR"


def test_each_call_makes_an_executor_id_of_its_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.sqlite"
    ids = {settings("shop", url).get("executor_id") for _ in range(20)}
    assert len(ids) == 20
    assert all(f"-{os.getpid()}-" in str(found) for found in ids)


def test_a_chosen_executor_id_is_kept(tmp_path: Path) -> None:
    assert settings("shop", f"sqlite:///{tmp_path}/a", executor_id="worker 1").get("executor_id") == "worker 1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_finds_another_executor_id_in_the_settings(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.sqlite"
    made, chosen = settings("shop", url), settings("shop", url, executor_id="mine")
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write, f"{made.get('executor_id')}\n{chosen.get('executor_id')}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as said:
        in_child, chosen_in_child = said.read().split("\n")
    assert in_child != made.get("executor_id")
    assert f"-{child}-" in in_child
    assert chosen_in_child == "mine"


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"])
def test_every_url_of_an_sqlite_file_leads_to_the_file(tmp_path: Path, scheme: str) -> None:
    config = settings("shop", f"{scheme}:///{tmp_path}/shop.sqlite")
    assert make_url(url_of(config)).render_as_string() == f"sqlite:///{tmp_path}/shop.sqlite"


def test_a_relative_path_stays_the_same_file_when_the_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert make_url(url_of(settings("shop", "sqlite:///shop.sqlite"))).database == str(tmp_path / "shop.sqlite")
    assert make_url(url_of(settings("shop", "sqlite:///~/shop.sqlite"))).database == str(tmp_path / "shop.sqlite")


@pytest.mark.parametrize(
    "scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+asyncpg", "postgresql+psycopg2"]
)
def test_the_driver_of_a_postgresql_url_does_not_matter(scheme: str) -> None:
    config = settings("shop", f"{scheme}://ann:{SECRET}@db.example:5433/shop?sslmode=require")
    assert url_of(config) == f"postgresql://ann:{SECRET}@db.example:5433/shop?sslmode=require"


def test_a_url_object_is_a_url_too() -> None:
    assert url_of(settings("shop", make_url("postgresql://db/shop"))) == "postgresql://db/shop"


def test_a_server_that_vanished_is_noticed_and_what_the_url_says_of_that_stays() -> None:
    kwargs: Any = settings("shop", "postgresql://db/shop?tcp_user_timeout=1000").get("db_engine_kwargs")
    assert kwargs["connect_args"]["keepalives_idle"] == 5
    assert "tcp_user_timeout" not in kwargs["connect_args"]
    assert kwargs["connect_args"]["application_name"] == "dddkit shop"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite+aiosqlite:///:memory:", "in memory"),
        ("sqlite:///file:shop?mode=memory&uri=true", "in memory"),
        ("sqlite:///file:shop.sqlite?uri=true", "path of a file alone"),
        ("sqlite://shop.sqlite", "three slashes"),
        ("shop.sqlite", "is no URL"),
        ("", "is no URL"),
        ("${DATABASE_URL}", 'os.environ["DATABASE_URL"]'),
        ("postgresql://ann:${DB_PASSWORD}@db/shop", 'os.environ["DB_PASSWORD"]'),
        ("mysql://db/shop", "mysql"),
        ("cockroachdb://db/shop", "cockroachdb"),
        ("postgresql://db", "names no database"),
        ("postgresql+asyncpg://db/shop?ssl=require", "sslmode"),
    ],
)
def test_a_url_that_cannot_be_meant_is_rejected_with_what_to_write(url: str, says: str) -> None:
    with pytest.raises(ValueError, match="settings: ") as raised:
        settings("shop", url)
    assert says in str(raised.value)


@pytest.mark.parametrize("url", [None, 5, Path("shop.sqlite")], ids=["None", "5", "Path"])
def test_what_is_no_text_is_rejected(url: Any) -> None:
    with pytest.raises(TypeError, match="settings: database_url is a str, and not "):
        settings("shop", url)


def test_none_is_often_a_variable_that_is_not_set() -> None:
    url: Any = None
    with pytest.raises(TypeError, match="set the variable that it is read from"):
        settings("shop", url)


@limited(max_examples=40)
@given(st.sampled_from(["mysql", "oracle", "postgresql+asyncpg", "sqlite", "x y", "postgres//"]), st.text(max_size=20))
def test_no_message_contains_the_password(scheme: str, rest: str) -> None:
    said = ""
    try:
        settings("shop", f"{scheme}://ann:{SECRET}@db{rest}")
    except (ValueError, OSError) as error:
        said = f"{error!r} {error.__cause__!r}"
    assert SECRET not in said


def test_behind_a_pooler_the_lease_has_a_url_of_its_own_and_nothing_is_prepared() -> None:
    kwargs: Any = settings("shop", "postgresql://pool/shop", lease_url="postgresql://db/shop").get("db_engine_kwargs")
    assert kwargs["connect_args"]["prepare_threshold"] is None
    kwargs = settings("shop", "postgresql://db/shop").get("db_engine_kwargs")
    assert "prepare_threshold" not in kwargs["connect_args"]
    with pytest.raises(ValueError, match="settings: lease_url names no database"):
        settings("shop", "postgresql://pool/shop", lease_url="postgresql://db")


@pytest.mark.parametrize("url", ["sqlite:///a.sqlite", "postgresql://pool/shop"])
def test_sqlite_has_no_pooler(url: str) -> None:
    with pytest.raises(ValueError, match="leave it out"):
        settings("shop", url, lease_url="sqlite:///a.sqlite")


def test_the_folder_of_the_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no folder for 'a.sqlite'"):
        settings("shop", f"sqlite:///{tmp_path}/nowhere/a.sqlite")
    with pytest.raises(IsADirectoryError):
        settings("shop", f"sqlite:///{tmp_path}")


@pytest.mark.parametrize("name", ["Shop", "ab", "my shop", "", "é" * 5, "a" * 257])
def test_a_name_that_dbos_does_not_take_is_rejected_here(name: str) -> None:
    with pytest.raises(ValueError, match="settings: DBOS takes no application called"):
        settings(name, "postgresql://db/shop")


@pytest.mark.parametrize("executor_id", ["", " ", "a\nb", "x" * 201])
def test_an_executor_id_is_something_that_people_can_read(executor_id: str) -> None:
    with pytest.raises(ValueError, match="settings: executor_id is"):
        settings("shop", "postgresql://db/shop", executor_id=executor_id)


@pytest.mark.parametrize("threads", [0, -1, True, "8", None])
def test_a_number_of_threads_is_one_or_more(threads: Any) -> None:
    with pytest.raises(ValueError, match="max_executor_threads"):
        settings("shop", "postgresql://db/shop", max_executor_threads=threads)


def test_sqlite_writes_ahead(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.sqlite", factory=Connection)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_connection_waits_until_it_can_write_ahead(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE t (x)")
    other.execute("BEGIN EXCLUSIVE")
    timer = Timer(0.1, other.execute, ("COMMIT",))
    timer.start()
    sqlite3.connect(tmp_path / "a.sqlite", factory=Connection, timeout=0).close()
    timer.join()
    other.close()


def test_a_place_where_sqlite_cannot_write_ahead_is_rejected() -> None:
    with pytest.raises(OSError, match="put the file on a local disk"):
        sqlite3.connect(":memory:", factory=Connection)


def test_the_time_of_sqlite_is_as_fine_as_dbos_wants_it() -> None:
    connection = sqlite3.connect(":memory:")
    define_unixepoch(connection)
    (seconds,) = connection.execute("SELECT unixepoch('subsec')").fetchone()
    (whole,) = connection.execute("SELECT strftime('%s', 'now')").fetchone()
    assert isinstance(seconds, float)
    assert abs(seconds - int(whole)) < 2
    connection.execute("CREATE TABLE t (x, made INTEGER DEFAULT (unixepoch('subsec') * 1000))")
    connection.execute("INSERT INTO t (x) VALUES (1)")
    assert connection.execute("SELECT made > 1e12 FROM t").fetchone() == (1,)
    connection.close()


@pytest.fixture
def dbos_logs(tmp_path: Path) -> Generator[list[str]]:
    """What the logger of DBOS lets through, with `settings` called as often as somebody may."""
    settings("shop", f"sqlite:///{tmp_path}/a.sqlite")
    settings("shop", f"sqlite:///{tmp_path}/a.sqlite")
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]  # of this object
    logger = logging.getLogger("dbos")
    level = logger.level  # of the last DBOS of this process, where there was one
    logger.setLevel(logging.WARNING)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_what_dbos_logs_of_a_lost_connection_comes_once_a_minute(
    dbos_logs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger, now = logging.getLogger("dbos"), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for seconds in range(121):
        now += 1
        logger.warning(f"polling {seconds}: (psycopg.OperationalError) connection is bad")
        logger.warning(f"other {seconds}: (psycopg.OperationalError) connection is bad")
        logger.warning(f"contention {seconds}")
    assert [line.split(":")[0] for line in dbos_logs if "bad" in line] == [
        *("polling 0", "other 0", "polling 60", "other 60", "polling 120", "other 120")
    ]
    assert sum("contention" in line for line in dbos_logs) == 121
