"""Values in the columns of mapped aggregates that Python cannot compare with ==, or cannot copy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import BigInteger, PickleType, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from dddkit.dataclasses import Aggregate, Identity
from dddkit.sqlalchemy import OrmMapped, SyncUnitOfWork, sync_embedded

Model = Any  # classes whose attributes SQLAlchemy gives


class Vector:
    """Compares element by element, as arrays of numpy do."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, Vector):
            return False
        return Vector([one == another for one, another in zip(self.numbers, other.numbers, strict=True)])

    def __len__(self) -> int:
        return len(self.numbers)

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")


class VectorType(TypeDecorator[Vector]):
    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str:
        return json.dumps(value.numbers)

    def process_result_value(self, value: Any, dialect: Any) -> Vector:
        return Vector(json.loads(value))


class ReadOnlyMap(TypeDecorator[Mapping[str, int]]):
    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str:
        return json.dumps(dict(value))

    def process_result_value(self, value: Any, dialect: Any) -> Mapping[str, int]:
        return MappingProxyType(json.loads(value))


class Base(DeclarativeBase):
    pass


class Picture(Aggregate, Base):
    __tablename__ = "pictures"
    picture_id: Mapped[Identity[int]] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="")
    vector: Mapped[Vector] = mapped_column(VectorType)
    vectors: Mapped[list[Vector]] = mapped_column(PickleType)
    sizes: Mapped[Mapping[str, int]] = mapped_column(ReadOnlyMap)
    version: Mapped[int] = mapped_column(BigInteger)
    __mapper_args__ = {"version_id_col": version}


class PictureUnit(SyncUnitOfWork):
    pictures = OrmMapped[Picture, int]()


@pytest.fixture
def engine() -> Iterator[Model]:
    engine = sync_embedded(":memory:", Base.metadata)
    with PictureUnit(engine) as unit:
        sizes = MappingProxyType({"wide": 3})
        unit.pictures.save(Picture(picture_id=1, vector=Vector([1, 2]), vectors=[Vector([3, 4])], sizes=sizes))
        unit.commit()
    yield engine
    engine.dispose()


def version(engine: Model) -> int:
    with PictureUnit(engine, read_only=True) as unit:
        picture = unit.pictures.get(1)
        assert picture is not None
        return picture.version


def test_such_values_are_no_change_where_they_were_only_read(engine: Model) -> None:
    before = version(engine)
    with PictureUnit(engine) as unit:
        picture = unit.pictures.get(1)
        assert picture is not None
        assert (picture.vector.numbers, picture.vectors[0].numbers, picture.sizes["wide"]) == ([1, 2], [3, 4], 3)

    assert version(engine) == before


@pytest.mark.parametrize("field", ["name", "vector", "vectors", "sizes"])
def test_an_aggregate_with_such_values_is_changed(engine: Model, field: str) -> None:
    before = version(engine)
    with PictureUnit(engine) as unit:
        picture = unit.pictures.get(1)
        assert picture is not None
        if field == "name":
            picture.name = "sunset"
        elif field == "vector":
            picture.vector.numbers[0] = 7  # in place
        elif field == "vectors":
            picture.vectors[0].numbers[0] = 7
        else:
            picture.sizes = MappingProxyType({"wide": 7})
        unit.commit()

    with PictureUnit(engine, read_only=True) as unit:
        stored = unit.pictures.get(1)
        assert stored is not None
        found = {"name": stored.name, "vector": stored.vector.numbers[0], "vectors": stored.vectors[0].numbers[0]}
        assert {**found, "sizes": stored.sizes["wide"]}[field] == ("sunset" if field == "name" else 7)
        assert stored.version == before + 1
