"""The building blocks as pydantic models."""

from dddkit._core.identity import Identity
from dddkit.pydantic.aggregates import Aggregate, AggregateEvent, Entity, ValueObject
from dddkit.pydantic.changes_handler import ChangesHandler
from dddkit.pydantic.events import DomainEvent, EventBroker, Subscription
from dddkit.pydantic.evolution import evolve
from dddkit.pydantic.repositories import InMemoryRepository, Repository, SyncInMemoryRepository, SyncRepository

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
