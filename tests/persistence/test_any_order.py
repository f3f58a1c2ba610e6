"""Units used in any order do what a dictionary would: a state machine, in both flavours and with both kinds of unit."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule

from dddkit.exceptions import ConcurrencyError, UncommittedChangesError
from dddkit.messages import Message
from tests.blocks.flavours import Dataclasses, Flavour, Pydantic
from tests.persistence.shops import Shop
from tests.servers.databases import SQLite

IDS = st.integers(1, 2)
KEYS = st.sampled_from("ab")


@dataclass(eq=False)
class Known:
    """An object of the test, and what should be true of it."""

    basket: Any
    version: int | None = None
    """The version that it was read or stored as."""
    items: list[str] = field(default_factory=list[str])
    pending: list[str] = field(default_factory=list[str])


@dataclass
class Met:
    """What a unit should know of an identity."""

    known: Known
    expected: int | None
    read: list[str] | None = None
    is_saved: bool = False
    is_deleted: bool = False
    before: list[Known] = field(default_factory=list[Known])

    @property
    def is_changed(self) -> bool:
        known = self.known
        return self.is_saved or self.is_deleted or bool(known.pending) or known.items != self.read

    def events(self) -> list[str]:
        return [item for known in (*self.before, self.known) for item in known.pending]


class Units(RuleBasedStateMachine):
    baskets: Bundle[Known] = Bundle("baskets")

    @initialize(flavour=st.sampled_from([Dataclasses, Pydantic]), is_async=st.booleans())
    def open_a_database(self, flavour: type[Flavour], is_async: bool) -> None:
        self.loop = asyncio.new_event_loop()
        self.shop = Shop(flavour, SQLite(":memory:"), is_async=is_async)
        self.unit: Any = None
        self.numbers = iter(range(1, 10**6))
        self.stored: dict[int, tuple[int, list[str]]] = {}
        self.messages: list[tuple[str, str]] = []
        self.keys: set[str] = set()

    def teardown(self) -> None:
        if self.unit is not None:
            self.run(self.unit.rollback())
        self.run(self.shop.dispose())
        self.loop.close()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    # Units

    @precondition(lambda self: self.unit is None)
    @rule()
    def begin(self) -> None:
        self.unit = self.shop.unit()
        self.run(self.unit.__aenter__())
        self.met: dict[int, Met] = {}
        self.published: list[str] = []
        self.noted: list[str] = []

    @precondition(lambda self: self.unit is not None)
    @rule()
    def commit(self) -> None:
        unit, self.unit = self.unit, None
        changed = {number: met for number, met in self.met.items() if met.is_changed}
        if any(met.expected != self.version(number) for number, met in changed.items()):
            assert self.refused(unit.commit(), ConcurrencyError)
            assert not unit.committed
            return
        self.run(unit.commit())
        for number, met in changed.items():
            self.messages += [(f"item {item}", f"baskets/{number}") for item in met.events()]
            for known in (*met.before, met.known):
                known.pending.clear()
            self.stored.pop(number, None)
            if not met.is_deleted:
                met.known.version = next(self.numbers)
                self.stored[number] = met.known.version, list(met.known.items)
        self.messages += [(f"item {item}", "-") for item in self.published]
        self.keys.update(self.noted)

    @precondition(lambda self: self.unit is not None)
    @rule(rolls_back=st.booleans())
    def end_without_commit(self, rolls_back: bool) -> None:
        unit, self.unit = self.unit, None
        if rolls_back:
            self.run(unit.rollback())
            return
        changed = [met.known.basket for met in self.met.values() if met.is_changed]
        leaving = unit.__aexit__(None, None, None)
        if changed or self.published or self.noted:
            error = self.refused(leaving, UncommittedChangesError)
            assert list(map(id, error.aggregates)) == list(map(id, changed))
            assert len(error.others) == len(self.published) + len(self.noted)
        else:
            self.run(leaving)

    @precondition(lambda self: self.unit is None)
    @rule(target=baskets, number=IDS)
    def somebody_else_changes_it(self, number: int) -> Any:
        self.begin()
        known = self.get(number, lock=False)
        if not isinstance(known, Known):
            known = self.make(number)
            self.save(known)
        self.add(known)
        self.commit()
        return known

    @precondition(lambda self: self.unit is not None)
    @rule(target=baskets, known=baskets)
    def replace(self, known: Known) -> Any:
        self.add(known)
        self.delete(known)
        new = self.make(known.basket.basket_id)
        self.add(new)
        self.save(new)
        return new

    # Reading

    @precondition(lambda self: self.unit is not None)
    @rule(target=baskets, number=IDS, lock=st.booleans())
    def get(self, number: int, lock: bool) -> Any:
        met = self.met.get(number)
        if lock and met is not None and met.expected not in (None, self.version(number)):
            assert self.refused(self.unit.baskets.get(number, lock=True), ConcurrencyError)
            return nothing()
        return self.found(number, self.run(self.unit.baskets.get(number, lock=lock)))

    @precondition(lambda self: self.unit is not None)
    @rule(target=baskets, numbers=st.lists(IDS))
    def get_many(self, numbers: list[int]) -> Any:
        found = self.run(self.unit.baskets.get_many(numbers))
        assert list(found) == [number for number in dict.fromkeys(numbers) if self.is_there(number)]
        for number in numbers:
            self.found(number, found.get(number))
        return nothing()

    @precondition(lambda self: self.unit is not None)
    @rule()
    def find(self) -> None:
        found = self.run(self.unit.baskets.find(order_by=self.shop.Unit.baskets.table.c.key))
        expected = [number for number in sorted(self.stored) if self.is_there(number)]
        assert [basket.basket_id for basket in found] == expected
        for basket in found:
            self.found(basket.basket_id, basket)

    def found(self, number: int, basket: Any) -> Any:
        """Compare what the unit has found; return what is new of it."""
        if not self.is_there(number):
            assert basket is None
            return nothing()
        met = self.met.get(number)
        if met is not None:
            assert basket is met.known.basket
            return nothing()
        version, items = self.stored[number]
        known = Known(basket, version, list(items))
        self.met[number] = Met(known, version, list(items))
        assert basket.get_events() == []
        assert basket.items == items
        return known

    # Changing

    @rule(target=baskets, number=IDS)
    def make(self, number: int) -> Known:
        return Known(self.shop.Basket(basket_id=number))

    @rule(known=baskets)
    def add(self, known: Known) -> None:
        item = str(next(self.numbers))
        known.basket.add(item)
        known.items.append(item)
        known.pending.append(item)

    @rule(known=baskets)
    def add_without_an_event(self, known: Known) -> None:
        item = str(next(self.numbers))
        known.basket.items.append(item)
        known.items.append(item)

    @precondition(lambda self: self.unit is not None)
    @rule(known=baskets)
    def save(self, known: Known) -> None:
        number, saving = known.basket.basket_id, self.unit.baskets.save(known.basket)
        met = self.met.setdefault(number, Met(known, known.version))
        if met.known is not known:
            if not met.is_deleted:
                assert self.refused(saving, ConcurrencyError)
                return
            met.before.append(met.known)
            met.known = known
        self.run(saving)
        met.is_saved, met.is_deleted = True, False
        assert self.run(self.unit.baskets.get(number)) is known.basket

    @precondition(lambda self: self.unit is not None)
    @rule(known=baskets)
    def delete(self, known: Known) -> None:
        number, deleting = known.basket.basket_id, self.unit.baskets.delete(known.basket)
        met = self.met.setdefault(number, Met(known, known.version))
        if met.known is not known:
            assert self.refused(deleting, ConcurrencyError)
            return
        self.run(deleting)
        met.is_deleted = True
        assert self.run(self.unit.baskets.get(number)) is None

    @precondition(lambda self: self.unit is not None)
    @rule()
    def publish(self) -> None:
        item = str(next(self.numbers))
        self.unit.publish(self.shop.Basket.ItemAdded(item=item))
        self.published.append(item)

    @precondition(lambda self: self.unit is not None)
    @rule(key=KEYS)
    def once(self, key: str) -> None:
        is_new = key not in self.keys and key not in self.noted
        assert self.run(self.unit.once(key)) is is_new
        if is_new:
            self.noted.append(key)

    # Facts

    @invariant()
    def objects_are_as_they_were_left(self) -> None:
        for met in self.met.values() if getattr(self, "unit", None) is not None else ():
            assert met.known.basket.items == met.known.items
            assert [event.item for event in met.known.basket.get_events()] == met.known.pending

    @precondition(lambda self: getattr(self, "unit", self) is None)
    @invariant()
    def what_is_stored_is_what_was_committed(self) -> None:
        async def read() -> tuple[dict[int, list[str]], list[tuple[str, str]], int]:
            async with self.shop.unit(read_only=True) as unit:
                baskets = {basket.basket_id: basket.items for basket in await unit.baskets.find()}
            outbox = self.shop.outbox.table
            columns = outbox.c.message, outbox.c.subject
            rows = await self.shop.rows(outbox.select().with_only_columns(*columns).order_by(outbox.c.number))
            messages = [(f"item {Message.from_json(text).data['item']}", subject or "-") for text, subject in rows]
            return baskets, messages, await self.shop.count(self.shop.inbox.table)

        baskets, messages, keys = self.run(read())
        assert baskets == {number: items for number, (_, items) in self.stored.items()}
        assert messages == self.messages
        assert keys == len(self.keys)

    def version(self, number: int) -> int | None:
        return self.stored[number][0] if number in self.stored else None

    def is_there(self, number: int) -> bool:
        """Return whether the open unit should find one."""
        met = self.met.get(number)
        return number in self.stored if met is None else not met.is_deleted

    def refused(self, coroutine: Coroutine[Any, Any, Any], kind: type[BaseException]) -> Any:
        with pytest.raises(kind) as raised:
            self.run(coroutine)
        return raised.value


def nothing() -> Any:
    """Return what adds no object to those of the test."""
    return multiple()  # pyright: ignore[reportUnknownVariableType]  # hypothesis leaves it open


TestUnits = pytest.mark.slow(Units.TestCase)
TestUnits.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
