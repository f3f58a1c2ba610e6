"""What a relay is given, and what is rejected of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from types import FunctionType
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncEngine

from dddkit._callables import display_name, function_takes, kind_of
from dddkit._core.broker import EventBroker
from dddkit.sqlalchemy._publishing import TakesTurns
from dddkit.sqlalchemy.engines import check_engine, is_sqlite
from dddkit.sqlalchemy.outbox import Outbox

if TYPE_CHECKING:
    from dddkit.sqlalchemy._publishing import Publish
    from dddkit.sqlalchemy._relay.dead import BacklogMetrics

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """The arguments of a relay.

    Raises:
        TypeError: one of the first three is something else.
        ValueError: an engine without transactions, or for another database; a number that makes no sense.
    """

    relay: type
    engine: AsyncEngine
    outbox: Outbox
    publish: Publish
    batch: int
    concurrency: int
    poll: float
    timeout: float
    batch_time: float
    attempts: int
    metrics: BacklogMetrics | None

    @property
    def at_once(self) -> int:
        """How many messages are published at once."""
        return 1 if isinstance(self.publish, TakesTurns) and is_sqlite(self.engine) else self.concurrency

    def __post_init__(self) -> None:
        if not isinstance(self.engine, AsyncEngine):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(
                f"Relay works on an AsyncEngine, and got {kind_of(self.engine)}; make one with embedded(...) or "
                f"create_async_engine(url), once for the program"
            )
        check_engine(self.relay, self.engine, asynchronous=True)
        if not is_sqlite(self.engine) and self.engine.dialect.name != "postgresql":
            raise ValueError(f"Relay works on PostgreSQL and SQLite, and not on {self.engine.dialect.name}")
        if not isinstance(self.outbox, Outbox):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(f"Relay takes the Outbox that a unit class declares, and got {kind_of(self.outbox)}")
        _check_publish(self.publish)
        is_class = isinstance(self.metrics, type)
        if self.metrics is not None and (is_class or not callable(getattr(self.metrics, "set", None))):
            raise TypeError(f"Relay: metrics is an OutboxMetrics, or nothing, and not {kind_of(self.metrics)}")
        for name in ("batch", "concurrency", "attempts"):
            number: object = getattr(self, name)
            if type(number) is not int or number < 1:
                raise ValueError(f"Relay: {name} is a number from 1 on, and not {number!r}")
        for name in ("poll", "timeout", "batch_time"):
            seconds: Any = getattr(self, name)
            is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
            if not is_number or not (isfinite(seconds) and seconds > 0):
                raise ValueError(f"Relay: {name} is a number of seconds above 0, and not {seconds!r}")


def _check_publish(publish: object) -> None:
    """Raise TypeError for what cannot publish a message."""
    if isinstance(getattr(publish, "__self__", publish), EventBroker):  # it could be called: nobody handles a Message
        raise TypeError("Relay has messages, and an EventBroker takes events; write to_broker(event_broker, catalog)")
    if not callable(publish):
        raise TypeError(
            f"Relay takes an async function that publishes a message, and got {kind_of(publish)}; to_consumers(...) "
            f"and to_broker(...) return one"
        )
    if isinstance(publish, FunctionType) and not function_takes(publish, 1):
        raise TypeError(f"Relay calls {display_name(publish)} with a message, and it takes other arguments")
