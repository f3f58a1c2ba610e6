"""SQLAlchemy maps aggregates of the dataclass flavour, and loads them without `__init__`."""

from __future__ import annotations

import asyncio
import copy
import dataclasses as stdlib
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, String, Table, create_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    configure_mappers,
    mapped_column,
    registry,
    relationship,
)
from sqlalchemy.orm.exc import DetachedInstanceError

from dddkit.dataclasses import Aggregate, AggregateEvent, InMemoryRepository
from dddkit.exceptions import ConcurrencyError


@stdlib.dataclass(frozen=True, kw_only=True)
class Renamed(AggregateEvent):
    name: str


def declared_as_dataclass() -> Any:
    @stdlib.dataclass(kw_only=True)
    class Basket(Aggregate):
        name: str
        basket_id: int | None = None

    return Basket


def written_by_hand() -> Any:
    class Basket(Aggregate):
        def __init__(self, name: str) -> None:
            self.name = name

    return Basket


@pytest.mark.parametrize("declare", [declared_as_dataclass, written_by_hand])
def test_a11_a_mapped_aggregate_is_stored_loaded_identified_and_records(declare: Any) -> None:
    basket_class = declare()
    mapper = registry()
    table = Table("basket", mapper.metadata, Column("basket_id", Integer, primary_key=True), Column("name", String))
    mapper.map_imperatively(basket_class, table)
    engine = create_engine("sqlite://")
    mapper.metadata.create_all(engine)
    try:
        with Session(engine, expire_on_commit=False) as session:
            one, other = basket_class(name="a"), basket_class(name="b")
            one.add_event(Renamed(name="a"))
            assert one != other  # neither has an identity yet
            session.add_all([one, other])
            session.commit()
            assert one.basket_id is not None
            assert one.get_events() == [Renamed(name="a", occurred_on=one.get_events()[0].occurred_on)]
            key = one.basket_id
            first = one
            session.expunge_all()
            loaded: Any = session.get(basket_class, key)
            assert loaded is not first
            assert loaded == first
            assert hash(loaded) == hash(first)
            assert loaded != other
            assert loaded.get_events() == []
            loaded.name = "c"
            loaded.add_event(Renamed(name="c"))
            assert len(loaded.pull_events()) == 1
            session.commit()
        with Session(engine) as session:
            reloaded: Any = session.get(basket_class, key)
            assert reloaded.name == "c"
    finally:
        engine.dispose()
        mapper.dispose()


# Copies of mapped aggregates


class Base(DeclarativeBase):
    pass


class Line(Base):
    __tablename__ = "line"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelf.id"))


class Shelf(Aggregate, Base):
    __tablename__ = "shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    lines: Mapped[list[Line]] = relationship()


@stdlib.dataclass(kw_only=True)
class Crate(Aggregate):
    id: int
    name: str
    lines: list[Any] = stdlib.field(default_factory=list[Any])


class CrateLine:
    def __init__(self, id: int) -> None:  # noqa: A002 - the column's name
        self.id = id


def map_crates() -> Any:
    """Map the classes imperatively; the test disposes of the registry."""
    mapper = registry(metadata=Base.metadata)
    tables = Base.metadata.tables
    lines = tables.get("crate_line")
    if lines is None:
        lines = Table(
            "crate_line",
            Base.metadata,
            Column("id", Integer, primary_key=True),
            Column("crate_id", Integer, ForeignKey("crate.id")),
        )
    crates = tables.get("crate")
    if crates is None:
        crates = Table(
            "crate", Base.metadata, Column("id", Integer, primary_key=True), Column("name", String, nullable=False)
        )
    mapper.map_imperatively(CrateLine, lines)
    mapper.map_imperatively(Crate, crates, properties={"lines": relationship(CrateLine)})
    return mapper


@pytest.fixture(params=["declarative", "imperative"])
def stored(request: pytest.FixtureRequest) -> Iterator[tuple[Session, Any]]:
    """A session with one stored aggregate and its lines."""
    mapper = map_crates() if request.param == "imperative" else None
    configure_mappers()
    aggregate, line = (Crate, CrateLine) if mapper else (Shelf, Line)
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(aggregate(id=1, name="tea", lines=[line(id=1), line(id=2)]))
        session.commit()
    try:
        with Session(engine) as session:
            yield session, aggregate
    finally:
        engine.dispose()
        if mapper:
            mapper.dispose()


def pickled(aggregate: Any) -> Any:
    return pickle.loads(pickle.dumps(aggregate))


WAYS: dict[str, Any] = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": pickled}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_fd1_a_mapped_aggregate_is_copied_whatever_is_loaded_and_the_original_stays_clean(
    stored: tuple[Session, Any], way: Any
) -> None:
    session, aggregate = stored
    original: Any = session.get(aggregate, 1)
    twin = way(original)  # the relationship is not loaded
    assert (twin.id, twin.name, "lines" in vars(twin)) == (1, "tea", False)
    assert len(original.lines) == 2
    twin = way(original)
    first, second = twin.__dict__["lines"]
    assert (first.id, second.id) == (1, 2)
    assert twin == original
    assert not session.dirty
    assert not session.new


@pytest.mark.parametrize("loaded", [True, False], ids=["all loaded", "lines not loaded"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_fd1_a_detached_aggregate_is_copied_with_what_was_loaded(
    stored: tuple[Session, Any], way: Any, loaded: bool
) -> None:
    session, aggregate = stored
    original: Any = session.get(aggregate, 1)
    if loaded:
        assert len(original.lines) == 2
    session.close()
    twin = way(original)
    assert (twin.id, twin.name) == (1, "tea")
    if loaded:
        assert [line.id for line in twin.lines] == [1, 2]
    else:
        with pytest.raises(DetachedInstanceError):
            assert twin.lines


def test_fr9_an_error_about_an_aggregate_whose_session_is_closed_has_a_message(stored: tuple[Session, Any]) -> None:
    session, aggregate = stored
    original: Any = session.get(aggregate, 1)
    session.expire_all()
    session.close()
    with pytest.raises(DetachedInstanceError):
        assert original.id
    assert str(ConcurrencyError(original, 1, 2)).startswith(f"{aggregate.__name__} was read at version 1")


def test_fd4_a_mapped_aggregate_can_be_kept_in_memory(stored: tuple[Session, Any]) -> None:
    session, aggregate = stored
    original: Any = session.get(aggregate, 1)
    baskets: Any = InMemoryRepository
    repository = baskets()

    async def main() -> None:
        await repository.save(original)
        await repository.save(original)
        await repository.save(await repository.get(1))
        with pytest.raises(ConcurrencyError):
            await repository.save(original)

    asyncio.run(main())
    assert not session.dirty
