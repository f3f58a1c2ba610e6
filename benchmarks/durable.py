"""Durable stories, compared with the same workflow written with DBOS by hand."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal

from tests.servers.programs import PostgresServer

from benchmarks.contest import OURS, Contest
from benchmarks.harness import Contender, driven

__all__ = ["CONTESTS", "DATABASES", "TITLE", "Database", "by_hand", "database_url", "story", "use"]

TITLE: Final = "Durable stories: five steps that set a field each, vs DBOS by hand (without the CPU time of servers)"

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


def story(database: Database) -> Contender:
    """Return what runs a story to its end."""
    from benchmarks.durable_stories import Order

    durable = _shop(database).story

    async def run() -> None:
        order_id = _new_id()
        await durable.astart(Order(order_id=order_id), id=order_id)
        await durable.aresult(order_id)

    return Contender("await run()", {"run": run})


def by_hand(database: Database) -> Contender:
    """Return what runs the workflow to its end."""
    from dbos import DBOS, SetWorkflowID

    workflow = _shop(database).by_hand

    async def run() -> None:
        order_id = _new_id()
        with SetWorkflowID(order_id):
            handle = await DBOS.start_workflow_async(workflow, {"order_id": order_id})
        await handle.get_result()

    return Contender("await run()", {"run": run})


def _sync_story(database: Database) -> Contender:
    from benchmarks.durable_stories import Order

    story = _shop(database).sync_story

    def run() -> None:
        order_id = _new_id()
        story.start(Order(order_id=order_id), id=order_id)
        story.result(order_id)

    return Contender("run()", {"run": run})


def _sync_by_hand(database: Database) -> Contender:
    from dbos import DBOS, SetWorkflowID

    workflow = _shop(database).sync_by_hand

    def run() -> None:
        order_id = _new_id()
        with SetWorkflowID(order_id):
            handle = DBOS.start_workflow(workflow, {"order_id": order_id})
        handle.get_result()

    return Contender("run()", {"run": run})


CONTESTS: Final = [
    Contest(
        key=f"durable-{kind}-{database}",
        what=f"{what} durable story on {name}",
        must=1.15,
        stretch=1.05,
        limit=partial(hand, database),
        entries={OURS: partial(ours, database)},
        slow=True,
    )
    for database, name in DATABASES.items()
    for kind, what, ours, hand in (
        ("async", "an async", story, by_hand),
        ("sync", "a sync", _sync_story, _sync_by_hand),
    )
]
