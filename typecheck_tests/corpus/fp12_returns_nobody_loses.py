"""Returns that lose nothing: awaitables of async steps' helpers, optional ones, abstract ones, Any, type variables."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from dddkit.stories import I, Story, StoryState

R = TypeVar("R")


class St(StoryState):
    log: list[str] = []


class Base(Story, ABC):
    I.first
    I.second
    I.third

    State = St

    @abstractmethod
    def first(self, state: St) -> Awaitable[None] | None: ...

    def second(self, state: St) -> Any:
        state.log.append("second")

    @abstractmethod
    def third(self, state: St) -> int | None: ...


class Sync(Base):
    def first(self, state: St) -> None:
        state.log.append("first")

    def third(self, state: St) -> None:
        state.log.append("third")


class Async(Base):
    async def first(self, state: St) -> None:
        await asyncio.sleep(0)
        state.log.append("async")

    def third(self, state: St) -> None:
        raise NotImplementedError if not state.log else LookupError


@dataclass(frozen=True)
class Typed(Story, Generic[R]):
    I.go

    State = St
    value: R

    def go(self, state: St) -> Literal[None]:
        state.log.append(str(self.value))
        return None


state = St()
Sync()(state)
Typed(3)(state)
assert state.log == ["first", "second", "third", "3"]


async def main() -> None:
    other = St()
    try:
        await Async()(other)
    except LookupError:
        pass
    assert other.log == ["async", "second"]


asyncio.run(main())
