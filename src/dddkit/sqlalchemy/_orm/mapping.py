"""What SQLAlchemy knows about the class of a mapped aggregate, and what a unit needs of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from sqlalchemy import BigInteger, Column, Connection, Table, bindparam, inspect, select
from sqlalchemy.orm import InstrumentedAttribute, Mapper, RelationshipProperty, undefer
from sqlalchemy.types import TypeDecorator, TypeEngine

from dddkit._core.recording import Recording
from dddkit.sqlalchemy._orm.session import watch_refreshes
from dddkit.sqlalchemy._orm.states import mutable_attributes
from dddkit.sqlalchemy._versions import first_version

if TYPE_CHECKING:
    from sqlalchemy.orm.interfaces import ORMOption

__all__ = ["AT_ONCE", "ClassMapping"]

AT_ONCE: Final = 500
"""How many keys a statement takes."""

AggregateT = TypeVar("AggregateT", bound=Recording)


class ClassMapping(Generic[AggregateT]):
    """How the aggregates of one class are mapped: their tables, their key, their version, and what they own."""

    def __init__(
        self,
        cls: type[AggregateT],
        mapper: Mapper[Any],
        key: Column[Any],
        version: Column[Any],
        options: Sequence[ORMOption],
    ) -> None:
        self.mapper: Final = mapper
        self.table: Final = cast("Table", mapper.local_table)
        self.root: Final = version.table
        """The table with the version: with the tables of subclasses joined to it, that of their base."""
        self.store: Final = self.root.fullname
        self.key_name: Final = mapper.get_property_by_column(key).key
        self.version_name: Final = mapper.get_property_by_column(version).key
        self.key: Final[InstrumentedAttribute[Any]] = getattr(cls, self.key_name)
        self.key_type: Final[TypeEngine[Any]] = key.type
        self.owned: Final[Mapping[Mapper[Any], Sequence[str]]] = dict(_owned(mapper))
        """By class of the aggregate and of its parts: the relationships to what is deleted with it."""
        self.tables: Final = tuple(dict.fromkeys(_tables(self.owned)))
        self.references: Final = tuple(_references(mapper, self.root, key))
        """The attributes that hold the key of another aggregate of this class."""

        # Any: SQLAlchemy 2.0 and 2.1 write the columns of a query in different ways.
        rows: Any = select(key, version)
        self._versions: Final[Any] = rows.where(key.in_(bindparam("the_keys", expanding=True))).order_by(key)
        self._versions_locked: Final[Any] = self._versions.with_for_update()
        self.every: Final[Any] = select(cls).options(*options, undefer(getattr(cls, self.version_name)))
        self.one: Final[Any] = self.every.where(self.key == bindparam("the_key", type_=key.type))
        self.several: Final[Any] = self.every.where(self.key.in_(bindparam("the_keys", expanding=True)))

    def versions(self, connection: Connection, keys: Sequence[Any], *, lock: bool = True) -> dict[Any, int]:
        """Return the versions of the rows with these keys, which are locked until the transaction ends."""
        query = self._versions_locked if lock else self._versions
        found: dict[Any, int] = {}
        for start in range(0, len(keys), AT_ONCE):
            rows: Any = connection.execute(query, {"the_keys": list(keys[start : start + AT_ONCE])})
            found.update((key, version) for key, version in rows)
        if found.keys() - {*keys}:  # the database writes some in another way: of CHAR(n), or without regard to case
            for asked in keys:
                if asked not in found:
                    rows = connection.execute(query, {"the_keys": [asked]})
                    found.update((asked, version) for _, version in rows)
        return found

    def never_loaded(self, part: Mapper[Any]) -> str:
        """Return the relationship to this part that is never loaded: a write-only or dynamic one; or ""."""
        relationships = (mapper.relationships[name] for mapper, names in self.owned.items() for name in names)
        found = (one for one in relationships if one.lazy in ("write_only", "dynamic") and part.isa(one.mapper))
        return next((f"{one.parent.class_.__qualname__}.{one.key}" for one in found), "")

    @classmethod
    def of(cls, aggregate: type[AggregateT], options: Sequence[ORMOption]) -> ClassMapping[AggregateT]:
        """Return the mapping of the class, and let its new rows begin with a version that none had before.

        Raises:
            TypeError: it is not mapped, or not as a unit needs it.
        """
        name = aggregate.__qualname__
        _refuse_what_cannot_be_mapped(aggregate)
        mapper = cast("Mapper[Any] | None", inspect(aggregate, raiseerr=False))
        if mapper is None:
            raise TypeError(
                f"{name} is not mapped; map it before the first unit is made, by declaring it on a DeclarativeBase or "
                f"by `registry.map_imperatively({name}, table)`"
            )
        if not isinstance(mapper.local_table, Table):
            raise TypeError(f"{name} is mapped to {type(mapper.local_table).__name__}; map it to a table")
        for one in mapper.base_mapper.self_and_descendants:
            if one.concrete:
                raise TypeError(
                    f"{one.class_.__qualname__} is mapped with concrete=True, and SQLAlchemy counts no versions in a "
                    f"table of its own; join it to the table of {mapper.base_mapper.class_.__qualname__} by a foreign "
                    f"key, or derive it from no mapped class"
                )
        key = _key(aggregate, mapper)
        version = _version(aggregate, mapper)
        mapping = ClassMapping(aggregate, mapper, key, version, options)
        for one in mapper.base_mapper.self_and_descendants:
            if one.version_id_generator is not False:
                one.version_id_generator = next_version
        for one in mapping.owned:
            if mutable_attributes(one):
                watch_refreshes(one.class_)
        return mapping


def next_version(version: int | None) -> int:
    """Return the version of a row after the one that it has; None for a new row."""
    return first_version() if version is None else version + 1


def _refuse_what_cannot_be_mapped(aggregate: type) -> None:
    name = aggregate.__qualname__
    cure = f"store {name} with Documents, or write it as a plain class or as `@dataclass(kw_only=True)`"
    if hasattr(aggregate, "model_fields") and hasattr(aggregate, "__pydantic_validator__"):
        raise TypeError(
            f"{name} is a pydantic model, which sets its fields where SQLAlchemy does not see it; {cure} of "
            f"dddkit.dataclasses"
        )
    if getattr(getattr(aggregate, "__dataclass_params__", None), "frozen", False):
        raise TypeError(f"{name} is frozen, and SQLAlchemy changes the objects that it maps; {cure}")
    if not getattr(aggregate, "__dictoffset__", 0):
        raise TypeError(f"{name} has slots alone, and SQLAlchemy keeps its state in the __dict__ of an object; {cure}")


def _key(aggregate: Any, mapper: Mapper[Any]) -> Column[Any]:
    name, identities = aggregate.__qualname__, aggregate.__identity__
    if len(mapper.primary_key) != 1:
        columns = ", ".join(column.name for column in mapper.primary_key)
        raise TypeError(
            f"the primary key of {name} is ({columns}), and an aggregate has one value that identifies it; give the "
            f"table one column for it, and the pair a UniqueConstraint"
        )
    key = cast("Column[Any]", mapper.primary_key[0])
    attribute = mapper.get_property_by_column(key).key
    if attribute not in identities:
        raise TypeError(
            f"the identity of {name} is {' or '.join(identities)}, and its primary key {attribute}; mark that one as "
            f"Identity[...], or map the primary key under the name of the identity"
        )
    return key


def _version(aggregate: Any, mapper: Mapper[Any]) -> Column[Any]:
    """Return the column.

    Raises:
        TypeError: there is none, or none that counts.
    """
    name, column = aggregate.__qualname__, cast("Column[Any] | None", mapper.version_id_col)
    if column is None:
        raise TypeError(f"{name} has no version column, so nobody sees who was faster; {_line_to_write(aggregate)}")
    type_ = column.type
    while isinstance(type_, TypeDecorator):
        type_ = cast("TypeEngine[Any]", cast("Any", type_).impl_instance)
    if not isinstance(type_, BigInteger):
        raise TypeError(
            f"the version of {name} is {column.type!r}, and begins with the microseconds since 1970, which need 64 "
            f"bits: declare {column.name} as BigInteger"
        )
    if column.table is not mapper.base_mapper.local_table:
        raise TypeError(
            f"the version of {name} is in the table {column.table}; declare it in that of "
            f"{mapper.base_mapper.class_.__qualname__}, which has a row for each of them"
        )
    generator = mapper.version_id_generator
    if generator is not False and generator is not next_version and not _counts(generator):
        raise TypeError(
            f"{name} has a version_id_generator of its own; leave it out: versions are counted, and those of new rows "
            f"begin with the time"
        )
    return column


def _counts(generator: Any) -> bool:
    """Return whether this is what SQLAlchemy takes where nothing is said."""
    return getattr(generator, "__module__", None) == "sqlalchemy.orm.mapper"


def _line_to_write(aggregate: Any) -> str:
    if hasattr(aggregate, "__tablename__"):
        options = "BigInteger, init=False" if hasattr(aggregate, "__dataclass_fields__") else "BigInteger"
        return (
            f"write `version: Mapped[int] = mapped_column({options})` and "
            f'`__mapper_args__ = {{"version_id_col": version}}` into the class'
        )
    table = cast("Mapper[Any]", inspect(aggregate)).local_table
    return (
        f'write `Column("version", BigInteger, nullable=False)` into the table {table}, and '
        f"`map_imperatively({aggregate.__qualname__}, ..., version_id_col={table}.c.version)`"
    )


def _owned(mapper: Mapper[Any]) -> Iterator[tuple[Mapper[Any], Sequence[str]]]:
    """Iterate over the class and its parts, with their subclasses, each once."""
    seen: set[Mapper[Any]] = set()
    waiting = [mapper]
    while waiting:
        for one in waiting.pop().self_and_descendants:
            if one not in seen:
                seen.add(one)
                owning = [relationship for relationship in one.relationships if _owns(relationship)]
                waiting += [relationship.mapper for relationship in owning]
                yield one, [relationship.key for relationship in owning]


def _owns(relationship: RelationshipProperty[Any]) -> bool:
    return relationship.cascade.delete and not relationship.viewonly


def _tables(owned: Mapping[Mapper[Any], Sequence[str]]) -> Iterator[Table]:
    for mapper in owned:
        for table in mapper.tables:
            if isinstance(table, Table):
                yield table
        for relationship in mapper.relationships:
            secondary: Any = relationship.secondary
            if isinstance(secondary, Table) and not relationship.viewonly:
                yield secondary


def _references(mapper: Mapper[Any], root: Table, key: Column[Any]) -> Iterator[str]:
    for foreign_key in root.foreign_keys:
        if foreign_key.column is key and foreign_key.parent in mapper.columns.values():
            yield mapper.get_property_by_column(foreign_key.parent).key
