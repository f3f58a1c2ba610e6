"""Alembic finds our tables in the user's metadata, and what it writes about them runs."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.operations import Operations

from dddkit.dataclasses import Aggregate
from dddkit.messages import EventCatalog
from dddkit.sqlalchemy import Documents, Inbox, Outbox, SyncUnitOfWork
from tests.servers.databases import Database


@dataclass(kw_only=True)
class Parcel(Aggregate):
    parcel_id: UUID
    weight: int = 0


def test_fu3_a_generated_migration_makes_the_tables_that_the_metadata_declares(database: Database) -> None:
    metadata = sa.MetaData()

    class Unit(SyncUnitOfWork):
        parcels = Documents[Parcel, UUID](metadata, columns={"weight": sa.Integer})
        outbox = Outbox(metadata, EventCatalog("/post"))
        inbox = Inbox(metadata)

    engine = database.sync_engine(sa.MetaData())
    with engine.begin() as connection:
        context = MigrationContext.configure(connection)
        upgrade = produce_migrations(context, metadata).upgrade_ops
        assert upgrade is not None
        code = render_python_code(upgrade)
        with Operations.context(context):
            exec(f"def upgrade():\n{code}\n\nupgrade()", {"op": op, "sa": sa})
        assert sorted(sa.inspect(connection).get_table_names()) == ["dddkit_inbox", "dddkit_outbox", "parcels"]
        assert compare_metadata(context, metadata) == []
    with Unit(engine) as unit:
        unit.parcels.save(Parcel(parcel_id=UUID(int=1)))
        unit.commit()
    engine.dispose()
