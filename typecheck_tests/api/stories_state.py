"""What checkers say about StoryState. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

from typing_extensions import assert_type

from dddkit.stories import I, Story, StoryState, variable

T = TypeVar("T")


class Payment: ...


@dataclass(frozen=True, slots=True)
class Checkout(Story):
    I.reserve
    I.charge

    class State(StoryState):
        LIMIT: ClassVar[int] = 3
        order_id: int
        notes: list[str] = []
        payment: Payment = variable()

    prefix: str

    def reserve(self, state: State) -> None:
        state.notes.append(self.prefix)

    def charge(self, state: State) -> None:
        state.payment = Payment()


state = Checkout.State(order_id=1)
assert_type(state, Checkout.State)
assert_type(state.order_id, int)
assert_type(state.notes, list[str])
assert_type(state.payment, Payment)
assert_type(Checkout.State.LIMIT, int)
Checkout.State(order_id=1, notes=["fragile"])

Checkout.State()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # order_id is required
Checkout.State(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # keywords only
Checkout.State(order_id="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Checkout.State(order_id=1, payment=Payment())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # a step's
Checkout.State(order_id=1, nots=[])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Checkout.State(order_id=1, LIMIT=4)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

state.order_id = "1"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
state.ordr_id = 1  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
state.payed  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
{state}  # pyright: ignore[reportUnhashable, reportUnusedExpression]  # mypy does not look


class Express(Checkout):
    class State(Checkout.State):
        courier: str
        tracking: str = variable()


express = Express.State(order_id=1, courier="bike")
assert_type(express.tracking, str)
assert_type(express.order_id, int)
Express.State(order_id=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # courier is required


class HasCourier(Protocol):
    courier: str


def deliver(state: HasCourier) -> None: ...


deliver(express)
deliver(state)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Held(StoryState, Generic[T]):
    item: T
    others: list[T] = []


assert_type(Held(item=1).item, int)
assert_type(Held[str](item="a").others, list[str])

variable(init=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
