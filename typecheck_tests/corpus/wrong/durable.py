"""Durable stories whose State could not be recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from types import SimpleNamespace
from typing import Annotated, Any

from pydantic import PlainSerializer, SecretStr

from dddkit.dataclasses import Aggregate, Entity, Identity
from dddkit.pydantic import Entity as EntityModel
from dddkit.stories import I, Story, StoryState, dbos, variable
from dddkit.stories.dbos import Durable

Payload = dict[str, Any]


@dataclass
class Order(Aggregate):
    number: Identity[int]


@dataclass
class Line(Entity):
    line: Identity[int]
    printed: bool = field(default=False, init=False)


class Note(EntityModel):
    id: int
    _read: bool = False


class Checkout(Story):
    I.charge

    class State(StoryState):
        order: Order
        on_paid: Callable[[int], None]

    def charge(self, state: State) -> None: ...


class Retail(Checkout): ...


class Loose(Story):
    I.charge

    class State(SimpleNamespace):
        number: int

    def charge(self, state: State) -> None: ...


class Tools(Story):
    I.charge

    class State(StoryState):
        lock: Lock | None = None
        password: SecretStr
        numbers: Sequence[int]
        found: dict[str, list[object]] = variable()

    def charge(self, state: State) -> None: ...


class Unknown(Story):
    I.charge

    class State(StoryState):
        payload: Payload
        given: Annotated[Any, PlainSerializer(str)]

    def charge(self, state: State) -> None: ...


class Lines(Story):
    I.charge

    class State(StoryState):
        lines: list[Line]
        note: Note | None = None

    def charge(self, state: State) -> None: ...


def make() -> tuple[Durable[Any], ...]:
    return (
        Durable(Checkout(), name="checkout"),  # E: dddkit-durable-state
        dbos.Durable(Retail(), name="retail"),  # E: dddkit-durable-state
        Durable(name="loose", story=Loose()),  # E: dddkit-durable-state
        Durable(Tools(), name="tools"),  # E: dddkit-durable-state
        Durable(Unknown(), name="unknown"),
        Durable[Lines.State](Lines(), name="lines"),  # E: dddkit-durable-state
    )
