"""The repository protocols, with implementations in memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final, Generic, Protocol, TypeVar

from dddkit._callables import kind_of
from dddkit._core.broker import EventBroker
from dddkit._core.identity import identity_of, no_identity_message
from dddkit._core.recording import Recording
from dddkit._core.versions import MemoryStore, forget_versions, set_version, version_of
from dddkit._typing import Self
from dddkit.exceptions import ConcurrencyError

__all__ = ["InMemoryRepository", "Repository", "SyncInMemoryRepository", "SyncRepository"]

AggregateT = TypeVar("AggregateT", bound=Recording)
Id_contra = TypeVar("Id_contra", contravariant=True)


class Repository(Protocol[AggregateT, Id_contra]):
    """Stores the aggregates of one class. For the domain it looks like a collection, with async methods.

    Derive the one of each class from it:

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


_WHY_SYNC: Final = (
    "SyncInMemoryRepository publishes to sync handlers; use InMemoryRepository for async ones; nothing was stored"
)


class _Memory(Generic[AggregateT, Id_contra]):
    """What both repositories in memory do: they store copies, and compare versions."""

    def __init__(self, broker: EventBroker | None = None) -> None:
        if broker is not None and not isinstance(broker, EventBroker):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            name = type(self).__qualname__
            raise TypeError(f"{name} takes the broker that publishes the events, {_instead(broker, name)}")
        self._broker: Final = broker
        self._store: Final = MemoryStore()
        self._stored: Final[dict[Any, _Stored[AggregateT]]] = {}  # deleted ones too, so that no version is used twice

    def _save(self, aggregate: AggregateT) -> None:
        identity = _identity_to_save(aggregate)
        copy = deepcopy(aggregate)
        forget_versions(copy)
        version = self._follow(self._stored.setdefault(identity, _Stored(None, 0)), aggregate, copy)
        set_version(aggregate, self._store.name, version)

    def _get(self, aggregate_id: Id_contra) -> AggregateT | None:
        first = self._stored.get(aggregate_id)
        return None if first is None else self._copy(first.latest())

    def _delete(self, aggregate: AggregateT) -> None:
        first = self._stored.get(identity_of(aggregate))
        if first is not None:
            self._follow(first, aggregate, None)
        elif not isinstance(aggregate, Recording):  # pyright: ignore[reportUnnecessaryIsInstance]  # a miss of `get`, say
            raise TypeError(no_identity_message("delete", aggregate))

    def _all(self) -> list[AggregateT]:
        copies = [self._copy(first.latest()) for first in list(self._stored.values())]
        return [copy for copy in copies if copy is not None]

    def _copy(self, stored: _Stored[AggregateT]) -> AggregateT | None:
        copy = deepcopy(stored.aggregate)
        if copy is not None:
            set_version(copy, self._store.name, stored.version)
        return copy

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


class InMemoryRepository(_Memory[AggregateT, Id_contra], Repository[AggregateT, Id_contra]):
    """Stores copies of aggregates in memory, for tests and demos: a change is not stored before you save it.

    An object that was read or saved keeps the version that was stored then, for this repository and its identity; so do
    its copies, what is unpickled from it, and what `evolve` makes of it. Any other object is new. When another version
    is stored by the time you save or delete it, that raises ConcurrencyError, so no change of another object is lost.

    With a broker, `save` stores the aggregate, then publishes its pending events; an event may have no handler. The
    error of a handler reaches the caller: then the aggregate is stored, and the events that were not published are
    pending again. Without a broker the events stay pending.

    Safe from several threads, signal handlers and finalizers, and in a process that was forked.
    """

    async def save(self, aggregate: AggregateT) -> None:
        """Store the aggregate, then publish its pending events.

        Raises:
            ConcurrencyError: the stored version is not the one that this object was read at; or the object is new, and
                one with its identity is stored already.
            TypeError: the aggregate has no identity.
        """
        self._save(aggregate)
        if self._broker is not None:
            with _Publishing(aggregate) as events:
                for event in events:
                    await self._broker._apublish_optional(event)  # pyright: ignore[reportPrivateUsage]  # for the core

    async def get(self, aggregate_id: Id_contra) -> AggregateT | None:
        return self._get(aggregate_id)

    async def delete(self, aggregate: AggregateT) -> None:
        """Remove the aggregate; do nothing when it is new, and none with its identity is stored.

        Raises:
            ConcurrencyError: where `save` raises it.
            TypeError: it is no aggregate.
        """
        self._delete(aggregate)

    async def all(self) -> list[AggregateT]:
        """Return a copy of every aggregate, in the order in which they were first stored.

        The copies know their versions: they can be changed and saved, as what `get` returns.
        """
        return self._all()


class SyncInMemoryRepository(_Memory[AggregateT, Id_contra], SyncRepository[AggregateT, Id_contra]):
    """Stores copies of aggregates in memory, as InMemoryRepository does, with sync methods.

    It publishes to sync handlers only.
    """

    def save(self, aggregate: AggregateT) -> None:
        """Store the aggregate, then publish its pending events.

        Raises:
            ConcurrencyError: the stored version is not the one that this object was read at; or the object is new, and
                one with its identity is stored already.
            TypeError: the aggregate has no identity; or a handler of its events is async: then nothing is stored, and
                the events are pending still.
        """
        _identity_to_save(aggregate)
        if self._broker is not None:
            self._broker._reject_async_handlers(aggregate.get_events(), _WHY_SYNC)  # pyright: ignore[reportPrivateUsage]  # for the core
        self._save(aggregate)
        if self._broker is not None:
            with _Publishing(aggregate) as events:
                for event in events:
                    self._broker._publish_optional(event)  # pyright: ignore[reportPrivateUsage]  # for the core

    def get(self, aggregate_id: Id_contra) -> AggregateT | None:
        return self._get(aggregate_id)

    def delete(self, aggregate: AggregateT) -> None:
        """Remove the aggregate; do nothing when it is new, and none with its identity is stored.

        Raises:
            ConcurrencyError: where `save` raises it.
            TypeError: it is no aggregate.
        """
        self._delete(aggregate)

    def all(self) -> list[AggregateT]:
        """Return a copy of every aggregate, in the order in which they were first stored.

        The copies know their versions: they can be changed and saved, as what `get` returns.
        """
        return self._all()


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


def _identity_to_save(aggregate: Recording) -> Any:
    identity = identity_of(aggregate)
    if identity is None:
        raise TypeError(no_identity_message("save", aggregate))
    return identity


class _Publishing:
    """Takes the pending events of an aggregate to publish them; after an error those left are pending again."""

    __slots__ = ("_aggregate", "_events")

    def __init__(self, aggregate: Recording) -> None:
        self._aggregate: Final = aggregate
        self._events: Final[list[Any]] = aggregate.pull_events()

    def __enter__(self) -> Self:
        return self

    def __iter__(self) -> Iterator[Any]:
        while self._events:
            yield self._events.pop(0)

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is not None:
            for unpublished in (*self._events, *self._aggregate.pull_events()):
                self._aggregate.add_event(unpublished)


def _instead(broker: object, name: str) -> str:
    """Return what was given instead of a broker, and what to write."""
    kind = kind_of(broker)
    if not isinstance(broker, type):
        return f"not {kind}; pass an EventBroker, or nothing"
    if issubclass(broker, EventBroker):
        return f"not its class; write {name}({broker.__qualname__}())"
    return (
        f"not {kind}; the types of its aggregates and their identities go in brackets, as in "
        f"{name}[{broker.__qualname__}, int]()"
    )
