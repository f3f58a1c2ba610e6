"""Chinook, a shop for music. Its names are written with capitals, its keys are given by whoever inserts.

The classes are mapped declaratively, under names as Python has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, ForeignKey, Numeric, String
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    attribute_keyed_dict,
    composite,
    mapped_column,
    relationship,
    selectinload,
)

from dddkit.dataclasses import Aggregate, AggregateEvent, Identity, ValueObject
from dddkit.sqlalchemy import OrmMapped, UnitOfWork

TABLES = [
    'create table "Artist" ("ArtistId" integer not null primary key, "Name" varchar(120))',
    'create table "Genre" ("GenreId" integer not null primary key, "Name" varchar(120))',
    'create table "MediaType" ("MediaTypeId" integer not null primary key, "Name" varchar(120))',
    """create table "Album" (
        "AlbumId" integer not null primary key,
        "Title" varchar(160) not null,
        "ArtistId" integer not null references "Artist" ("ArtistId")
    )""",
    """create table "Track" (
        "TrackId" integer not null primary key,
        "Name" varchar(200) not null,
        "AlbumId" integer references "Album" ("AlbumId"),
        "MediaTypeId" integer not null references "MediaType" ("MediaTypeId"),
        "GenreId" integer references "Genre" ("GenreId"),
        "Composer" varchar(220),
        "Milliseconds" integer not null,
        "Bytes" integer,
        "UnitPrice" numeric(10, 2) not null
    )""",
    """create table "Employee" (
        "EmployeeId" integer not null primary key,
        "LastName" varchar(20) not null,
        "FirstName" varchar(20) not null,
        "Title" varchar(30),
        "ReportsTo" integer references "Employee" ("EmployeeId")
    )""",
    """create table "Customer" (
        "CustomerId" integer not null primary key,
        "FirstName" varchar(40) not null,
        "LastName" varchar(20) not null,
        "Company" varchar(80),
        "Email" varchar(60) not null,
        "SupportRepId" integer references "Employee" ("EmployeeId")
    )""",
    """create table "Invoice" (
        "InvoiceId" integer not null primary key,
        "CustomerId" integer not null references "Customer" ("CustomerId"),
        "InvoiceDate" timestamp not null,
        "BillingAddress" varchar(70),
        "BillingCity" varchar(40),
        "BillingState" varchar(40),
        "BillingCountry" varchar(40),
        "BillingPostalCode" varchar(10),
        "Total" numeric(10, 2) not null
    )""",
    """create table "InvoiceLine" (
        "InvoiceLineId" integer not null primary key,
        "InvoiceId" integer not null references "Invoice" ("InvoiceId"),
        "TrackId" integer not null references "Track" ("TrackId"),
        "UnitPrice" numeric(10, 2) not null,
        "Quantity" integer not null
    )""",
    'create table "Playlist" ("PlaylistId" integer not null primary key, "Name" varchar(120))',
    """create table "PlaylistTrack" (
        "PlaylistId" integer not null references "Playlist" ("PlaylistId"),
        "TrackId" integer not null references "Track" ("TrackId"),
        primary key ("PlaylistId", "TrackId")
    )""",
]
ROWS = [
    """insert into "Artist" values (1, 'AC/DC')""",
    """insert into "Genre" values (1, 'Rock')""",
    """insert into "MediaType" values (1, 'MPEG audio file')""",
    """insert into "Album" values (1, 'For Those About To Rock', 1)""",
    """insert into "Track" values (1, 'Put The Finger On You', 1, 1, 1, null, 205662, 6713451, 0.99)""",
    """insert into "Track" values (2, 'Snowballed', 1, 1, 1, null, 203102, 6599424, 0.99)""",
    """insert into "Employee" values (1, 'Adams', 'Andrew', 'General Manager', null)""",
    """insert into "Employee" values (2, 'Edwards', 'Nancy', 'Sales Manager', 1)""",
    """insert into "Customer" values (1, 'Frank', 'Harris', null, 'frank@example.com', 2)""",
    """insert into "Invoice" values
        (1, 1, '2021-01-01 00:00:00', '1600 Parkway', 'Mountain View', 'CA', 'USA', '94043', 0.99),
        (2, 1, '2021-02-01 00:00:00', null, null, null, null, null, 0.99)""",
    """insert into "InvoiceLine" values (1, 1, 1, 0.99, 1), (2, 2, 2, 0.99, 1)""",
    """insert into "Playlist" values (1, 'Music')""",
    """insert into "PlaylistTrack" values (1, 1)""",
]


@dataclass(frozen=True)
class Address(ValueObject):
    """Where an invoice goes; each part of it may be unknown."""

    street: str | None
    city: str | None
    state: str | None
    country: str | None
    postal_code: str | None


class Base(DeclarativeBase):
    pass


class Artist(Base):
    __tablename__ = "Artist"
    artist_id: Mapped[int] = mapped_column("ArtistId", primary_key=True)
    name: Mapped[str | None] = mapped_column("Name", String(120))


class Genre(Base):
    __tablename__ = "Genre"
    genre_id: Mapped[int] = mapped_column("GenreId", primary_key=True)
    name: Mapped[str | None] = mapped_column("Name", String(120))


class MediaType(Base):
    __tablename__ = "MediaType"
    media_type_id: Mapped[int] = mapped_column("MediaTypeId", primary_key=True)
    name: Mapped[str | None] = mapped_column("Name", String(120))


class Album(Base):
    __tablename__ = "Album"
    album_id: Mapped[int] = mapped_column("AlbumId", primary_key=True)
    title: Mapped[str] = mapped_column("Title", String(160))
    artist_id: Mapped[int] = mapped_column("ArtistId", ForeignKey("Artist.ArtistId"))


class Track(Aggregate, Base):
    __tablename__ = "Track"
    track_id: Mapped[Identity[int]] = mapped_column("TrackId", primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column("Name", String(200))
    album_id: Mapped[int | None] = mapped_column("AlbumId", ForeignKey("Album.AlbumId"))
    media_type_id: Mapped[int] = mapped_column("MediaTypeId", ForeignKey("MediaType.MediaTypeId"))
    genre_id: Mapped[int | None] = mapped_column("GenreId", ForeignKey("Genre.GenreId"))
    composer: Mapped[str | None] = mapped_column("Composer", String(220))
    milliseconds: Mapped[int] = mapped_column("Milliseconds")
    bytes: Mapped[int | None] = mapped_column("Bytes")
    unit_price: Mapped[Decimal] = mapped_column("UnitPrice", Numeric(10, 2))
    version: Mapped[int] = mapped_column(BigInteger, server_default="1")
    __mapper_args__ = {"version_id_col": version}


class Employee(Aggregate, Base):
    __tablename__ = "Employee"
    employee_id: Mapped[Identity[int]] = mapped_column("EmployeeId", primary_key=True, autoincrement=False)
    last_name: Mapped[str] = mapped_column("LastName", String(20))
    first_name: Mapped[str] = mapped_column("FirstName", String(20))
    title: Mapped[str | None] = mapped_column("Title", String(30))
    reports_to: Mapped[int | None] = mapped_column("ReportsTo", ForeignKey("Employee.EmployeeId"))
    version: Mapped[int] = mapped_column(BigInteger, server_default="1")
    __mapper_args__ = {"version_id_col": version}


class Customer(Aggregate, Base):
    __tablename__ = "Customer"
    customer_id: Mapped[Identity[int]] = mapped_column("CustomerId", primary_key=True, autoincrement=False)
    first_name: Mapped[str] = mapped_column("FirstName", String(40))
    last_name: Mapped[str] = mapped_column("LastName", String(20))
    company: Mapped[str | None] = mapped_column("Company", String(80))
    email: Mapped[str] = mapped_column("Email", String(60))
    support_rep_id: Mapped[int | None] = mapped_column("SupportRepId", ForeignKey("Employee.EmployeeId"))
    version: Mapped[int] = mapped_column(BigInteger, server_default="1")
    __mapper_args__ = {"version_id_col": version}


class InvoiceLine(Base):
    __tablename__ = "InvoiceLine"
    invoice_line_id: Mapped[int] = mapped_column("InvoiceLineId", primary_key=True, autoincrement=False)
    invoice_id: Mapped[int] = mapped_column("InvoiceId", ForeignKey("Invoice.InvoiceId"))
    track_id: Mapped[int] = mapped_column("TrackId", ForeignKey("Track.TrackId"))
    unit_price: Mapped[Decimal] = mapped_column("UnitPrice", Numeric(10, 2))
    quantity: Mapped[int] = mapped_column("Quantity")


class Invoice(Aggregate, Base):
    __tablename__ = "Invoice"
    invoice_id: Mapped[Identity[int]] = mapped_column("InvoiceId", primary_key=True, autoincrement=False)
    customer_id: Mapped[int] = mapped_column("CustomerId", ForeignKey("Customer.CustomerId"))
    invoice_date: Mapped[datetime] = mapped_column("InvoiceDate")
    billing: Mapped[Address] = composite(
        mapped_column("BillingAddress", String(70)),
        mapped_column("BillingCity", String(40)),
        mapped_column("BillingState", String(40)),
        mapped_column("BillingCountry", String(40)),
        mapped_column("BillingPostalCode", String(10)),
    )
    total: Mapped[Decimal] = mapped_column("Total", Numeric(10, 2))
    lines: Mapped[list[InvoiceLine]] = relationship(cascade="all, delete-orphan", order_by=InvoiceLine.invoice_line_id)
    version: Mapped[int] = mapped_column(BigInteger, server_default="1")
    __mapper_args__ = {"version_id_col": version}

    @dataclass(frozen=True, kw_only=True)
    class Sold(AggregateEvent):
        track_id: int
        quantity: int

    def sell(self, line_id: int, track: Track, quantity: int = 1) -> None:
        self.lines.append(
            InvoiceLine(
                invoice_line_id=line_id, track_id=track.track_id, unit_price=track.unit_price, quantity=quantity
            )
        )
        self.total += track.unit_price * quantity
        self.add_event(self.Sold(track_id=track.track_id, quantity=quantity))


class PlaylistTrack(Base):
    __tablename__ = "PlaylistTrack"
    playlist_id: Mapped[int] = mapped_column("PlaylistId", ForeignKey("Playlist.PlaylistId"), primary_key=True)
    track_id: Mapped[int] = mapped_column("TrackId", ForeignKey("Track.TrackId"), primary_key=True)


class Playlist(Aggregate, Base):
    __tablename__ = "Playlist"
    playlist_id: Mapped[Identity[int]] = mapped_column("PlaylistId", primary_key=True, autoincrement=False)
    name: Mapped[str | None] = mapped_column("Name", String(120))
    entries: Mapped[dict[int, PlaylistTrack]] = relationship(
        cascade="all, delete-orphan", collection_class=attribute_keyed_dict("track_id")
    )
    version: Mapped[int] = mapped_column(BigInteger, server_default="1")
    __mapper_args__ = {"version_id_col": version}


class MusicUnit(UnitOfWork):
    tracks = OrmMapped[Track, int]()
    employees = OrmMapped[Employee, int]()
    customers = OrmMapped[Customer, int]()
    invoices = OrmMapped[Invoice, int](options=[selectinload(Invoice.lines)])
    playlists = OrmMapped[Playlist, int](options=[selectinload(Playlist.entries)])
