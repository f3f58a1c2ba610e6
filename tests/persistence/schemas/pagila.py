"""Pagila, a film rental: keys that the database gives, an enum, arrays, triggers, and two tables that need each other.

The classes are dataclasses that SQLAlchemy maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated

import sqlalchemy as sa
from sqlalchemy import BigInteger, FetchedValue, ForeignKey, Numeric, SmallInteger, String, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, relationship, selectinload

from dddkit.dataclasses import Aggregate, AggregateEvent, Identity
from dddkit.sqlalchemy import OrmMapped, UnitOfWork

TABLES = [
    """create table language (
        language_id serial not null primary key,
        name varchar(20) not null,
        last_update timestamp default current_timestamp not null
    )""",
    """create table category (
        category_id serial not null primary key,
        name varchar(25) not null,
        last_update timestamp default current_timestamp not null
    )""",
    """create table actor (
        actor_id serial not null primary key,
        first_name varchar(45) not null,
        last_name varchar(45) not null,
        last_update timestamp default current_timestamp not null
    )""",
    """create table film (
        film_id serial not null primary key,
        title varchar(255) not null,
        description text,
        language_id smallint not null references language (language_id),
        rental_duration smallint default 3 not null,
        rental_rate numeric(4, 2) default 4.99 not null,
        length smallint,
        rating mpaa_rating default 'G',
        special_features text[],
        last_update timestamp default current_timestamp not null
    )""",
    """create table film_actor (
        actor_id integer not null references actor (actor_id),
        film_id integer not null references film (film_id),
        last_update timestamp default current_timestamp not null,
        primary key (actor_id, film_id)
    )""",
    """create table film_category (
        film_id integer not null references film (film_id),
        category_id integer not null references category (category_id),
        last_update timestamp default current_timestamp not null,
        primary key (film_id, category_id)
    )""",
    """create table staff (
        staff_id serial not null primary key,
        first_name varchar(45) not null,
        last_name varchar(45) not null,
        store_id integer not null,
        active boolean default true not null
    )""",
    """create table store (
        store_id serial not null primary key,
        manager_staff_id integer not null references staff (staff_id),
        last_update timestamp default current_timestamp not null
    )""",
    """create table inventory (
        inventory_id serial not null primary key,
        film_id integer not null references film (film_id),
        store_id integer not null references store (store_id)
    )""",
    """create table customer (
        customer_id serial not null primary key,
        store_id integer not null references store (store_id),
        activebool boolean default true not null,
        first_name varchar(45) not null,
        last_name varchar(45) not null
    )""",
    """create table rental (
        rental_id serial not null primary key,
        rental_date timestamp not null,
        inventory_id integer not null references inventory (inventory_id),
        customer_id integer not null references customer (customer_id),
        return_date timestamp,
        staff_id integer not null references staff (staff_id),
        last_update timestamp default current_timestamp not null
    )""",
    """create table payment (
        payment_id serial not null primary key,
        customer_id integer not null references customer (customer_id),
        rental_id integer not null references rental (rental_id),
        amount numeric(5, 2) not null,
        payment_date timestamp not null
    )""",
]
ROWS = [
    "insert into language (name) values ('English')",
    "insert into category (name) values ('Action'), ('Documentary')",
    "insert into actor (first_name, last_name) values ('Penelope', 'Guiness'), ('Nick', 'Wahlberg')",
    """insert into film (title, language_id, rental_duration, rental_rate, rating, special_features, last_update)
        values ('Academy Dinosaur', 1, 6, 0.99, 'PG-13', {features}, '2006-02-15 05:03:42')""",
    "insert into film_actor (actor_id, film_id) values (1, 1), (2, 1)",
    "insert into film_category (film_id, category_id) values (1, 2)",
    "insert into staff (first_name, last_name, store_id) values ('Mike', 'Hillyer', 1), ('Jon', 'Stephens', 2)",
    "insert into store (manager_staff_id) values (1), (2)",
    "insert into inventory (film_id, store_id) values (1, 1), (1, 2)",
    "insert into customer (store_id, first_name, last_name) values (1, 'Mary', 'Smith')",
    "insert into rental (rental_date, inventory_id, customer_id, staff_id) values ('2005-05-24 22:53:30', 1, 1, 1)",
    "insert into payment (customer_id, rental_id, amount, payment_date) values (1, 1, 2.99, '2005-05-24 22:53:30')",
]
ON_POSTGRESQL = [
    "create type mpaa_rating as enum ('G', 'PG', 'PG-13', 'R', 'NC-17')",
    *TABLES,
    "alter table staff add foreign key (store_id) references store (store_id) deferrable initially deferred",
    """create function last_updated() returns trigger language plpgsql as $$
        begin new.last_update = timestamp '2030-01-01 00:00:00'; return new; end $$""",
    "create trigger last_updated before update on film for each row execute function last_updated()",
    "create trigger last_updated before update on rental for each row execute function last_updated()",
    *(row.replace("{features}", "array['Deleted Scenes', 'Trailers']") for row in ROWS),
]
"""As it is there; the triggers write a time that a test knows."""

ON_SQLITE = [
    *(
        table.replace("mpaa_rating", "varchar(5)")
        .replace("text[]", "json")
        .replace(
            "boolean default true not null\n    )",
            "boolean default true not null,\n"
            "        FOREIGN KEY (store_id) REFERENCES store (store_id) DEFERRABLE INITIALLY DEFERRED\n    )",
        )
        for table in TABLES
    ),
    *(
        f"""create trigger {table}_updated after update on {table} when new.last_update = old.last_update
        begin update {table} set last_update = '2030-01-01 00:00:00.000000' where {table}_id = new.{table}_id; end"""
        for table in ("film", "rental")
    ),
    *(row.replace("{features}", """'["Deleted Scenes", "Trailers"]'""") for row in ROWS),
]


class Rating(Enum):
    G = "G"
    PG = "PG"
    PG_13 = "PG-13"
    R = "R"
    NC_17 = "NC-17"


def _values(kind: type[Rating]) -> list[str]:
    return [one.value for one in kind]


LastUpdate = Annotated[
    datetime,
    mapped_column(server_default=func.current_timestamp(), server_onupdate=FetchedValue()),
]


class Base(MappedAsDataclass, DeclarativeBase):
    pass


class Language(Base, kw_only=True):
    __tablename__ = "language"
    language_id: Mapped[int] = mapped_column(primary_key=True, init=False)
    name: Mapped[str] = mapped_column(String(20))
    last_update: Mapped[LastUpdate] = mapped_column(init=False)


class Category(Base, kw_only=True):
    __tablename__ = "category"
    category_id: Mapped[int] = mapped_column(primary_key=True, init=False)
    name: Mapped[str] = mapped_column(String(25))
    last_update: Mapped[LastUpdate] = mapped_column(init=False)


class Actor(Base, Aggregate, kw_only=True):
    __tablename__ = "actor"
    actor_id: Mapped[Identity[int]] = mapped_column(primary_key=True, init=False)
    first_name: Mapped[str] = mapped_column(String(45))
    last_name: Mapped[str] = mapped_column(String(45))
    last_update: Mapped[LastUpdate] = mapped_column(init=False)
    version: Mapped[int] = mapped_column(BigInteger, server_default="1", init=False)
    __mapper_args__ = {"version_id_col": version}


class FilmActor(Base, kw_only=True):
    __tablename__ = "film_actor"
    actor_id: Mapped[int] = mapped_column(ForeignKey("actor.actor_id"), primary_key=True)
    film_id: Mapped[int] = mapped_column(ForeignKey("film.film_id"), primary_key=True, init=False)
    last_update: Mapped[LastUpdate] = mapped_column(init=False)


class FilmCategory(Base, kw_only=True):
    __tablename__ = "film_category"
    film_id: Mapped[int] = mapped_column(ForeignKey("film.film_id"), primary_key=True, init=False)
    category_id: Mapped[int] = mapped_column(ForeignKey("category.category_id"), primary_key=True)
    last_update: Mapped[LastUpdate] = mapped_column(init=False)


class Film(Base, Aggregate, kw_only=True):
    __tablename__ = "film"
    film_id: Mapped[Identity[int]] = mapped_column(primary_key=True, init=False)
    title: Mapped[str] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(sa.Text, default=None)
    language_id: Mapped[int] = mapped_column(SmallInteger, ForeignKey("language.language_id"))
    rental_duration: Mapped[int] = mapped_column(SmallInteger, server_default="3", default=3)
    rental_rate: Mapped[Decimal] = mapped_column(Numeric(4, 2), server_default="4.99", default=Decimal("4.99"))
    length: Mapped[int | None] = mapped_column(SmallInteger, default=None)
    rating: Mapped[Rating | None] = mapped_column(
        sa.Enum(Rating, name="mpaa_rating", values_callable=_values),
        server_default="G",
        default=Rating.G,
    )
    special_features: Mapped[list[str] | None] = mapped_column(
        sa.JSON().with_variant(ARRAY(sa.Text), "postgresql"), default=None
    )
    cast: Mapped[list[FilmActor]] = relationship(
        cascade="all, delete-orphan", order_by=FilmActor.actor_id, default_factory=list
    )
    categories: Mapped[list[FilmCategory]] = relationship(cascade="all, delete-orphan", default_factory=list)
    last_update: Mapped[LastUpdate] = mapped_column(init=False)
    version: Mapped[int] = mapped_column(BigInteger, server_default="1", init=False)
    __mapper_args__ = {"version_id_col": version}


class Staff(Base, Aggregate, kw_only=True):
    __tablename__ = "staff"
    staff_id: Mapped[Identity[int]] = mapped_column(primary_key=True, init=False)
    first_name: Mapped[str] = mapped_column(String(45))
    last_name: Mapped[str] = mapped_column(String(45))
    store_id: Mapped[int] = mapped_column(
        ForeignKey("store.store_id", use_alter=True, deferrable=True, initially="DEFERRED")
    )
    active: Mapped[bool] = mapped_column(server_default=sa.true(), default=True)
    version: Mapped[int] = mapped_column(BigInteger, server_default="1", init=False)
    __mapper_args__ = {"version_id_col": version}


class Store(Base, Aggregate, kw_only=True):
    __tablename__ = "store"
    store_id: Mapped[Identity[int]] = mapped_column(primary_key=True, init=False)
    manager_staff_id: Mapped[int] = mapped_column(ForeignKey("staff.staff_id"))
    last_update: Mapped[LastUpdate] = mapped_column(init=False)
    version: Mapped[int] = mapped_column(BigInteger, server_default="1", init=False)
    __mapper_args__ = {"version_id_col": version}


class Inventory(Base, kw_only=True):
    __tablename__ = "inventory"
    inventory_id: Mapped[int] = mapped_column(primary_key=True, init=False)
    film_id: Mapped[int] = mapped_column(ForeignKey("film.film_id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("store.store_id"))


class Customer(Base, Aggregate, kw_only=True):
    __tablename__ = "customer"
    customer_id: Mapped[Identity[int]] = mapped_column(primary_key=True, init=False)
    store_id: Mapped[int] = mapped_column(ForeignKey("store.store_id"))
    first_name: Mapped[str] = mapped_column(String(45))
    last_name: Mapped[str] = mapped_column(String(45))
    activebool: Mapped[bool] = mapped_column(server_default=sa.true(), default=True)
    version: Mapped[int] = mapped_column(BigInteger, server_default="1", init=False)
    __mapper_args__ = {"version_id_col": version}


class Payment(Base, kw_only=True):
    __tablename__ = "payment"
    payment_id: Mapped[int] = mapped_column(primary_key=True, init=False)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.customer_id"))
    rental_id: Mapped[int] = mapped_column(ForeignKey("rental.rental_id"), init=False)
    amount: Mapped[Decimal] = mapped_column(Numeric(5, 2))
    payment_date: Mapped[datetime]


class Rental(Base, Aggregate, kw_only=True):
    __tablename__ = "rental"
    rental_id: Mapped[Identity[int]] = mapped_column(primary_key=True, init=False)
    rental_date: Mapped[datetime]
    inventory_id: Mapped[int] = mapped_column(ForeignKey("inventory.inventory_id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.customer_id"))
    return_date: Mapped[datetime | None] = mapped_column(default=None)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.staff_id"))
    payments: Mapped[list[Payment]] = relationship(
        cascade="all, delete-orphan", order_by=Payment.payment_id, default_factory=list
    )
    last_update: Mapped[LastUpdate] = mapped_column(init=False)
    version: Mapped[int] = mapped_column(BigInteger, server_default="1", init=False)
    __mapper_args__ = {"version_id_col": version}

    @dataclass(frozen=True, kw_only=True)
    class Returned(AggregateEvent):
        late_fee: Decimal

    def bring_back(self, when: datetime, late_fee: Decimal) -> None:
        self.return_date = when
        if late_fee:
            self.payments.append(Payment(customer_id=self.customer_id, amount=late_fee, payment_date=when))
        self.add_event(self.Returned(late_fee=late_fee))


class FilmUnit(UnitOfWork):
    actors = OrmMapped[Actor, int]()
    films = OrmMapped[Film, int](options=[selectinload(Film.cast), selectinload(Film.categories)])
    stores = OrmMapped[Store, int]()
    staff = OrmMapped[Staff, int]()
    customers = OrmMapped[Customer, int]()
    rentals = OrmMapped[Rental, int](options=[selectinload(Rental.payments)])
