"""Aggregates and their events in a database, in one transaction."""

from dddkit.exceptions import UncommittedChangesError, UnitClosedError, UnitError
from dddkit.sqlalchemy import _requirements as _requirements
from dddkit.sqlalchemy.custom import Custom
from dddkit.sqlalchemy.documents import Documents
from dddkit.sqlalchemy.engines import embedded, sync_embedded
from dddkit.sqlalchemy.inbox import Inbox
from dddkit.sqlalchemy.outbox import Outbox
from dddkit.sqlalchemy.sync_unit import SyncUnitOfWork
from dddkit.sqlalchemy.unit import UnitOfWork

__all__ = [
    "Custom",
    "Documents",
    "Inbox",
    "Outbox",
    "SyncUnitOfWork",
    "UncommittedChangesError",
    "UnitClosedError",
    "UnitError",
    "UnitOfWork",
    "embedded",
    "sync_embedded",
]
