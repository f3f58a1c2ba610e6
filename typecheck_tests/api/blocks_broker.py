"""What checkers say about the event broker. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from typing_extensions import assert_type

from dddkit.dataclasses import DomainEvent, EventBroker


@dataclass(frozen=True, kw_only=True)
class A(DomainEvent):
    a: int = 0


@dataclass(frozen=True, kw_only=True)
class B(DomainEvent):
    b: str = ""


@dataclass(frozen=True, kw_only=True)
class C(A):
    c: int = 0


@dataclass(frozen=True, kw_only=True)
class D(DomainEvent):
    pass


@dataclass(frozen=True, kw_only=True)
class E(DomainEvent):
    pass


@dataclass(frozen=True, kw_only=True)
class F(DomainEvent):
    pass


broker = EventBroker()
EventBroker(unhandled="ignore", on_error="continue", parallel=True)

# Publishing.

assert_type(broker(A()), Awaitable[None])
broker.publish(A())
broker("any object")


async def publish() -> None:
    await broker(A())
    assert_type(await one_later(A()), int)
    await broker.apublish(A())
    await broker.async_publish(A())


# A handler keeps its result, and may take more than it is given.


@broker.handle(A)
def _(event: A) -> None: ...


@broker.handle(A)
async def _(event: A) -> None: ...


@broker.handle(A)
def one(event: A) -> int:
    return event.a


@broker.handle(A)
async def one_later(event: A) -> int:
    return event.a


@broker.handle(A)
def wider(event: object) -> None: ...


@broker.handle(C)
def of_the_base(event: A) -> None: ...


@broker.handle(A, B)
def two(event: A | B) -> str:
    return str(event.id)


@broker.handle(A, B, C, D, E)
def five(event: A | B | C | D | E) -> None: ...


@broker.handle(A, B, C, D, E)
def base(event: DomainEvent) -> None: ...


@broker.handle(A, B, C, D, E, F)
def six(event: A | B | C | D | E | F) -> None: ...


@broker.instance(A)
def instance(event: A) -> None: ...


@broker.instance((A, B))
def instances(event: A | B) -> None: ...


@broker.register(lambda event: isinstance(event, A))
def by_predicate(event: A) -> int:
    return event.a


assert_type(one(A()), int)
assert_type(two(B()), str)
assert_type(by_predicate(A()), int)


class Handlers:
    def method(self, event: A) -> None: ...

    async def __call__(self, event: A) -> None: ...


broker.handle(A)(Handlers().method)
broker.handle(A)(Handlers())
broker.handle(C)(Handlers())
subscription = broker.subscribe(A, one)
subscription.cancel()
broker.subscribe(C, Handlers().method)
seen: list[object] = []
broker.subscribe(A, seen.append)
broker.subscribe(lambda event: True, one)
broker.unsubscribe(A, one)

# Mistakes.


def takes_b(event: B) -> None: ...


async def takes_b_later(event: B) -> None: ...


def takes_c(event: C) -> None: ...


def takes_two(event: A, more: int) -> None: ...


broker.handle(A)(takes_b)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
broker.handle(A)(takes_b_later)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
broker.handle(A)(takes_c)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
broker.handle(A)(takes_two)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
broker.handle(A, B)(takes_b)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
broker.handle(A, B, C)(takes_b)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
broker.handle(A, B, C, D)(takes_b)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
broker.handle(A, B, C, D, E)(takes_b)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
broker.instance((A, B))(takes_b)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
broker.subscribe(A, takes_b)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
broker.unsubscribe(A, takes_b)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
broker.handle()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
broker.handle(one)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
broker.register(A)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
EventBroker(on_error="explode")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@broker.handle(A)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def decorated(event: B) -> None: ...


kept: Callable[[A], None] = wider
