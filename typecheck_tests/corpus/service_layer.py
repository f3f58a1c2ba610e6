"""Ports as Protocols, adapters beside them, stories made by a container with cached providers."""

from __future__ import annotations

import asyncio
import functools
import typing as t
from dataclasses import dataclass

import dddkit.stories as ds
from dddkit.stories import I


class Clock(t.Protocol):
    def now(self) -> float: ...


class Mailer(t.Protocol):
    async def __call__(self, to: str, /, *, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class SignUp(ds.Story):
    I.stamp
    I.greet

    class State(ds.StoryState):
        mail: str
        at: float = ds.variable()

    clock: Clock
    send: Mailer

    def stamp(self, state: State) -> None:
        state.at = self.clock.now()

    async def greet(self, state: State) -> None:
        await self.send(state.mail, text=f"since {state.at}")


class Frozen:
    def now(self) -> float:
        return 1.5


class Outbox:
    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    async def __call__(self, to: str, /, *, text: str) -> None:
        self.sent.append((to, text))


T = t.TypeVar("T")


class provide(t.Generic[T]):
    """A provider as dependency-injection containers have them."""

    def __init__(self, make: t.Callable[[t.Any], T]) -> None:
        self.make = functools.lru_cache(maxsize=None)(make)

    def __get__(self, container: t.Any, owner: t.Any) -> T:
        return self.make(container)


class Container:
    outbox = provide(lambda _: Outbox())
    clock = provide(lambda _: Frozen())
    sign_up = provide(lambda self: SignUp(clock=self.clock, send=self.outbox))


async def main() -> None:
    container = Container()
    await container.sign_up(SignUp.State(mail="a@b"))
    assert container.outbox.sent == [("a@b", "since 1.5")]


asyncio.run(main())
