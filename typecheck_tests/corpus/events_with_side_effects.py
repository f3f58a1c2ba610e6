"""Events that record or check themselves, factories that record, brokers that schedule: nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import InitVar, dataclass
from typing import Any

from dddkit.dataclasses import Aggregate, AggregateEvent, DomainEvent, EventBroker


@dataclass(frozen=True, kw_only=True)
class SelfRecording(AggregateEvent):
    of: InitVar[Aggregate]

    def __post_init__(self, of: Aggregate) -> None:
        of.add_event(self)


class Counted(AggregateEvent):
    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        super().__init__()


@dataclass(kw_only=True)
class Basket(Aggregate):
    id: int

    @dataclass(frozen=True, kw_only=True)
    class Added(SelfRecording):
        item: str

    @dataclass(frozen=True, kw_only=True)
    class Emptied(AggregateEvent):
        pass

    def record(self, make: Callable[..., AggregateEvent], **values: Any) -> AggregateEvent:
        event = make(**values)
        self.add_event(event)
        return event

    def emptied(self) -> Emptied:
        event = self.Emptied()
        self.add_event(event)
        return event

    def add(self, item: str) -> None:
        self.Added(of=self, item=item)
        Counted()

    def empty(self) -> None:
        self.emptied()
        self.record(self.Emptied)
        (self.record)(Basket.Emptied)


class Scheduling(EventBroker):
    def __call__(self, event: object, /) -> asyncio.Task[None]:
        return asyncio.ensure_future(super().__call__(event))


@dataclass(frozen=True, kw_only=True)
class Heard(DomainEvent):
    text: str


heard: list[str] = []
broker = Scheduling()


@broker.handle(Heard)
async def hear(event: Heard) -> None:
    heard.append(event.text)


async def main() -> None:
    broker(Heard(text="scheduled"))
    for _ in range(3):
        await asyncio.sleep(0)


asyncio.run(main())
basket = Basket(id=1)
basket.add("a")
basket.empty()
Basket.Emptied()
assert [type(event).__name__ for event in basket.get_events()] == ["Added", "Emptied", "Emptied", "Emptied"]
assert (Counted.made, heard) == (1, ["scheduled"])
