"""Durable stories, compared with the same workflow written with DBOS by hand.

What a step costs is what a run of 25 steps takes more than one of 5; what a whole run of 5 costs has rows of its own.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal

from tests.servers.programs import PostgresServer

from benchmarks.contest import OURS, Contest
from benchmarks.harness import Contender, driven

__all__ = ["CONTESTS", "DATABASES", "TITLE", "Database", "by_hand", "database_url", "story", "use"]

TITLE: Final = "Durable stories: steps that set a field each, vs DBOS by hand (without the CPU time of servers)"

Database = Literal["sqlite", "postgresql"]
DATABASES: Final[dict[Database, str]] = {"sqlite": "SQLite"}
if PostgresServer.missing() is None:
    DATABASES["postgresql"] = "PostgreSQL"

_NUMBERS: Final = count()

_urls: Final[dict[Database, str]] = {}


def use(database: Database, url: str) -> None:
    """Use this one, which another process has made."""
    _urls[database] = url


def database_url(database: Database) -> str:
    if database not in _urls:
        _urls[database] = _new_database(database)
    return _urls[database]


def _new_database(database: Database) -> str:
    folder = Path(tempfile.mkdtemp(prefix="benchmarks-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if database == "sqlite":
        return f"sqlite:///{folder / 'runs.sqlite'}"
    from tests.servers.databases import shared_postgresql

    return shared_postgresql(folder).url("psycopg").render_as_string(hide_password=False)


_launched: Final[dict[Database, Any]] = {}


def _shop(database: Database) -> Any:
    """Return the workflows of a DBOS on this database; a process has one at a time."""
    from benchmarks.durable_stories import launched

    async def launch() -> float:  # inside the loop, as in an application that is async
        _launched[database] = launched(database_url(database))
        return 0

    if database not in _launched:
        _launched.clear()
        driven(launch())
    return _launched[database]


def _new_id() -> str:
    return f"order-{os.getpid()}-{next(_NUMBERS)}"  # other processes may use the same database


Kind = Literal["run", "long run"]


def story(database: Database, kind: Kind = "run") -> Contender:
    """Return what runs a story to its end."""
    from benchmarks.durable_stories import Order

    shop = _shop(database)
    durable = shop.story if kind == "run" else shop.long_story

    async def run() -> None:
        order_id = _new_id()
        await durable.astart(Order(order_id=order_id), id=order_id)
        await durable.aresult(order_id)

    return Contender("await run()", {"run": run})


def by_hand(database: Database, kind: Kind = "run") -> Contender:
    """Return what runs the workflow to its end."""
    from dbos import DBOS, SetWorkflowID

    shop = _shop(database)
    workflow = shop.by_hand if kind == "run" else shop.long_by_hand

    async def run() -> None:
        order_id = _new_id()
        with SetWorkflowID(order_id):
            handle = await DBOS.start_workflow_async(workflow, {"order_id": order_id})
        await handle.get_result()

    return Contender("await run()", {"run": run})


def _sync_story(database: Database, kind: Kind = "run") -> Contender:
    from benchmarks.durable_stories import Order

    shop = _shop(database)
    durable = shop.sync_story if kind == "run" else shop.long_sync_story

    def run() -> None:
        order_id = _new_id()
        durable.start(Order(order_id=order_id), id=order_id)
        durable.result(order_id)

    return Contender("run()", {"run": run})


def _sync_by_hand(database: Database, kind: Kind = "run") -> Contender:
    from dbos import DBOS, SetWorkflowID

    shop = _shop(database)
    workflow = shop.sync_by_hand if kind == "run" else shop.long_sync_by_hand

    def run() -> None:
        order_id = _new_id()
        with SetWorkflowID(order_id):
            handle = DBOS.start_workflow(workflow, {"order_id": order_id})
        handle.get_result()

    return Contender("run()", {"run": run})


_Way = Callable[[Database, Kind], Contender]


def _steps(way: _Way, database: Database) -> Contender:
    """Return what measures the further steps of the long workflow alone."""
    return replace(way(database, "long run"), less=way(database, "run"))


def _contests(kind: str, what: str, ours: _Way, hand: _Way, database: Database) -> Iterator[Contest]:
    yield Contest(
        key=f"durable-{kind}-{database}",
        what=f"a step of {what} durable story on {DATABASES[database]}",
        must=1.15,
        stretch=1.05,
        limit=partial(_steps, hand, database),
        entries={OURS: partial(_steps, ours, database)},
        slow=True,
    )
    yield Contest(
        key=f"durable-run-{kind}-{database}",
        what=f"a whole run of {what} durable story of five steps on {DATABASES[database]}",
        limit=partial(hand, database, "run"),
        entries={OURS: partial(ours, database, "run")},
        slow=True,
    )


CONTESTS: Final = [
    contest
    for database in DATABASES
    for kind, what, ours, hand in (
        ("async", "an async", story, by_hand),
        ("sync", "a sync", _sync_story, _sync_by_hand),
    )
    for contest in _contests(kind, what, ours, hand, database)
]
