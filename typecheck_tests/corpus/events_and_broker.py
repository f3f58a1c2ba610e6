"""All ways to publish that lose nothing, in async functions and out of them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dddkit.dataclasses import DomainEvent, EventBroker


@dataclass(frozen=True, kw_only=True)
class Happened(DomainEvent):
    what: str


broker = EventBroker(unhandled="ignore")
heard: list[str] = []


@broker.handle(Happened)
async def hear(event: Happened) -> None:
    await asyncio.sleep(0)
    heard.append(event.what)


quiet = EventBroker()
quiet.subscribe(Happened, lambda event: heard.append(f"quiet {event.what}"))


class Bus:
    def __init__(self, publish: Callable[[object], Awaitable[None]]) -> None:
        self.publish = publish

    async def send(self, what: str) -> None:
        await self.publish(Happened(what=what))

    def later(self, what: str) -> Awaitable[None]:
        return broker(Happened(what=what))


def sync() -> None:
    quiet(Happened(what="called"))
    quiet.publish(Happened(what="published"))


async def main() -> None:
    event = Happened(what="awaited")
    await broker(event)
    await broker.apublish(event)
    task = asyncio.ensure_future(broker(Happened(what="task")))
    waiting = broker(Happened(what="kept"))
    await waiting
    await asyncio.gather(broker(Happened(what="g1")), *(broker(Happened(what=f"g{n}")) for n in (2, 3)))
    quiet.publish(Happened(what="sync in async"))
    await Bus(broker).send("bus")
    await Bus(broker.apublish).later("later")
    await task
    if finished := quiet(Happened(what="walrus")):
        await finished
    (lambda: quiet(Happened(what="lambda")))()

    def inner() -> None:
        quiet(Happened(what="inner"))

    inner()


sync()
asyncio.run(main())
assert heard[:2] == ["quiet called", "quiet published"]
assert sorted(heard[2:]) == sorted(
    ["awaited", "awaited", "task", "kept", "g1", "g2", "g3", "quiet sync in async", "bus", "later", "quiet walrus"]
    + ["quiet lambda", "quiet inner"]
)
