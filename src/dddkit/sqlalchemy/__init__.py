"""Aggregates and their events in a database, in one transaction."""

from dddkit.sqlalchemy.engines import embedded, sync_embedded

__all__ = ["embedded", "sync_embedded"]
