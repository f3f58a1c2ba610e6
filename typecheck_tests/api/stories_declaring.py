"""What checkers say about a story. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import attrs
from typing_extensions import assert_type

from dddkit.stories import I, Story, StoryState, steps

T = TypeVar("T")


class Gateway: ...


@dataclass(frozen=True, slots=True)
class Checkout(Story):
    I.reserve
    I.note

    gateway: Gateway
    note: Callable[[Any], None]

    class State(StoryState):
        order_id: int

    def reserve(self, state: State) -> None:
        assert_type(self.gateway, Gateway)


def note(state: Checkout.State) -> None: ...


story = Checkout(Gateway(), note)
assert_type(story, Checkout)
assert_type(story.State, type[Checkout.State])
story(Checkout.State(order_id=1))
story()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # a story takes its state
story(state=None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position
Checkout()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Checkout(note, Gateway())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
story.gateway = Gateway()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # frozen


@attrs.define
class Attrs(Story):
    I.reserve

    gateway: Gateway

    def reserve(self, state: object) -> None: ...


Attrs(Gateway())
Attrs()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


class Abstract(Story):
    I.pay

    @abstractmethod
    def pay(self, state: object) -> None: ...


Abstract()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]


class Concrete(Abstract):
    def pay(self, state: object) -> None: ...


Concrete()


class CanPay(Protocol):
    def pay(self, state: object) -> None: ...


class OfProtocol(Story, CanPay):
    I.pay

    def pay(self, state: object) -> None: ...


class OfABC(Story, ABC):
    I.pay

    def pay(self, state: object) -> None: ...


@dataclass
class Of(Story, Generic[T]):
    I.pay

    item: T

    def pay(self, state: list[T]) -> None:
        state.append(self.item)


assert_type(Of(1), Of[int])
assert_type(Of("a").item, str)


@dataclass
class Resolved(Story):
    I: ClassVar[Resolved] = steps()
    I.pay
    I.pya  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

    gateway: Gateway

    def pay(self, state: object) -> None: ...


Resolved(Gateway())
