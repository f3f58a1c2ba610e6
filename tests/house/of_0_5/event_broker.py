"""Handlers by class, by classes, by predicate; sync and async, in turn and in parallel; unsubscribing."""

import asyncio
from dataclasses import dataclass

from dddkit.dataclasses import DomainEvent, EventBroker


@dataclass(frozen=True, kw_only=True)
class BoxArrived(DomainEvent):
    box: str


@dataclass(frozen=True, kw_only=True)
class BoxLeft(DomainEvent):
    box: str


@dataclass(frozen=True, kw_only=True)
class BoxLost(DomainEvent):
    box: str


broker = EventBroker()


@broker.instance(BoxArrived)
def _(event: BoxArrived):
    print(f"{event.box} has arrived")


@broker.instance((BoxLost, BoxLeft))
def note(event: DomainEvent):
    print("noted")


arrived = BoxArrived(box="tea")
broker(arrived)
broker(BoxLeft(box="tea"))
broker.publish(BoxLeft(box="tea"))

of_rice = EventBroker()


@of_rice.register(lambda event: event.box == "rice")
def rice(event: BoxArrived):
    print("rice,", event.version)


of_rice(BoxArrived(box="rice"))


def is_tea(event: BoxArrived) -> bool:
    return event.box == "tea"


of_rice.subscribe(is_tea, note)
of_rice(arrived)
of_rice.unsubscribe(is_tea, note)
try:
    of_rice(arrived)
except NotImplementedError:
    print("nobody")


async def wait(event: DomainEvent):
    await asyncio.sleep(0)
    print("waited")


async def main():
    for waiting in (EventBroker(), EventBroker(parallel=True)):
        waiting.instance(BoxArrived)(wait)
        await waiting(arrived)
        await waiting.async_publish(arrived)


asyncio.run(main())
