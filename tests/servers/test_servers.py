"""The databases of the tests: empty, on both drivers, and gone with the tests."""

from __future__ import annotations

import asyncio

from sqlalchemy import Column, Integer, MetaData, Table, func, select

from tests.servers.databases import Database, PostgreSQL

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
