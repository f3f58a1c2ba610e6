"""OrmMapped: aggregates of classes that the user has mapped, in tables of his own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

from sqlalchemy import Table, inspect
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.interfaces import ORMOption
from sqlalchemy.types import TypeDecorator

from dddkit._callables import kind_of
from dddkit._core.recording import Recording
from dddkit._typing import Self
from dddkit.sqlalchemy._declaration import Declaration, runtime_class
from dddkit.sqlalchemy._keys import PLAIN
from dddkit.sqlalchemy._orm.mapping import ClassMapping
from dddkit.sqlalchemy._orm.objects import MappedObjects
from dddkit.sqlalchemy._orm.storage import MappedStorage

if TYPE_CHECKING:
    from dddkit.sqlalchemy._repositories import SyncTableRepository, TableRepository
    from dddkit.sqlalchemy.outbox import Outbox
    from dddkit.sqlalchemy.sync_unit import SyncUnitOfWork
    from dddkit.sqlalchemy.unit import UnitOfWork

__all__ = ["OrmMapped", "check_apart"]

AggregateT = TypeVar("AggregateT", bound=Recording)
IdT = TypeVar("IdT")


class OrmMapped(Declaration[AggregateT, IdT]):
    """Stores the aggregates of a class that you have mapped with SQLAlchemy, declaratively or imperatively.

        class DepotUnit(UnitOfWork):
            crates = OrmMapped[Crate, CrateId](options=[selectinload(Crate.lines)])

    The attribute of a unit is the repository. An aggregate is its row and what is deleted with it (`cascade="all,
    delete-orphan"`): whatever changes there moves its version, so the table has a version column of 64 bits, which the
    mapping names as `version_id_col`. A mapping that does not fit is a TypeError when the first unit is made. One
    object may stand in several unit classes.

    Where the identity is a NewType, name the type of its column: `order_id: Mapped[Identity[OrderId]] =
    mapped_column(Integer, primary_key=True)`. SQLAlchemy says otherwise that it could not locate a type for
    `Annotated[OrderId, Identity]`.

    Args:
        options: how aggregates are loaded: async code cannot load a relationship later, by reading it.

    Raises:
        TypeError: the options are something else.
    """

    _example = "crates = OrmMapped[Crate, CrateId]()"
    _may_lack_identity = True

    def __init__(self, *, options: Sequence[ORMOption] = ()) -> None:
        _check_options(options)
        self._options: Final = tuple(options)
        self._name = ""
        self._cls: type[AggregateT] | None = None
        self._kind: type = object
        self._mapping: ClassMapping[AggregateT] | None = None

    @overload
    def __get__(self, unit: None, owner: type[Any], /) -> Self: ...
    @overload
    def __get__(self, unit: UnitOfWork, owner: type[Any], /) -> TableRepository[AggregateT, IdT]: ...
    @overload
    def __get__(self, unit: SyncUnitOfWork, owner: type[Any], /) -> SyncTableRepository[AggregateT, IdT]: ...
    def __get__(self, unit: UnitOfWork | SyncUnitOfWork | None, owner: type[Any], /) -> Any:
        if unit is None:
            return self
        storage = unit._mapped_objects().storages[self]  # pyright: ignore[reportPrivateUsage]  # for declarations
        return unit._table_repository(storage)  # pyright: ignore[reportPrivateUsage]  # as above

    @property
    def table(self) -> Table:
        """The table, for your own statements. A class may be mapped after the unit class; then it is there.

        Raises:
            TypeError: the class is not mapped yet.
        """
        if self._cls is None:
            raise self._not_declared()
        return self._mapped("OrmMapped").table

    def _mapped(self, where: str) -> ClassMapping[AggregateT]:
        assert self._cls is not None
        aggregate: type[AggregateT] = self._cls
        # Tests map a class again, after clear_mappers().
        if self._mapping is None or self._mapping.mapper is not inspect(aggregate, raiseerr=False):
            try:
                mapping: ClassMapping[AggregateT] = ClassMapping[AggregateT].of(aggregate, self._options)
                _check_key(self._kind, mapping)
            except TypeError as error:
                raise TypeError(f"{where}: {error}") from None
            self._mapping = mapping
        return self._mapping

    def _declare(self, unit: str, name: str) -> None:
        """Find out what is stored, when the unit class is defined; it may be mapped later.

        Raises:
            TypeError: it says no aggregate.
        """
        if self._cls is None:
            self._cls, identity = self._parameters(f"{unit}.{name}")
            kind = runtime_class(identity)
            if not isinstance(kind, type):
                raise TypeError(f"{unit}.{name}: an identity is of one class, and this one is {kind_of(kind)}")
            self._name, self._kind = name, kind

    def _check(self, unit: str, outbox: Outbox | None) -> None:  # for other kinds
        self._mapped(f"{unit}.{self._name}")

    def _publishing(self) -> Sequence[type]:
        return () if self._cls is None else (self._cls,)

    def _storage(self, objects: MappedObjects) -> MappedStorage[AggregateT]:
        """Return what stores them in the unit with these objects."""
        assert self._cls is not None
        return MappedStorage(self._name, self._cls, self._kind, self._mapped(self._name), objects)


def check_apart(unit: str, declared: Iterable[OrmMapped[Any, Any]]) -> None:
    """Raise where two repositories of a unit would track the same rows.

    Raises:
        TypeError: they are of one class or of one table, or one class derives from the other.
    """
    by_table: dict[Table, tuple[str, Mapper[Any]]] = {}
    for one in declared:
        name, mapping = one._name, one._mapped(unit)  # pyright: ignore[reportPrivateUsage]  # of this module
        base = mapping.mapper.base_mapper
        if mapping.root in by_table:
            other, other_base = by_table[mapping.root]
            which = "the base class" if other_base is base else "one of them"
            raise TypeError(
                f"{unit}: {other} and {name} store the same rows; declare {which} alone, or each in a unit of its own"
            )
        by_table[mapping.root] = name, base


def _check_options(options: object) -> None:
    if isinstance(options, Iterable):
        wrong = [option for option in cast("Iterable[object]", options) if not isinstance(option, ORMOption)]
    else:
        wrong = [options]
    if wrong:
        raise TypeError(
            f"OrmMapped takes a list of loader options, as in options=[selectinload(Crate.lines)], and got "
            f"{kind_of(wrong[0])}"
        )


def _check_key(kind: type, mapping: ClassMapping[Any]) -> None:
    if getattr(kind, "__lt__", None) is getattr(object, "__lt__"):  # noqa: B009  # checkers know none of object
        raise TypeError(
            f"SQLAlchemy sorts rows by their keys, and a {kind.__qualname__} has no order; write "
            f"`@dataclass(frozen=True, order=True)`, or a __lt__"
        )
    if kind not in PLAIN or isinstance(mapping.key_type, TypeDecorator):
        return
    try:
        python_type = mapping.key_type.python_type
    except NotImplementedError:  # a type of the user's may say nothing
        return
    if python_type is not kind:
        raise TypeError(
            f"the identity is declared as {kind.__name__}, and the column {mapping.key_name} holds "
            f"{python_type.__name__}; write what the column holds"
        )
