"""The repository protocols, with an implementation in memory."""

from __future__ import annotations

from abc import abstractmethod
from copy import deepcopy
from threading import Lock
from typing import Any, Final, Protocol, TypeVar

from dddkit._core.broker import EventBroker
from dddkit._core.identity import identity_of
from dddkit._core.recording import Recording, set_version, version_of
from dddkit.exceptions import ConcurrencyError

__all__ = ["InMemoryRepository", "Repository", "SyncRepository"]

AggregateT = TypeVar("AggregateT", bound=Recording)
Id_contra = TypeVar("Id_contra", contravariant=True)


class Repository(Protocol[AggregateT, Id_contra]):
    """Stores the aggregates of one class. For the domain it looks like a collection, with async methods.

    class BasketRepository(Repository[Basket, BasketId]): ...
    """

    __slots__ = ()

    @abstractmethod
    async def save(self, aggregate: AggregateT, /) -> None:
        """Store the aggregate as it is now, new or stored before."""

    @abstractmethod
    async def get(self, aggregate_id: Id_contra, /) -> AggregateT | None:
        """Return the aggregate with this identity; None when there is none."""

    @abstractmethod
    async def delete(self, aggregate: AggregateT, /) -> None:
        """Remove the aggregate."""


class SyncRepository(Protocol[AggregateT, Id_contra]):
    """Stores the aggregates of one class. For the domain it looks like a collection, with sync methods."""

    __slots__ = ()

    @abstractmethod
    def save(self, aggregate: AggregateT, /) -> None:
        """Store the aggregate as it is now, new or stored before."""

    @abstractmethod
    def get(self, aggregate_id: Id_contra, /) -> AggregateT | None:
        """Return the aggregate with this identity; None when there is none."""

    @abstractmethod
    def delete(self, aggregate: AggregateT, /) -> None:
        """Remove the aggregate."""


class InMemoryRepository(Repository[AggregateT, Id_contra]):
    """Stores copies of aggregates in memory, for tests and demos: a change is not stored before you save it.

    An object that was read or saved keeps the version that was stored then. When another version is stored by the time
    you save it, `save` raises ConcurrencyError, so no change of another object is overwritten.

    With a broker, `save` stores the aggregate, then publishes its pending events; an event may have no handler. The
    error of a handler reaches the caller: then the aggregate is stored, and the events that were not published are
    pending again. Without a broker the events stay pending.

    Safe from several threads.
    """

    def __init__(self, broker: EventBroker | None = None) -> None:
        self._broker: Final = broker
        self._lock: Final = Lock()
        self._stored: Final[dict[Any, AggregateT]] = {}
        self._versions: Final[dict[Any, int]] = {}  # also of deleted ones, so that no version is used twice

    async def save(self, aggregate: AggregateT) -> None:
        """Store the aggregate, then publish its pending events.

        Raises:
            ConcurrencyError: the stored version is not the one that this object was read at.
            TypeError: the aggregate has no identity.
        """
        identity = identity_of(aggregate)
        if identity is None:
            raise TypeError(f"{type(aggregate).__qualname__} has no identity to be stored under: {aggregate!r}")
        copy = deepcopy(aggregate)
        expected = version_of(aggregate)
        with self._lock:
            stored = self._stored.get(identity)
            found = None if stored is None else version_of(stored)
            if expected != found:
                raise ConcurrencyError(aggregate, expected, found)
            version = self._versions[identity] = self._versions.get(identity, 0) + 1
            set_version(copy, version)
            self._stored[identity] = copy
            set_version(aggregate, version)
        if self._broker is not None:
            await _publish(self._broker, aggregate)

    async def get(self, aggregate_id: Id_contra) -> AggregateT | None:
        with self._lock:
            stored = self._stored.get(aggregate_id)
        return deepcopy(stored)

    async def delete(self, aggregate: AggregateT) -> None:
        """Remove the aggregate; do nothing when it is not stored."""
        with self._lock:
            self._stored.pop(identity_of(aggregate), None)


async def _publish(broker: EventBroker, aggregate: Recording) -> None:
    events = aggregate.pull_events()
    while events:
        event = events.pop(0)
        try:
            await broker._apublish_optional(event)  # pyright: ignore[reportPrivateUsage]  # for the core
        except BaseException:
            for unpublished in (*events, *aggregate.pull_events()):
                aggregate.add_event(unpublished)
            raise
