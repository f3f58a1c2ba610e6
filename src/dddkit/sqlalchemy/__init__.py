"""Aggregates and their events in a database, in one transaction."""

from dddkit.exceptions import UncommittedChangesError, UnitClosedError, UnitError
from dddkit.sqlalchemy import _requirements as _requirements
from dddkit.sqlalchemy.consumer import Consumer
from dddkit.sqlalchemy.custom import Custom
from dddkit.sqlalchemy.documents import Documents
from dddkit.sqlalchemy.engines import embedded, sync_embedded
from dddkit.sqlalchemy.inbox import Inbox
from dddkit.sqlalchemy.orm_mapped import OrmMapped
from dddkit.sqlalchemy.outbox import Outbox
from dddkit.sqlalchemy.publishers import to_broker, to_consumers
from dddkit.sqlalchemy.relay import Backlog, DeadMessage, Relay
from dddkit.sqlalchemy.sync_unit import SyncUnitOfWork
from dddkit.sqlalchemy.unit import UnitOfWork

__all__ = [
    "Backlog",
    "Consumer",
    "Custom",
    "DeadMessage",
    "Documents",
    "Inbox",
    "OrmMapped",
    "Outbox",
    "Relay",
    "SyncUnitOfWork",
    "UncommittedChangesError",
    "UnitClosedError",
    "UnitError",
    "UnitOfWork",
    "embedded",
    "sync_embedded",
    "to_broker",
    "to_consumers",
]
