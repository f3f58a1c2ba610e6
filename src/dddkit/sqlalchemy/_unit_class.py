"""What both kinds of unit share: what the class declares, and what is checked when the first unit is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, get_origin

from dddkit._callables import kind_of
from dddkit._core.broker import EventBroker
from dddkit._core.events import AnyAggregateEvent
from dddkit._core.recording import Recording
from dddkit.exceptions import UncommittedChangesError
from dddkit.sqlalchemy._declaration import Declaration
from dddkit.sqlalchemy._orm.objects import MappedObjects
from dddkit.sqlalchemy._reactions import Reaction, reaction_to
from dddkit.sqlalchemy._usage import Usage
from dddkit.sqlalchemy._work import Work
from dddkit.sqlalchemy.engines import check_engine
from dddkit.sqlalchemy.inbox import Inbox
from dddkit.sqlalchemy.orm_mapped import OrmMapped, check_apart
from dddkit.sqlalchemy.outbox import Outbox

if TYPE_CHECKING:
    from typing import TypeAlias

    Pending: TypeAlias = list[tuple[Recording | None, object]]

__all__ = ["AnyUnit"]

_MODULES: Final = (__name__, "dddkit.sqlalchemy.unit", "dddkit.sqlalchemy.sync_unit")
_ATTRIBUTES: Final = ("_broker", "_calls", "_usage", "_work")

DeclarationT = TypeVar("DeclarationT")


class AnyUnit:
    """The base of UnitOfWork and SyncUnitOfWork."""

    _is_async: ClassVar[bool]
    _repositories: ClassVar[Sequence[Declaration[Any, Any]]] = ()
    _outbox: ClassVar[Outbox | None] = None
    _inbox: ClassVar[Inbox | None] = None
    _reactions: ClassVar[list[Reaction]] = []
    """Those that were registered on this very class."""
    _with_reactions: ClassVar[Sequence[type[AnyUnit]]] = ()
    """The class and its bases."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._reactions = []
        cls._with_reactions = [base for base in cls.__mro__ if "_reactions" in vars(base)]
        declared: dict[str, object] = {}
        for base in reversed(cls.__mro__):
            declared.update(vars(base))
        users = [value for name, value in declared.items() if name not in ("_outbox", "_inbox")]  # not those of a base
        for name, value in declared.items():
            kind = get_origin(value) or value
            if isinstance(kind, type) and issubclass(kind, Declaration):
                raise TypeError(
                    f"{cls.__qualname__}.{name}: {kind.__qualname__} is not called; write it as in `{kind._example}`"  # pyright: ignore[reportPrivateUsage]  # for unit classes
                )
        cls._outbox = _only(cls, Outbox, users)
        cls._inbox = _only(cls, Inbox, users)
        repositories: list[tuple[str, Declaration[Any, Any]]] = [
            (name, value) for name, value in declared.items() if isinstance(value, Declaration)
        ]
        for name, value in repositories:
            if name in _ATTRIBUTES or any(name in vars(base) for base in cls.__mro__ if base.__module__ in _MODULES):
                raise TypeError(f"{cls.__qualname__}.{name}: units have a {name} of their own; take another name")
            value._declare(cls.__qualname__, name)  # pyright: ignore[reportPrivateUsage]  # for unit classes
        cls._repositories = [value for _, value in repositories]

    def __init__(self, engine: object, *, read_only: bool, broker: EventBroker | None) -> None:
        cls = type(self)
        check_engine(cls, engine, asynchronous=cls._is_async)
        if "_is_checked" not in cls.__dict__:
            cls._check()
        if broker is not None and not isinstance(broker, EventBroker):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(f"{cls.__qualname__}: broker is an EventBroker, or nothing, and not {kind_of(broker)}")
        self._broker: Final = broker
        self._usage: Final = Usage(cls.__qualname__)
        self._work: Final = Work(cls.__qualname__, cls._outbox, cls._inbox, is_read_only=read_only)

    @property
    def committed(self) -> bool:
        """Whether what the unit has changed is stored, also where `commit` raised the error of a subscriber."""
        return self._work.is_committed

    def publish(self, event: object, *, subject: str | None = None) -> None:
        """Put an event into the outbox, to be published once the unit has committed. It causes no reactions.

        Args:
            event: one that the catalog has a name for.
            subject: what the event is about; the messages of one subject are published in order.

        Raises:
            UnitError: the unit has no outbox, or only reads.
            UnnamedEventError: the catalog does not know the event.
            ValueError: the event is private.
        """
        with self._usage.of("publish"):
            self._work.publish(event, subject)

    @classmethod
    def _register(cls, event_class: object, function: Callable[..., Any]) -> None:
        cls._reactions.append(reaction_to(event_class, function))

    @classmethod
    def _all_reactions(cls) -> Sequence[Reaction]:
        """Return those of the class and of its bases, in the order of registration."""
        found = [reaction for base in cls._with_reactions for reaction in base._reactions]
        if len(cls._with_reactions) > 1:
            found.sort()
        return found

    @classmethod
    def _check(cls) -> None:
        """Raise what can be known only once the modules have run: when the first unit is made."""
        for repository in cls._repositories:
            repository._check(cls.__qualname__, cls._outbox)  # pyright: ignore[reportPrivateUsage]  # for unit classes
        check_apart(cls.__qualname__, [one for one in cls._repositories if isinstance(one, OrmMapped)])
        if cls._outbox is not None:
            publishing = [aggregate for repository in cls._repositories for aggregate in repository._publishing()]  # pyright: ignore[reportPrivateUsage]  # as above
            cls._outbox._check(publishing)  # pyright: ignore[reportPrivateUsage]  # as above
        setattr(cls, "_is_checked", True)  # noqa: B010  # checkers know no such attribute

    def _mapped_objects(self) -> MappedObjects:
        """Return the session of this unit, with the objects in it."""
        work = self._work
        held: Any = work.held.get(MappedObjects)
        if held is None:
            held = MappedObjects(
                work.unit, work.tracking, is_async=self._is_async, is_read_only=work.is_read_only, fail=work.fail
            )
            work.held[MappedObjects] = held
            for declared in self._repositories:
                if isinstance(declared, OrmMapped):
                    held.storages[declared] = declared._storage(held)  # pyright: ignore[reportPrivateUsage]  # for unit classes
        mapped: MappedObjects = held
        return mapped

    def _uncommitted(self) -> UncommittedChangesError | None:
        """Return the error for a block that is left now, without an exception."""
        aggregates, others = self._work.changes()
        return UncommittedChangesError(type(self).__qualname__, aggregates, others) if aggregates or others else None

    def _events_to_publish(self) -> Pending:
        return list(self._work.events)

    def _restore(self, unpublished: Pending) -> None:
        """Make events pending again. Those that are in the outbox too would be published twice."""
        if not self._work.has_outbox:
            for aggregate, event in unpublished:
                if aggregate is not None and isinstance(event, AnyAggregateEvent):
                    aggregate.add_event(event)


def _only(cls: type, kind: type[DeclarationT], declared: Iterable[object]) -> DeclarationT | None:
    found = list({id(value): value for value in declared if isinstance(value, kind)}.values())
    if len(found) > 1:
        raise TypeError(f"{cls.__qualname__} has more than one {kind.__name__}; a unit has one")
    return found[0] if found else None
