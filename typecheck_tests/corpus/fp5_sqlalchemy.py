"""The real thing: a declarative base of SQLAlchemy, and its dataclass mixin."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, relationship

from dddkit.dataclasses import Aggregate, AggregateEvent, Entity, InMemoryRepository, SyncRepository


class Base(DeclarativeBase):
    pass


class Parcel(Base, Aggregate):
    __tablename__ = "parcels"

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str]
    labels: Mapped[list["Label"]] = relationship()

    class Moved(AggregateEvent):
        pass

    def __init__(self, id: int, address: str) -> None:
        self.id = id
        self.address = address

    def move(self, address: str) -> None:
        self.address = address
        self.add_event(self.Moved())


class Label(Base, Entity):
    __tablename__ = "labels"

    label_id: Mapped[str] = mapped_column(primary_key=True)
    parcel_id: Mapped[int] = mapped_column(ForeignKey("parcels.id"))

    def __init__(self, label_id: str) -> None:
        self.label_id = label_id


class Depot(MappedAsDataclass, Base, Aggregate, kw_only=True):
    __tablename__ = "depots"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="")


class Parcels(InMemoryRepository[Parcel, int]):
    pass


class Depots(SyncRepository[Depot, int]):
    def __init__(self) -> None:
        self.rows: dict[int, Depot] = {}

    def save(self, depot: Depot, /) -> None:
        self.rows[depot.id] = depot

    def get(self, depot_id: int, /) -> Depot | None:
        return self.rows.get(depot_id)

    def delete(self, depot: Depot, /) -> None:
        del self.rows[depot.id]


parcel = Parcel(1, "a")
parcel.labels.append(Label("x"))
parcel.move("b")
assert len(parcel.pull_events()) == 1
depots = Depots()
depots.save(Depot(id=1, name="d"))
assert depots.get(1) == Depot(id=1, name="d")
assert Parcels()
