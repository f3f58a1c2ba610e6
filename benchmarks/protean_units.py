"""The order of benchmarks/units.py as a user of protean stores it: its unit of work, its repository, its outbox.

The order is a row with its version, its lines are JSON in one of the columns, and the message is in the outbox by the
same transaction. Protean appends each event to an event store besides, which neither we nor the limit do. The durable
one needs a server with Message DB, and the one in memory scans all that it holds at each append, so units would cost
the more the longer they are measured. So what would be written there is forgotten, which is in protean's favour.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from importlib import import_module
from typing import Any

__all__ = ["protean_unit"]


def protean_unit(provider: str, uri: str) -> Callable[[], None]:
    """Create an order in the database; return what changes it, with one event, in one transaction."""
    protean: Any = import_module("protean")
    fields: Any = import_module("protean.fields")
    domain = protean.Domain(
        name="shop",
        config={
            "databases": {"default": {"provider": provider, "database_uri": uri}, "memory": {"provider": "memory"}},
            "server": {"default_subscription_type": "stream"},  # this is what turns the outbox on
        },
    )

    class Line:
        product = fields.String(required=True)
        quantity = fields.Integer(required=True)
        price = fields.Float(required=True)

    class OrderChanged:
        order_id = fields.Identifier(required=True)
        changes = fields.Integer(required=True)

    line: Any = domain.value_object(Line)  # as decorators they would hide from type checkers what these classes become
    changed: Any = domain.event(OrderChanged, part_of="Order")

    class Order:
        order_id = fields.Identifier(identifier=True)
        customer = fields.String(required=True)
        placed_at = fields.DateTime(required=True)
        lines = fields.List(content_type=fields.ValueObject(line))
        changes = fields.Integer(default=0)

        def change(self: Any) -> None:
            self.changes += 1
            self.raise_(changed(order_id=self.order_id, changes=self.changes))

    order_class: Any = domain.aggregate(Order)
    domain.init(traverse=False)
    domain.event_store.store._write = _forget
    with domain.domain_context():
        domain.setup_database()
        lines = [line(product=f"product-{number}", quantity=number, price=9.5) for number in range(1, 6)]
        order = order_class(order_id="1", customer="C. Ustomer", placed_at=datetime.now(timezone.utc), lines=lines)
        domain.repository_for(order_class).add(order)

    def change() -> None:
        with domain.domain_context(), protean.UnitOfWork():
            orders = domain.repository_for(order_class)
            order = orders.get("1")
            order.change()
            orders.add(order)

    return change


def _forget(*message: object, **details: object) -> int:
    return 0
