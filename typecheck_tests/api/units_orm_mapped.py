"""What checkers say about mapped aggregates in a unit. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

from sqlalchemy import BigInteger, Engine, ForeignKey, Table
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload
from typing_extensions import assert_type

from dddkit.dataclasses import Aggregate, Identity, Repository, SyncRepository
from dddkit.sqlalchemy import OrmMapped, SyncUnitOfWork, UnitOfWork

CrateId = NewType("CrateId", int)


class Base(DeclarativeBase):
    pass


class Line(Base):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    crate_id: Mapped[int] = mapped_column(ForeignKey("crates.number"))


class Crate(Aggregate, Base):
    __tablename__ = "crates"
    number: Mapped[Identity[CrateId]] = mapped_column(primary_key=True)
    name: Mapped[str]
    is_full: Mapped[bool]
    version: Mapped[int] = mapped_column(BigInteger)
    lines: Mapped[list[Line]] = relationship(cascade="all, delete-orphan")
    __mapper_args__ = {"version_id_col": version}


@dataclass(kw_only=True)
class Box(Aggregate):  # mapped imperatively
    box_id: str


class DepotUnit(UnitOfWork):
    crates = OrmMapped[Crate, CrateId](options=[selectinload(Crate.lines)])
    boxes = OrmMapped[Box, str]()


class SyncDepotUnit(SyncUnitOfWork):
    crates = DepotUnit.crates


assert_type(DepotUnit.crates, OrmMapped[Crate, CrateId])
assert_type(DepotUnit.crates.table, Table)


async def use(engine: AsyncEngine, crate: Crate) -> None:
    async with DepotUnit(engine) as unit:
        repository: Repository[Crate, CrateId] = unit.crates
        assert_type(await repository.get(crate.number), Crate | None)
        assert_type(crate.number, CrateId)
        assert_type(await unit.crates.get(CrateId(1), lock=True), Crate | None)
        assert_type(await unit.crates.get_many([CrateId(1)]), dict[CrateId, Crate])
        assert_type(await unit.crates.find(Crate.name == "tea", Crate.is_full, order_by=Crate.name), list[Crate])
        found = await unit.crates.find(unit.crates.table.c.name == "tea", order_by=[Crate.name.desc(), Crate.number])
        assert_type(found, list[Crate])
        assert_type(await unit.session(), AsyncSession)
        await unit.crates.save(crate)
        await unit.crates.delete(crate)

        await unit.crates.get("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        await unit.boxes.save(crate)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        await unit.boxes.find(order_by=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def use_sync(engine: Engine, crate: Crate) -> None:
    with SyncDepotUnit(engine) as unit:
        repository: SyncRepository[Crate, CrateId] = unit.crates
        assert_type(repository.get(crate.number), Crate | None)
        assert_type(unit.crates.find(Crate.name == "tea"), list[Crate])
        assert_type(unit.session(), Session)


def mistakes() -> None:
    OrmMapped[Line, int]()  # type: ignore[type-var]  # pyright: ignore[reportInvalidTypeArguments]
    OrmMapped[Crate, CrateId](options=[Crate.lines])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
