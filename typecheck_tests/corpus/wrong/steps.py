"""Signatures, States and returns of steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, Optional, Protocol, TypedDict, TypeVar

from typing_extensions import ParamSpec

from dddkit.stories import I, Story, StoryState

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class St(StoryState):
    n: int = 0


class Other(StoryState):
    n: int = 0


def kept(function: Callable[P, R]) -> Callable[P, R]:
    return function


class Signatures(Story):
    I.no_state  # E: dddkit-step-signature
    I.two  # E: dddkit-step-signature
    I.by_keyword  # E: dddkit-step-signature
    I.static  # E: dddkit-step-signature
    I.klass  # E: dddkit-step-signature
    I.no_self  # E: dddkit-step-signature
    I.decorated  # E: dddkit-step-signature
    I.constant  # E: dddkit-step-signature
    I.prop  # E: dddkit-step-signature

    State = St
    constant: ClassVar[int] = 3

    def no_state(self) -> None: ...

    def two(self, state: St, other: int) -> None: ...

    def by_keyword(self, *, state: St) -> None: ...

    @staticmethod
    def static(self: Any, state: St) -> None: ...

    @classmethod
    def klass(cls) -> None: ...

    def no_self() -> None: ...  # type: ignore[misc]

    @kept
    def decorated(self, state: St, *, strict: bool) -> None: ...

    @property
    def prop(self) -> str:
        return "x"


@dataclass(frozen=True)
class Injected(Story):
    I.two  # E: dddkit-step-signature
    I.none  # E: dddkit-step-signature
    I.text  # E: dddkit-step-signature
    I.other  # E: dddkit-step-state

    State = St
    two: Callable[[St, str], None]
    none: Callable[[], None]
    text: str
    other: Callable[[Other], None]


class Wanting(Protocol):
    n: int
    m: int


class States(Story):
    I.other  # E: dddkit-step-state
    I.protocol  # E: dddkit-step-state
    I.narrower  # E: dddkit-step-state
    I.klass  # E: dddkit-step-state
    I.decorated  # E: dddkit-step-state
    I.keyword_name  # E: dddkit-step-state

    State = St

    def other(self, state: Other) -> None: ...

    def protocol(self, state: Wanting) -> None: ...

    def narrower(self, state: Narrow) -> None: ...

    @classmethod
    def klass(cls, state: type[St]) -> None: ...

    @kept
    async def decorated(self, state: Other) -> None: ...

    def keyword_name(self, order: dict[str, int]) -> None: ...


class Narrow(St):
    m: int = 0


class OfTypedDict(Story):
    I.go  # E: dddkit-step-state

    class State(TypedDict):
        n: int

    def go(self, state: St) -> None: ...


class OfNamedTuple(Story):
    I.go  # E: dddkit-step-state

    class State(NamedTuple):
        n: int

    def go(self, state: tuple[str]) -> None: ...


class Inner(Story):
    I.go

    State = Other

    def go(self, state: Other) -> None: ...


@dataclass(frozen=True)
class Outer(Story):
    I.inner  # E: dddkit-step-state

    State = St
    inner: Inner


class Returns(Story):
    I.number  # E: dddkit-step-return
    I.optional  # E: dddkit-step-return
    I.generator  # E: dddkit-step-return
    I.agenerator  # E: dddkit-step-return
    I.self_  # E: dddkit-step-return
    I.decorated  # E: dddkit-step-return
    I.static  # E: dddkit-step-return

    State = St

    def number(self, state: St) -> int:
        return 1

    def optional(self, state: St) -> Optional[str]:
        return None

    def generator(self, state: St) -> Iterator[None]:
        yield

    async def agenerator(self, state: St) -> AsyncIterator[int]:
        yield 1

    def self_(self, state: St) -> Returns:
        return self

    @kept
    def decorated(self, state: St) -> bool:
        return True

    @staticmethod
    def static(state: St) -> list[int]:
        return []


class Awaitables(Story):
    I.coroutine  # E: dddkit-step-return

    State = St

    def coroutine(self, state: St) -> Coroutine[Any, Any, None]:
        return self._work(state)

    async def _work(self, state: St) -> None:
        await asyncio.sleep(0)


class AsyncAwaitables(Story):
    I.lost  # E: dddkit-step-return
    I.number  # E: dddkit-step-return

    State = St

    async def lost(self, state: St) -> Awaitable[None]:
        return self._work(state)

    async def number(self, state: St) -> int:
        return 1

    async def _work(self, state: St) -> None:
        await asyncio.sleep(0)
