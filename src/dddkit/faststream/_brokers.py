"""Which broker an object of FastStream belongs to, found out without importing the client of any."""

from __future__ import annotations

from typing import Final

__all__ = ["DISPLAYED", "broker_of"]

DISPLAYED: Final = {
    "confluent": "Kafka",
    "kafka": "Kafka",
    "mqtt": "MQTT",
    "nats": "NATS",
    "rabbit": "RabbitMQ",
    "redis": "Redis",
}
"""What the brokers of FastStream are called, by the name of their package."""


def broker_of(value: object) -> str | None:
    """Return the package of FastStream that the object's class, or a base of it, comes from: `nats`."""
    for cls in type(value).__mro__:
        package, _, name = cls.__module__.partition(".")
        if package == "faststream" and (found := name.partition(".")[0]) in DISPLAYED:
            return found
    return None
