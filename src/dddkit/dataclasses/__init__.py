"""The building blocks as dataclasses."""

from dddkit._core.identity import Identity
from dddkit.dataclasses.aggregates import Aggregate, AggregateEvent, Entity, ValueObject
from dddkit.dataclasses.changes_handler import ChangesHandler
from dddkit.dataclasses.events import DomainEvent, EventBroker, Subscription
from dddkit.dataclasses.evolution import evolve
from dddkit.dataclasses.repositories import InMemoryRepository, Repository, SyncInMemoryRepository, SyncRepository

__all__ = [
    "Aggregate",
    "AggregateEvent",
    "ChangesHandler",
    "DomainEvent",
    "Entity",
    "EventBroker",
    "Identity",
    "InMemoryRepository",
    "Repository",
    "Subscription",
    "SyncInMemoryRepository",
    "SyncRepository",
    "ValueObject",
    "evolve",
]
