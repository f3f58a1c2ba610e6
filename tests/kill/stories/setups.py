"""Where runs are recorded, and what every process of a run is told."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

from tests.kill.databases import create_database
from tests.kill.journals import read_journal
from tests.kill.stories.faults import Fault
from tests.kill.stories.laws import Line, Recorded
from tests.servers.programs import PROGRAMS
from tests.servers.running import own_server

__all__ = ["DATABASES", "DatabaseName", "Setup", "missing", "opened"]

DatabaseName = Literal["sqlite", "postgresql"]
DATABASES: Final[tuple[DatabaseName, ...]] = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Setup:
    """What every process is told."""

    folder: Path
    url: str
    fault: Fault | None = None

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def patience(self) -> float:
        """After so many seconds without progress, what has not come will not come."""
        return 40.0 if self.fault is None else 10.0

    @property
    def stop(self) -> Path:
        """The file whose existence asks processes to begin nothing new."""
        return self.folder / "stop"

    def lines(self) -> list[Line]:
        return list(read_journal(self.ledger))

    def recorded(self) -> dict[str, Recorded]:
        """Return what the database has, read without DBOS."""
        schema = "" if self.url.startswith("sqlite") else "dbos."
        engine = create_engine(self.url, poolclass=NullPool)
        if not inspect(engine).has_table("workflow_status", schema=schema.rstrip(".") or None):
            return {}  # no process came so far
        with engine.connect() as connection:
            runs = connection.execute(text(f"SELECT workflow_uuid, status FROM {schema}workflow_status")).all()
            steps = connection.execute(
                text(f"SELECT workflow_uuid, function_name FROM {schema}operation_outputs ORDER BY function_id")
            ).all()
        engine.dispose()
        labels = dict[str, list[str]]()
        for run, label in steps:
            labels.setdefault(run, []).append(label)
        return {run: Recorded(status, labels.get(run, [])) for run, status in runs}


def missing(name: DatabaseName) -> str | None:
    """Return why there can be no such run here."""
    return PROGRAMS["postgresql"].missing() if name == "postgresql" else None


@contextmanager
def opened(name: DatabaseName, fault: Fault | None) -> Generator[Setup]:
    """Yield a set-up with an empty database. All of it ends with the block."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dddkit-kill-")))
        if name == "sqlite":
            yield Setup(folder, f"sqlite:///{folder / 'runs.sqlite'}", fault)
            return
        server = stack.enter_context(own_server("postgresql"))
        url = create_database(str(server.home), "runs").url("psycopg")
        yield Setup(folder, url.render_as_string(hide_password=False), fault)
