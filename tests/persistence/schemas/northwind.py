"""Northwind, a dealer in food. Details of orders and territories of employees have keys of two columns.

The domain classes know nothing of SQLAlchemy; they are mapped imperatively.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Final, NewType

from sqlalchemy import REAL, BigInteger, Column, Date, ForeignKey, Integer, SmallInteger, String, Table
from sqlalchemy.orm import composite, registry, relationship

from dddkit.dataclasses import Aggregate, AggregateEvent, Entity, Identity, ValueObject
from dddkit.sqlalchemy import OrmMapped, SyncUnitOfWork

CustomerId = NewType("CustomerId", str)
ProductId = NewType("ProductId", int)

TABLES = [
    """create table categories (
        category_id smallint not null primary key,
        category_name varchar(15) not null
    )""",
    """create table customers (
        customer_id varchar(5) not null primary key,
        company_name varchar(40) not null,
        contact_name varchar(30),
        country varchar(15)
    )""",
    """create table employees (
        employee_id smallint not null primary key,
        last_name varchar(20) not null,
        first_name varchar(10) not null,
        reports_to smallint references employees (employee_id)
    )""",
    "create table region (region_id smallint not null primary key, region_description varchar(60) not null)",
    """create table territories (
        territory_id varchar(20) not null primary key,
        territory_description varchar(60) not null,
        region_id smallint not null references region (region_id)
    )""",
    """create table employee_territories (
        employee_id smallint not null references employees (employee_id),
        territory_id varchar(20) not null references territories (territory_id),
        primary key (employee_id, territory_id)
    )""",
    """create table products (
        product_id smallint not null primary key,
        product_name varchar(40) not null,
        category_id smallint references categories (category_id),
        quantity_per_unit varchar(20),
        unit_price real,
        units_in_stock smallint,
        units_on_order smallint,
        discontinued integer not null
    )""",
    """create table orders (
        order_id smallint not null primary key,
        customer_id varchar(5) references customers (customer_id),
        employee_id smallint references employees (employee_id),
        order_date date,
        shipped_date date,
        freight real,
        ship_name varchar(40),
        ship_city varchar(15),
        ship_country varchar(15)
    )""",
    """create table order_details (
        order_id smallint not null references orders (order_id),
        product_id smallint not null references products (product_id),
        unit_price real not null,
        quantity smallint not null,
        discount real not null,
        primary key (order_id, product_id)
    )""",
]
ROWS = [
    "insert into categories values (1, 'Beverages'), (4, 'Dairy Products')",
    "insert into customers values ('VINET', 'Vins et alcools', 'Paul Henriot', 'France')",
    "insert into employees values (2, 'Fuller', 'Andrew', null), (5, 'Buchanan', 'Steven', 2)",
    "insert into region values (1, 'Eastern')",
    "insert into territories values ('01581', 'Westboro', 1), ('01730', 'Bedford', 1), ('02903', 'Providence', 1)",
    "insert into employee_territories values (2, '01581'), (2, '01730'), (5, '02903')",
    "insert into products values (11, 'Queso Cabrales', 4, '1 kg pkg.', 21.05, 22, 30, 0)",
    "insert into products values (72, 'Mozzarella', 4, '24 pkgs.', 34.8, 14, 0, 0)",
    "insert into products values (1, 'Chai', 1, '10 boxes', 18, 39, 0, 1)",
    "insert into orders values (10248, 'VINET', 5, '1996-07-04', null, 32.38, 'Vins et alcools', 'Reims', 'France')",
    "insert into order_details values (10248, 11, 14, 12, 0), (10248, 72, 34.8, 5, 0.05)",
]


@dataclass(frozen=True)
class Destination(ValueObject):
    """Where an order goes."""

    name: str | None
    city: str | None
    country: str | None


@dataclass(kw_only=True)
class Customer(Aggregate):
    customer_id: CustomerId
    company_name: str
    contact_name: str | None = None
    country: str | None = None


@dataclass(kw_only=True)
class Territory(Entity):
    territory_id: str
    territory_description: str
    region_id: int


@dataclass(kw_only=True)
class Employee(Aggregate):
    employee_id: int
    last_name: str
    first_name: str
    reports_to: int | None = None
    territories: list[Territory] = field(default_factory=list[Territory])


@dataclass(kw_only=True)
class Product(Aggregate):
    product_id: ProductId
    product_name: str
    category_id: int | None = None
    quantity_per_unit: str | None = None
    unit_price: float | None = None
    units_in_stock: int | None = None
    units_on_order: int | None = None
    discontinued: bool = False


@dataclass(kw_only=True)
class OrderDetail(Entity):
    """A part with a key of two columns, one of which it does not know."""

    product_id: Identity[ProductId]
    unit_price: float
    quantity: int
    discount: float = 0.0


@dataclass(kw_only=True)
class Order(Aggregate):
    order_id: int
    customer_id: CustomerId
    destination: Destination
    employee_id: int | None = None
    order_date: date | None = None
    shipped_date: date | None = None
    freight: float | None = None
    details: list[OrderDetail] = field(default_factory=list[OrderDetail])

    @dataclass(frozen=True, kw_only=True)
    class Ordered(AggregateEvent):
        product_id: ProductId
        quantity: int

    def order(self, product: Product, quantity: int) -> None:
        self.details.append(
            OrderDetail(product_id=product.product_id, unit_price=product.unit_price or 0.0, quantity=quantity)
        )
        self.add_event(self.Ordered(product_id=product.product_id, quantity=quantity))


northwind: Final = registry()
metadata: Final = northwind.metadata
categories: Final = Table(
    "categories",
    metadata,
    Column("category_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("category_name", String(15), nullable=False),
)
customers: Final = Table(
    "customers",
    metadata,
    Column("customer_id", String(5), primary_key=True),
    Column("company_name", String(40), nullable=False),
    Column("contact_name", String(30)),
    Column("country", String(15)),
    Column("version", BigInteger, nullable=False, server_default="1"),
)
employees: Final = Table(
    "employees",
    metadata,
    Column("employee_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("last_name", String(20), nullable=False),
    Column("first_name", String(10), nullable=False),
    Column("reports_to", SmallInteger, ForeignKey("employees.employee_id")),
    Column("version", BigInteger, nullable=False, server_default="1"),
)
region: Final = Table(
    "region",
    metadata,
    Column("region_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("region_description", String(60), nullable=False),
)
territories: Final = Table(
    "territories",
    metadata,
    Column("territory_id", String(20), primary_key=True),
    Column("territory_description", String(60), nullable=False),
    Column("region_id", SmallInteger, ForeignKey("region.region_id"), nullable=False),
)
employee_territories: Final = Table(
    "employee_territories",
    metadata,
    Column("employee_id", SmallInteger, ForeignKey("employees.employee_id"), primary_key=True),
    Column("territory_id", String(20), ForeignKey("territories.territory_id"), primary_key=True),
)
products: Final = Table(
    "products",
    metadata,
    Column("product_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("product_name", String(40), nullable=False),
    Column("category_id", SmallInteger, ForeignKey("categories.category_id")),
    Column("quantity_per_unit", String(20)),
    Column("unit_price", REAL),
    Column("units_in_stock", SmallInteger),
    Column("units_on_order", SmallInteger),
    Column("discontinued", Integer, nullable=False),
    Column("version", BigInteger, nullable=False, server_default="1"),
)
orders: Final = Table(
    "orders",
    metadata,
    Column("order_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("customer_id", String(5), ForeignKey("customers.customer_id")),
    Column("employee_id", SmallInteger, ForeignKey("employees.employee_id")),
    Column("order_date", Date),
    Column("shipped_date", Date),
    Column("freight", REAL),
    Column("ship_name", String(40)),
    Column("ship_city", String(15)),
    Column("ship_country", String(15)),
    Column("version", BigInteger, nullable=False, server_default="1"),
)
order_details: Final = Table(
    "order_details",
    metadata,
    Column("order_id", SmallInteger, ForeignKey("orders.order_id"), primary_key=True),
    Column("product_id", SmallInteger, ForeignKey("products.product_id"), primary_key=True),
    Column("unit_price", REAL, nullable=False),
    Column("quantity", SmallInteger, nullable=False),
    Column("discount", REAL, nullable=False),
)

northwind.map_imperatively(Customer, customers, version_id_col=customers.c.version)
northwind.map_imperatively(Territory, territories)
northwind.map_imperatively(
    Employee,
    employees,
    version_id_col=employees.c.version,
    properties={
        "territories": relationship(
            Territory, secondary=employee_territories, order_by=territories.c.territory_id, lazy="selectin"
        )
    },
)
northwind.map_imperatively(Product, products, version_id_col=products.c.version)
northwind.map_imperatively(OrderDetail, order_details)
northwind.map_imperatively(
    Order,
    orders,
    version_id_col=orders.c.version,
    properties={
        "destination": composite(Destination, orders.c.ship_name, orders.c.ship_city, orders.c.ship_country),
        "details": relationship(
            OrderDetail, cascade="all, delete-orphan", order_by=order_details.c.product_id, lazy="selectin"
        ),
    },
)


class TradeUnit(SyncUnitOfWork):
    customers = OrmMapped[Customer, CustomerId]()
    employees = OrmMapped[Employee, int]()
    products = OrmMapped[Product, ProductId]()
    orders = OrmMapped[Order, int]()


@TradeUnit.on(Order.Ordered)
def take_from_stock(event: Order.Ordered, unit: TradeUnit) -> None:
    product = unit.products.get(event.product_id)
    assert product is not None
    product.units_in_stock = (product.units_in_stock or 0) - event.quantity
