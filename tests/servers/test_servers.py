"""The servers of the tests: databases are empty, on both drivers; all are gone with the tests."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, select

from tests.servers.databases import Database, PostgreSQL
from tests.servers.programs import PROGRAMS
from tests.servers.running import Program, own_server, shared_server

metadata = MetaData()
things = Table("things", metadata, Column("id", Integer, primary_key=True))


async def count_after_adding_one(database: Database) -> int | None:
    engine = database.engine(metadata)
    try:
        async with engine.begin() as connection:
            await connection.execute(things.insert())
            return await connection.scalar(select(func.count()).select_from(things))
    finally:
        await engine.dispose()


def test_a_database_is_the_same_for_both_kinds_of_engines(database: Database) -> None:
    assert asyncio.run(count_after_adding_one(database)) == 1
    engine = database.sync_engine(metadata)
    with engine.begin() as connection:
        connection.execute(things.insert())
        assert connection.scalar(select(func.count()).select_from(things)) == 2
    engine.dispose()


def test_each_test_has_an_empty_database(database: Database) -> None:
    assert asyncio.run(count_after_adding_one(database)) == 1


def test_psycopg_works_asynchronously_too(postgresql: PostgreSQL) -> None:
    assert asyncio.run(count_after_adding_one(postgresql.over("psycopg"))) == 1


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


@pytest.mark.parametrize(
    "program",
    [
        "nats",
        pytest.param("kafka", marks=pytest.mark.slow),
        pytest.param("postgresql", marks=pytest.mark.slow),
        pytest.param("rabbitmq", marks=pytest.mark.slow),
        pytest.param("redis", marks=pytest.mark.slow),
    ],
)
def test_a_server_of_ones_own_can_be_stopped_killed_and_started_again(program: Program) -> None:
    with own_server(program) as server:
        for end in (server.stop, server.kill):
            end()
            server.start()
        if program == "postgresql":
            assert (server.home / ".s.PGSQL.5432").exists()
        else:
            port = server.port(program)
            assert listens(port)
            server.kill()
            assert not listens(port)
    assert not server.home.exists()


@pytest.mark.skipif(not Path("/usr/sbin/nats-server").exists(), reason="NATS is not installed here as Debian does it")
def test_a_user_whose_path_lacks_sbin_has_the_servers_of_debian_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
    assert PROGRAMS["nats"].missing() is None  # the next line would skip this test
    with own_server("nats") as server:
        assert listens(server.port("nats"))


def test_a_server_that_did_not_start_is_not_waited_for_by_each_test(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "nats-server"
    broken.write_bytes(b"no program")
    broken.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        with pytest.raises(RuntimeError, match="the server does not start: ") as first:
            shared_server("nats", tmp_path)
    broken.unlink()
    with pytest.raises(RuntimeError) as again:
        shared_server("nats", tmp_path)
    assert str(again.value) == str(first.value)


def test_a_shared_server_ends_with_the_tests_even_if_they_are_killed(nats_url: str, tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time; from tests.servers.running import shared_server\n"
        f"print((shared_server('nats', pathlib.Path({str(tmp_path)!r})) / 'nats.port').read_text(), flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        port = int(tests.stdout.readline())
        assert listens(port)
        os.kill(tests.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while listens(port):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert listens(int(nats_url.rpartition(":")[2]))
