"""Messages say which message they are an effect of."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import Any

import pytest

from dddkit.messages import EventCatalog, Message, caused_by
from tests.blocks.flavours import Dataclasses, Flavour, in_both_flavours, needs_threads

FIRST = Message(id="1", source="/shop", type="order.placed.v1")
SECOND = Message(id="2", source="/shop", type="order.paid.v1", correlation_id="1", causation_id="1")


def catalog_of(flavour: type[Flavour] = Dataclasses) -> EventCatalog:
    catalog = EventCatalog("/shop")
    catalog.add(flavour.Placed, "order.placed")
    return catalog


def causes(catalog: EventCatalog, flavour: type[Flavour] = Dataclasses) -> tuple[str | None, str | None]:
    message = catalog.encode(flavour.Placed())
    return message.correlation_id, message.causation_id


@in_both_flavours
def test_an_effect_carries_the_id_of_its_cause_and_the_correlation_of_all(flavour: type[Flavour]) -> None:
    catalog = catalog_of(flavour)
    assert causes(catalog, flavour) == (None, None)
    with caused_by(FIRST):
        assert causes(catalog, flavour) == ("1", "1")
        with caused_by(SECOND):
            assert causes(catalog, flavour) == ("1", "2")
        assert causes(catalog, flavour) == ("1", "1")
    assert causes(catalog, flavour) == (None, None)


def test_the_block_ends_with_an_exception_too() -> None:
    catalog = catalog_of()
    with pytest.raises(LookupError), caused_by(FIRST):
        raise LookupError
    assert causes(catalog) == (None, None)


def test_tasks_have_causes_of_their_own() -> None:
    catalog = catalog_of()

    async def handle(message: Message) -> tuple[str | None, str | None]:
        with caused_by(message):
            await asyncio.sleep(0)
            return await asyncio.create_task(started())

    async def started() -> tuple[str | None, str | None]:
        return causes(catalog)

    async def both() -> list[tuple[str | None, str | None]]:
        return list(await asyncio.gather(handle(FIRST), handle(SECOND)))

    assert asyncio.run(both()) == [("1", "1"), ("1", "2")]


@needs_threads
def test_a_thread_of_ones_own_starts_without_a_cause() -> None:
    catalog, found = catalog_of(), list[Any]()
    with caused_by(FIRST):
        thread = Thread(target=lambda: found.append(causes(catalog)))
        thread.start()
        thread.join()
    assert found == [(None, None)]


def test_only_a_message_is_a_cause() -> None:
    nothing: Any = None
    with pytest.raises(TypeError, match=r"^caused_by takes a Message, not None$"), caused_by(nothing):
        pass
