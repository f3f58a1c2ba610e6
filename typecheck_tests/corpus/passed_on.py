"""Stories handed to what calls them: executors, stacks, brokers, registries of handlers, generic helpers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, Union

from typing_extensions import ParamSpec

from dddkit.dataclasses import DomainEvent, EventBroker
from dddkit.stories import I, Story, StoryState

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


@dataclass(frozen=True, kw_only=True)
class Paid(DomainEvent):
    cents: int


@dataclass(frozen=True, kw_only=True)
class Refunded(Paid):
    why: str = ""


class HasCents(Protocol):
    @property
    def cents(self) -> int: ...


class Count(Story):
    """Each step asks for something else; an event that is paid has all of it."""

    I.check
    I.add
    I.log

    def __init__(self) -> None:
        self._sum = 0

    def check(self, event: HasCents) -> None:
        assert event.cents

    def add(self, event: Paid) -> None:
        self._sum += event.cents

    def log(self, event: object) -> None: ...

    @property
    def sum(self) -> int:
        return self._sum


class Either(Story):
    I.go

    State = Union[Paid, int]

    def go(self, event: Paid | int) -> None: ...


class Wait(Story):
    I.wait

    class State(StoryState):
        n: int = 0

    async def wait(self, state: State) -> None:
        await asyncio.sleep(0)
        state.n += 1


class Extended(Wait.State):
    more: int = 0


class Handler(Protocol[T_contra]):
    def __call__(self, event: T_contra, /) -> Any: ...


@dataclass
class Registry(Generic[T]):
    handlers: list[Handler[T]] = field(default_factory=list)

    def add(self, handler: Handler[T]) -> Handler[T]:
        self.handlers.append(handler)
        return handler


def call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    return function(*args, **kwargs)


async def gather(function: Callable[[T], Awaitable[None]], items: Iterable[T]) -> None:
    await asyncio.gather(*(function(item) for item in items))


count = Count()
broker = EventBroker()
broker.subscribe(Refunded, count)
broker.handle(Paid)(count)
broker.register(lambda event: isinstance(event, Paid))(count)
broker.publish(Paid(cents=1))
registry: Registry[Refunded] = Registry([count])
registry.add(Either())
registry.add(count)(Refunded(cents=2))
call(count, Paid(cents=3))
call(Either(), 3)
with contextlib.ExitStack() as stack:
    stack.callback(count, Refunded(cents=4))
with ThreadPoolExecutor() as pool:
    pool.submit(count, Paid(cents=5)).result()
    list(pool.map(count, [Paid(cents=6), Refunded(cents=7)]))
table: Mapping[type[Any], Callable[[Any], Any]] = {Paid: count, Refunded: Either(), Wait.State: Wait()}
table[Paid](Paid(cents=8))
functools.partial(count, Refunded(cents=9))()
loose: list[Callable[..., object]] = [count, Wait(), Either()]


async def main() -> None:
    states = [Wait.State(), Extended(more=1)]
    await gather(Wait(), states)
    await call(Wait(), states[1])
    await asyncio.to_thread(count, Paid(cents=10))
    await asyncio.get_running_loop().run_in_executor(None, count, Paid(cents=11))
    task: asyncio.Task[None] = asyncio.create_task(Wait()(states[0]))
    await task
    assert [state.n for state in states] == [2, 2]


asyncio.run(main())
assert count.sum > 60
assert len(loose) == 3
