"""Which mapped classes can be stored, what is refused by name, and what may be mapped beside plain columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NewType
from uuid import UUID, uuid4

import pydantic.dataclasses
import pytest
from sqlalchemy import (
    CHAR,
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    Uuid,
    func,
    select,
)
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    mapped_column,
    raiseload,
    reconstructor,
    registry,
    relationship,
)

import dddkit.pydantic
from dddkit.dataclasses import Aggregate, AggregateEvent, Identity, ValueObject, evolve
from dddkit.exceptions import ConcurrencyError
from dddkit.messages import EventCatalog, Message
from dddkit.sqlalchemy import Documents, OrmMapped, Outbox, SyncUnitOfWork, UnitError, sync_embedded

# Any: what is refused here is refused by checkers too, and classes are declared in functions.
Model = Any

Mapper = Any
declared: Any = OrmMapped


def unit_of(aggregate: Any, identity: Any = int, **attributes: Any) -> Any:
    crates = declared[aggregate, identity]()
    return type("DepotUnit", (SyncUnitOfWork,), {"__module__": __name__, "crates": crates, **attributes})


def refusal(aggregate: Any, identity: Any = int, **attributes: Any) -> str:
    """Return why the first unit with a repository of this class is refused."""
    engine = sync_embedded(":memory:", MetaData())
    unit = unit_of(aggregate, identity, **attributes)
    with pytest.raises(TypeError) as caught:
        unit(engine)
    engine.dispose()
    return str(caught.value)


def new_base(*mixins: type) -> Any:
    return type("Base", (*mixins, DeclarativeBase), {})


def map_by_table(cls: Any, *columns: Any, name: str = "crates", **arguments: Any) -> Any:
    """Map a class imperatively; a column called `version` is its version."""
    mapper = registry()
    table = Table(name, mapper.metadata, *columns)
    if "version" in table.c:
        arguments.setdefault("version_id_col", table.c.version)
    mapper.map_imperatively(cls, table, **arguments)
    return table


def key(type_: Any = Integer) -> Column[Any]:
    return Column("crate_id", type_, primary_key=True)


def version(type_: Any = BigInteger) -> Column[Any]:
    return Column("version", type_, nullable=False)


def clean_class(**arguments: Any) -> Any:
    @dataclass(kw_only=True, **arguments)
    class Crate(Aggregate):
        crate_id: int
        name: str = ""

    return Crate


# What is refused when the first unit is made


def test_a_class_that_is_not_mapped_is_refused() -> None:
    assert refusal(clean_class()) == (
        "DepotUnit.crates: clean_class.<locals>.Crate is not mapped; map it before the first unit is made, by "
        "declaring it on a DeclarativeBase or by `registry.map_imperatively(clean_class.<locals>.Crate, table)`"
    )


def test_the_class_may_be_mapped_after_the_unit_class() -> None:
    crate = clean_class()
    unit = unit_of(crate)
    table = map_by_table(crate, key(), Column("name", String), version())
    assert unit.crates.table is table
    engine = sync_embedded(":memory:", table.metadata)
    with unit(engine) as one:
        one.crates.save(crate(crate_id=1))
        one.commit()
    engine.dispose()


def test_a_class_may_be_mapped_again_as_fixtures_of_tests_do() -> None:
    @dataclass(kw_only=True)
    class Line:
        item: str
        line_id: int | None = None

    @dataclass(kw_only=True)
    class Crate(Aggregate):
        crate_id: int
        lines: list[Line]

    mapper = registry()
    crates = Table("crates", mapper.metadata, key(), version())
    owner: Column[int] = Column("crate_id", ForeignKey("crates.crate_id"))
    lines = Table("lines", mapper.metadata, Column("line_id", Integer, primary_key=True), owner, Column("item", String))
    unit_class = unit_of(Crate)
    engine = sync_embedded(":memory:", mapper.metadata)
    for number in (1, 2):
        mapper.map_imperatively(Line, lines)
        owned = relationship(Line, cascade="all, delete-orphan")
        mapper.map_imperatively(Crate, crates, version_id_col=crates.c.version, properties={"lines": owned})
        with unit_class(engine) as unit:
            unit.crates.save(Crate(crate_id=number, lines=[Line(item="tea")]))
            unit.commit()
        with unit_class(engine) as unit:
            assert [line.item for line in unit.crates.get(number).lines] == ["tea"]
        mapper.dispose()
    engine.dispose()


def test_a_declarative_class_without_version_is_refused_with_the_line_to_write() -> None:
    class Crate(Aggregate, new_base()):  # type: ignore[misc]  # made in a function
        __tablename__ = "crates"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert refusal(Crate).endswith(
        "Crate has no version column, so nobody sees who was faster; write "
        '`version: Mapped[int] = mapped_column(BigInteger)` and `__mapper_args__ = {"version_id_col": version}` into '
        "the class"
    )


def test_so_is_a_declarative_dataclass() -> None:
    class Crate(new_base(MappedAsDataclass), Aggregate, kw_only=True):  # type: ignore[misc]  # made in a function
        __tablename__ = "crates"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert "`version: Mapped[int] = mapped_column(BigInteger, init=False)`" in refusal(Crate)


def test_so_is_an_imperatively_mapped_class() -> None:
    crate = clean_class()
    map_by_table(crate, key(), Column("name", String))
    assert refusal(crate).endswith(
        'write `Column("version", BigInteger, nullable=False)` into the table crates, and '
        "`map_imperatively(clean_class.<locals>.Crate, ..., version_id_col=crates.c.version)`"
    )


@pytest.mark.parametrize("type_", [Integer(), String()], ids=["Integer", "String"])
def test_a_version_of_less_than_64_bits_is_refused(type_: Any) -> None:
    crate = clean_class()
    map_by_table(crate, key(), Column("name", String), version(type_))
    assert "which need 64 bits: declare version as BigInteger" in refusal(crate)


def random_version(_: object) -> int:
    return uuid4().int >> 70


def test_a_version_that_does_not_count_is_refused() -> None:
    crate = clean_class()
    map_by_table(crate, key(), Column("name", String), version(), version_id_generator=random_version)
    assert "has a version_id_generator of its own; leave it out" in refusal(crate)


def test_a_frozen_class_is_refused() -> None:
    crate = clean_class(frozen=True)
    map_by_table(crate, key(), Column("name", String), version())
    assert "Crate is frozen, and SQLAlchemy changes the objects that it maps; store" in refusal(crate)


def test_a_class_with_slots_alone_is_refused() -> None:
    crate = clean_class(slots=True)
    map_by_table(crate, key(), Column("name", String), version())
    assert "Crate has slots alone" in refusal(crate)


def test_a_pydantic_model_is_refused() -> None:
    class Crate(dddkit.pydantic.Aggregate):
        crate_id: int

    map_by_table(Crate, key(), version())
    assert "Crate is a pydantic model, which sets its fields where SQLAlchemy does not see it; store" in refusal(Crate)


def test_a_key_of_two_columns_is_refused() -> None:
    crate = clean_class()
    map_by_table(crate, key(), Column("name", String, primary_key=True), version())
    assert "the primary key of clean_class.<locals>.Crate is (crate_id, name)" in refusal(crate)


def test_a_primary_key_that_is_not_the_identity_is_refused() -> None:
    crate = clean_class()
    map_by_table(crate, Column("number", Integer, primary_key=True), Column("crate_id", Integer), version())
    assert "the identity of clean_class.<locals>.Crate is crate_id, and its primary key number" in refusal(crate)


def test_an_identity_of_another_type_than_the_column_is_refused() -> None:
    crate = clean_class()
    map_by_table(crate, key(String), Column("name", String), version())
    assert "the identity is declared as int, and the column crate_id holds str" in refusal(crate)


def test_an_identity_that_cannot_be_sorted_is_refused() -> None:
    crate = clean_class()
    map_by_table(crate, key(LabelType), Column("name", String), version())
    assert "SQLAlchemy sorts rows by their keys, and a Point has no order" in refusal(crate, Point)


def test_what_is_no_aggregate_is_refused_with_the_unit_class() -> None:
    with pytest.raises(TypeError, match=r"DepotUnit.crates: OrmMapped stores aggregates, and .* is none"):
        unit_of(Session)
    with pytest.raises(TypeError, match=r"say what it stores, as in crates = OrmMapped\[Crate, CrateId\]\(\)"):
        type("DepotUnit", (SyncUnitOfWork,), {"crates": OrmMapped()})
    with pytest.raises(TypeError, match=r"DepotUnit.crates: OrmMapped is not called; .* as in `crates = Orm.*\(\)`"):
        type("DepotUnit", (SyncUnitOfWork,), {"crates": declared[Session, int]})
    with pytest.raises(
        TypeError, match=r"DepotUnit.orders: Documents is not called; .* as in `orders = Doc.*\(metadata\)`"
    ):
        type("DepotUnit", (SyncUnitOfWork,), {"orders": Documents})
    with pytest.raises(TypeError, match="belongs into the body of a unit class"):
        _ = declared[clean_class(), int]().table


def test_options_that_are_none_are_refused_where_they_are_written() -> None:
    made: Any = OrmMapped
    for wrong, shown in (("lines", "a str"), (["lines"], "a str"), (raiseload("*"), "a .*Load"), (None, "None")):
        with pytest.raises(TypeError, match=rf"as in options=\[selectinload\(Crate.lines\)\], and got {shown}"):
            made(options=wrong)


# Identities


CrateId = NewType("CrateId", str)


@dataclass(frozen=True, order=True)
class Label(ValueObject):
    prefix: str
    number: int


@dataclass(frozen=True)
class Point(ValueObject):
    x: int


class LabelType(TypeDecorator[Label]):
    impl = String
    cache_ok = True

    def process_bind_param(self, value: Label | None, dialect: Any) -> str | None:
        return None if value is None else f"{value.prefix}-{value.number}"

    def process_result_value(self, value: str | None, dialect: Any) -> Label | None:
        if value is None:
            return None
        prefix, _, number = value.partition("-")
        return Label(prefix, int(number))


IDENTITIES: dict[str, tuple[Any, Any, Any, Any]] = {
    "NewType": (CrateId, String, CrateId("a"), CrateId("b")),
    "UUID": (UUID, Uuid, uuid4(), uuid4()),
    "value object": (Label, LabelType, Label("a", 1), Label("b", 2)),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities_are_what_a_column_holds(name: str, database: Any) -> None:
    identity, column, one, other = IDENTITIES[name]
    crate = clean_class()
    table = map_by_table(crate, key(column), Column("name", String), version())
    unit_class = unit_of(crate, identity)
    engine = database.sync_engine(table.metadata)
    try:
        with unit_class(engine) as unit:
            unit.crates.save(crate(crate_id=other, name="other"))
            unit.crates.save(crate(crate_id=one, name="one"))
            unit.commit()
        with unit_class(engine) as unit:
            assert unit.crates.get(one, lock=True).name == "one"
            found = unit.crates.get_many([other, one])
            assert [*found] == [other, one]
            for found_one in found.values():
                found_one.name = "changed"
            unit.commit()
        with unit_class(engine, read_only=True) as unit:
            assert [one.name for one in unit.crates.find()] == ["changed"] * 2
            with pytest.raises(TypeError, match="crates finds"):
                unit.crates.get(17)
    finally:
        engine.dispose()


def test_an_identity_is_found_that_the_database_writes_in_another_way(database: Any) -> None:
    crate = clean_class()
    padded = String(collation="NOCASE").with_variant(CHAR(5), "postgresql")
    table = map_by_table(crate, key(padded), Column("name", String), version())
    unit_class = unit_of(crate, str)
    engine = database.sync_engine(table.metadata)
    asked = "ada" if database.name == "postgresql" else "ADA"
    made = crate(crate_id="ada", name="one")
    try:
        with unit_class(engine) as unit:
            unit.crates.save(made)
            unit.commit()
        with unit_class(engine) as unit:
            found = unit.crates.get_many(["bob", asked])
            assert [*found] == [asked]
            assert found[asked] is unit.crates.get(asked)
        with unit_class(engine) as unit:
            assert unit.crates.get(asked, lock=True).name == "one"
        with unit_class(engine) as unit:
            made.name = "two"
            unit.crates.save(made)
            unit.commit()
        with unit_class(engine) as unit:
            unit.crates.save(crate(crate_id=asked, name="new"))
            with pytest.raises(ConcurrencyError, match="is stored already"):
                unit.commit()
    finally:
        engine.dispose()


@dataclass(frozen=True, kw_only=True)
class Numbered(AggregateEvent):
    pass


def test_the_database_may_give_the_identity(database: Any) -> None:
    @dataclass(kw_only=True)
    class Crate(Aggregate):
        name: str
        crate_id: int | None = None

    table = map_by_table(Crate, key(), Column("name", String), version())
    catalog = EventCatalog("/depot")
    catalog.add(Numbered, "crate.numbered", version=1)
    outbox = Outbox(table.metadata, catalog)
    unit_class = unit_of(Crate, outbox=outbox)
    engine = database.sync_engine(table.metadata)
    try:
        one, other = Crate(name="one"), Crate(name="other")
        for crate in (one, other):
            crate.add_event(Numbered())
        with unit_class(engine) as unit:
            unit.crates.save(one)
            unit.crates.save(one)
            unit.crates.save(other)
            unit.crates.delete(Crate(name="never"))
            unit.commit()
        assert {one.crate_id, other.crate_id} == {1, 2}
        early = Crate(name="early")
        with unit_class(engine) as unit:
            unit.crates.save(early)
            unit.session().flush()
            assert unit.crates.get(early.crate_id) is early
            early.name = "later"
            unit.commit()
        failed = Crate(name="failed")
        with unit_class(engine) as unit:
            unit.crates.save(failed)
            unit.session().flush()
            unit.rollback()
        assert failed.crate_id is None
        with unit_class(engine, read_only=True) as unit:
            assert unit.crates.get(3).name == "later"
            rows = unit.connection().execute(select(outbox.table.c.message).order_by(outbox.table.c.number))
            subjects = [Message.from_json(row).subject for row in rows.scalars()]
        assert subjects == [f"crates/{one.crate_id}", f"crates/{other.crate_id}"]
        one.name = "changed"
        with unit_class(engine) as unit:
            unit.crates.save(one)
            unit.commit()
    finally:
        engine.dispose()


# Versions


def test_rows_begin_with_the_time_and_count_however_the_mapping_says_it() -> None:
    cases: list[dict[str, Any]] = [{}, {"version_id_generator": False}]
    for arguments in cases:
        crate = clean_class()
        table = map_by_table(crate, key(), Column("name", String), version(), **arguments)
        unit_class = unit_of(crate)
        engine = sync_embedded(":memory:", table.metadata)
        with unit_class(engine) as unit:
            unit.crates.save(crate(crate_id=1))
            unit.commit()
        with unit_class(engine) as unit:
            one = unit.crates.get(1)
            first = one.version
            assert first > 1_700_000_000_000_000
            one.name = "changed"
            unit.commit()
        assert one.version == first + 1
        engine.dispose()


def test_code_with_a_session_of_its_own_moves_versions_too() -> None:
    crate = clean_class()
    table = map_by_table(crate, key(), Column("name", String), version())
    unit_class = unit_of(crate)
    engine = sync_embedded(":memory:", table.metadata)
    with unit_class(engine, read_only=True):
        pass
    with Session(engine, expire_on_commit=False) as session:
        session.add(crate(crate_id=1, name="tea"))
        session.commit()
    with unit_class(engine, read_only=True) as unit:
        stale = unit.crates.get(1)
    with Session(engine, expire_on_commit=False) as session:
        theirs: Any = session.get(crate, 1)
        theirs.name = "coffee"
        session.commit()
    stale.name = "mine"
    with unit_class(engine) as unit:
        unit.crates.save(stale)
        with pytest.raises(ConcurrencyError):
            unit.commit()
    theirs.name = "more coffee"
    with unit_class(engine) as unit:
        unit.crates.save(theirs)  # it knows its version, though no unit has read it
        unit.commit()
    engine.dispose()


def test_what_evolve_makes_is_refused() -> None:
    crate = clean_class()
    table = map_by_table(crate, key(), Column("name", String), version())
    unit_class = unit_of(crate)
    engine = sync_embedded(":memory:", table.metadata)
    one = crate(crate_id=1)
    with unit_class(engine) as unit:
        unit.crates.save(one)
        unit.commit()
    with unit_class(engine) as unit:
        with pytest.raises(UnitError, match="Crate with the identity 1 was made anew with the version of a stored one"):
            unit.crates.save(evolve(one, name="next"))
        unit.rollback()
    engine.dispose()


# What else may be mapped


def test_subclasses_of_an_aggregate_come_back_as_they_are(database: Any) -> None:
    base = new_base()

    class Vehicle(Aggregate, base):  # type: ignore[misc, valid-type]  # made in a function
        __tablename__ = "vehicles"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        version: Mapped[int] = mapped_column(BigInteger)
        __mapper_args__ = {"version_id_col": version, "polymorphic_on": "kind", "polymorphic_identity": "vehicle"}

    class Truck(Vehicle):
        __tablename__ = "trucks"
        id: Mapped[int] = mapped_column(ForeignKey("vehicles.id"), primary_key=True)
        payload: Mapped[int] = mapped_column(default=1)
        __mapper_args__ = {"polymorphic_identity": "truck", "polymorphic_load": "selectin"}

    class Bike(Vehicle):
        bell: Mapped[str | None]
        __mapper_args__ = {"polymorphic_identity": "bike", "polymorphic_load": "inline"}

    made: list[Any] = [Truck, Bike, Vehicle]
    unit_class = unit_of(Vehicle)
    engine = database.sync_engine(base.metadata)
    try:
        with unit_class(engine) as unit:
            unit.crates.save(made[0](id=1, payload=5))
            unit.crates.save(made[1](id=2, bell="ring"))
            unit.crates.save(made[2](id=3))
            unit.commit()
        with unit_class(engine) as unit:
            found = {one.id: one for one in unit.crates.find()}
            assert [type(found[number]) for number in (1, 2, 3)] == [Truck, Bike, Vehicle]
            before = found[1].version
            found[1].payload = 6  # in a table that has no version
            unit.crates.delete(found[2])
            unit.commit()
        assert found[1].version == before + 1
        trucks = unit_of(Truck)
        with trucks(engine) as unit:
            assert unit.crates.get(3) is None
            assert unit.crates.get(1, lock=True).payload == 6
            with pytest.raises(TypeError, match=r"stores .*Truck, and save got a .*Vehicle"):
                unit.crates.save(made[2](id=4))
            unit.rollback()
    finally:
        engine.dispose()


def test_two_repositories_of_one_hierarchy_are_refused() -> None:
    base = new_base()

    class Vehicle(Aggregate, base):  # type: ignore[misc, valid-type]  # made in a function
        __tablename__ = "vehicles"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        version: Mapped[int] = mapped_column(BigInteger)
        __mapper_args__ = {"version_id_col": version, "polymorphic_on": "kind", "polymorphic_identity": "vehicle"}

    class Bike(Vehicle):
        __mapper_args__ = {"polymorphic_identity": "bike"}

    assert refusal(Vehicle, bikes=declared[Bike, int]()) == (
        "DepotUnit: crates and bikes store the same rows; declare the base class alone, or each in a unit of its own"
    )


def test_two_repositories_of_one_table_are_refused() -> None:
    @dataclass(kw_only=True)
    class Box(Aggregate):
        crate_id: Identity[int]

    crates, mapper = clean_class(), registry()
    table = Table("crates", mapper.metadata, key(Integer), Column("name", String), version())
    for one in (crates, Box):
        mapper.map_imperatively(one, table, version_id_col=table.c.version)
    assert refusal(crates, boxes=declared[Box, int]()) == (
        "DepotUnit: crates and boxes store the same rows; declare one of them alone, or each in a unit of its own"
    )


def test_a_pydantic_dataclass_is_mapped_like_any_other() -> None:
    @pydantic.dataclasses.dataclass(kw_only=True)
    class Crate(Aggregate):
        crate_id: int
        name: str = ""

    table = map_by_table(Crate, key(), Column("name", String), version())
    unit_class = unit_of(Crate)
    engine = sync_embedded(":memory:", table.metadata)
    with unit_class(engine) as unit:
        unit.crates.save(Crate(crate_id=1))
        unit.commit()
    with unit_class(engine) as unit:
        unit.crates.get(1).name = "changed"
        unit.commit()
    with unit_class(engine, read_only=True) as unit:
        assert unit.crates.get(1).name == "changed"
    engine.dispose()


def test_events_that_are_recorded_while_loading_are_dropped() -> None:
    base = new_base()

    class Crate(Aggregate, base):  # type: ignore[misc, valid-type]  # made in a function
        __tablename__ = "crates"
        id: Mapped[int] = mapped_column(primary_key=True)
        version: Mapped[int] = mapped_column(BigInteger)
        __mapper_args__ = {"version_id_col": version}

        @reconstructor
        def loaded(self) -> None:
            self.add_event(Numbered())

    made: Any = Crate
    unit_class = unit_of(Crate)
    engine = sync_embedded(":memory:", base.metadata)
    with unit_class(engine) as unit:
        unit.crates.save(made(id=1))
        unit.commit()
    with unit_class(engine) as unit:
        assert unit.crates.get(1).get_events() == []
    engine.dispose()


def test_what_the_database_computes_is_known_after_the_unit(database: Any) -> None:
    base = new_base()

    class Crate(Aggregate, base):  # type: ignore[misc, valid-type]  # made in a function
        __tablename__ = "crates"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        version: Mapped[int] = mapped_column(BigInteger)
        made: Mapped[str] = mapped_column(server_default="then")
        changed: Mapped[str] = mapped_column(server_default="never", onupdate=func.upper("now"))
        __mapper_args__ = {"version_id_col": version}

    unit_class = unit_of(Crate)
    engine = database.sync_engine(base.metadata)
    try:
        crate_class: Any = Crate
        crate = crate_class(id=1, name="tea")
        with unit_class(engine) as unit:
            unit.crates.save(crate)
            unit.commit()
        assert (crate.made, crate.changed) == ("then", "never")
        crate.name = "coffee"
        with unit_class(engine) as unit:
            unit.crates.save(crate)
            unit.commit()
        assert (crate.made, crate.changed) == ("then", "NOW")
    finally:
        engine.dispose()


def test_the_column_of_a_newtype_inside_of_identity_needs_its_type() -> None:
    base = new_base()
    with pytest.raises(ArgumentError, match=r"Could not locate SQLAlchemy Core type.*\bCrateId\b.*'number'"):
        type("Bag", (Aggregate, base), {
            "__module__": __name__,
            "__tablename__": "bags",
            "__annotations__": {"number": Mapped[Identity[CrateId]]},
            "number": mapped_column(primary_key=True),
        })  # fmt: skip

    class Crate(Aggregate, base):  # type: ignore[misc, valid-type]  # made in a function
        __tablename__ = "crates"
        number: Mapped[Identity[CrateId]] = mapped_column(String, primary_key=True)
        version: Mapped[int] = mapped_column(BigInteger)
        __mapper_args__ = {"version_id_col": version}

    assert unit_of(Crate)
