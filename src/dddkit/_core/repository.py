"""The repository protocols, with an implementation in memory."""

from __future__ import annotations

from abc import abstractmethod
from copy import deepcopy
from typing import Any, Final, Generic, Protocol, TypeVar

from dddkit._callables import kind_of
from dddkit._core.broker import EventBroker
from dddkit._core.identity import identity_of, no_identity_message
from dddkit._core.recording import Recording
from dddkit._core.versions import MemoryStore, forget_versions, set_version, version_of
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

    An object that was read or saved keeps the version that was stored then, for this repository and its identity; so do
    its copies, what is unpickled from it, and what `evolve` makes of it. Any other object is new. When another version
    is stored by the time you save or delete it, that raises ConcurrencyError, so no change of another object is lost.

    With a broker, `save` stores the aggregate, then publishes its pending events; an event may have no handler. The
    error of a handler reaches the caller: then the aggregate is stored, and the events that were not published are
    pending again. Without a broker the events stay pending.

    Safe from several threads, signal handlers and finalizers, and in a process that was forked.
    """

    def __init__(self, broker: EventBroker | None = None) -> None:
        if broker is not None and not isinstance(broker, EventBroker):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(f"InMemoryRepository takes the broker that publishes the events, {_instead(broker)}")
        self._broker: Final = broker
        self._store: Final = MemoryStore()
        self._stored: Final[dict[Any, _Stored[AggregateT]]] = {}  # deleted ones too, so that no version is used twice

    async def save(self, aggregate: AggregateT) -> None:
        """Store the aggregate, then publish its pending events.

        Raises:
            ConcurrencyError: the stored version is not the one that this object was read at; or the object is new, and
                one with its identity is stored already.
            TypeError: the aggregate has no identity.
        """
        identity = identity_of(aggregate)
        if identity is None:
            raise TypeError(no_identity_message("save", aggregate))
        copy = deepcopy(aggregate)
        forget_versions(copy)
        version = self._follow(self._stored.setdefault(identity, _Stored(None, 0)), aggregate, copy)
        set_version(aggregate, self._store.name, version)
        if self._broker is not None:
            await _publish(self._broker, aggregate)

    async def get(self, aggregate_id: Id_contra) -> AggregateT | None:
        first = self._stored.get(aggregate_id)
        if first is None:
            return None
        stored = first.latest()
        read = deepcopy(stored.aggregate)
        if read is not None:
            set_version(read, self._store.name, stored.version)
        return read

    async def delete(self, aggregate: AggregateT) -> None:
        """Remove the aggregate; do nothing when it is new, and none with its identity is stored.

        Raises:
            ConcurrencyError: where `save` raises it.
            TypeError: it is no aggregate.
        """
        first = self._stored.get(identity_of(aggregate))
        if first is not None:
            self._follow(first, aggregate, None)
        elif not isinstance(aggregate, Recording):  # pyright: ignore[reportUnnecessaryIsInstance]  # a miss of `get`, say
            raise TypeError(no_identity_message("delete", aggregate))

    def _follow(self, stored: _Stored[AggregateT], aggregate: AggregateT, copy: AggregateT | None) -> int:
        """Store the copy, or that it was deleted, after the version that the aggregate has; return the new version."""
        expected = version_of(aggregate, self._store.name)
        while True:
            stored = stored.latest()
            if expected != stored.found:
                raise ConcurrencyError(aggregate, expected, stored.found)
            if copy is None and stored.aggregate is None:
                return stored.version
            following = _Stored(copy, stored.version + (copy is not None))
            if stored.is_followed_by(following):
                self._stored[identity_of(aggregate)] = following
                return following.version


class _Stored(Generic[AggregateT]):
    """One version of what is stored under an identity; without an aggregate where there is none yet, or none any more.

    A version is followed by one other. Deciding by which is a single operation, which nothing interrupts: no lock is
    held by another thread, by the code that a signal handler or a finalizer interrupted, or across a fork.
    """

    __slots__ = ("_following", "aggregate", "version")

    def __init__(self, aggregate: AggregateT | None, version: int) -> None:
        self.aggregate: Final = aggregate
        self.version: Final = version
        self._following: Final[dict[str, _Stored[AggregateT]]] = {}

    @property
    def found(self) -> int | None:
        """The version; None when nothing is stored."""
        return None if self.aggregate is None else self.version

    def latest(self) -> _Stored[AggregateT]:
        stored = self
        while (following := stored._following.get("next")) is not None:
            stored = following
        return stored

    def is_followed_by(self, other: _Stored[AggregateT]) -> bool:
        """Return whether the other one follows this one; the first that asks does."""
        return self._following.setdefault("next", other) is other


def _instead(broker: object) -> str:
    """Return what was given instead of a broker, and what to write."""
    kind = kind_of(broker)
    if not isinstance(broker, type):
        return f"not {kind}; pass an EventBroker, or nothing"
    if issubclass(broker, EventBroker):
        return f"not its class; write InMemoryRepository({broker.__qualname__}())"
    return (
        f"not {kind}; the types of its aggregates and their identities go in brackets, as in "
        f"InMemoryRepository[{broker.__qualname__}, int]()"
    )


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
