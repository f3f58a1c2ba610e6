"""Mapped aggregates used in any order do what a dictionary would, with savepoints and flushes of their user between."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy import inspect, select

from tests.persistence.crates import WAYS, Depot
from tests.servers.databases import SQLite

IDS: Final = st.integers(1, 3)
NAMES: Final = st.sampled_from(["tea", "milk", "cup"])


@dataclass
class Known:
    """What should be true of the crates inside the open unit: name, tags and lines by id, and what it has recorded."""

    crates: dict[int, tuple[str, list[str], list[tuple[str, int]]]]
    packed: Counter[int] = field(default_factory=Counter[int])
    touched: set[int] = field(default_factory=set[int])


class MappedUnits(RuleBasedStateMachine):
    """One sync unit after the other; crates have a list in a JSON column, and lines."""

    @initialize(way=st.sampled_from(["declarative", "imperative"]))
    def open_a_database(self, way: str) -> None:
        self.depot = Depot(WAYS[way], SQLite(":memory:"), is_async=False)
        self.stored: dict[int, tuple[str, list[str], list[tuple[str, int]]]] = {}
        self.versions: dict[int, int] = {}
        self.messages = Counter[int]()
        self.begin()

    def teardown(self) -> None:
        if hasattr(self, "depot"):
            self.unit.rollback()
            self.depot.engine.dispose()

    def begin(self) -> None:
        self.unit: Any = self.depot.Unit(self.depot.engine)
        self.unit.__enter__()
        self.session: Any = self.unit.session()
        self.now = Known(deepcopy(self.stored))
        self.savepoints: list[tuple[Any, Known]] = []

    def get(self, number: int) -> Any:
        """Return what the unit finds, which has to be what is known; note that it is about to change."""
        crate = self.unit.crates.get(number)
        assert (crate is None) == (number not in self.now.crates)
        if crate is not None:
            assert seen(crate) == self.now.crates[number]
        return crate

    # The aggregates

    @rule(number=IDS, name=NAMES)
    def make(self, number: int, name: str) -> None:
        if self.get(number) is None:
            self.unit.crates.save(self.depot.new(number, "box", name=name))
            self.now.crates[number] = name, ["a"], [("box", 1)]
            self.now.touched.add(number)

    @rule(number=IDS, name=NAMES)
    def rename(self, number: int, name: str) -> None:
        if (crate := self.get(number)) is not None and crate.name != name:
            crate.name = name
            self.now.crates[number] = name, *self.now.crates[number][1:]
            self.now.touched.add(number)

    @rule(number=IDS, name=NAMES)
    def tag_in_place(self, number: int, name: str) -> None:
        if (crate := self.get(number)) is not None:
            crate.tags.append(name)
            self.now.crates[number][1].append(name)
            self.now.touched.add(number)

    @rule(number=IDS, name=NAMES)
    def pack(self, number: int, name: str) -> None:
        if (crate := self.get(number)) is not None:
            crate.pack(name)
            self.now.crates[number][2].append((name, 1))
            self.now.packed[number] += 1
            self.now.touched.add(number)

    @rule(number=IDS)
    def unpack(self, number: int) -> None:
        if (crate := self.get(number)) is not None and crate.lines and inspect(crate.lines[0]).persistent:
            crate.lines.pop(0)
            self.now.crates[number][2].pop(0)
            self.now.touched.add(number)

    @rule(number=IDS)
    def add_to_a_line(self, number: int) -> None:
        if (crate := self.get(number)) is not None and crate.lines:
            crate.lines[-1].amount += 1
            item, amount = self.now.crates[number][2][-1]
            self.now.crates[number][2][-1] = item, amount + 1
            self.now.touched.add(number)

    @rule(number=IDS)
    def save(self, number: int) -> None:
        if (crate := self.get(number)) is not None:
            self.unit.crates.save(crate)
            self.now.touched.add(number)

    @rule(number=IDS, by_session=st.booleans())
    def delete(self, number: int, by_session: bool) -> None:
        if (crate := self.get(number)) is not None:
            if by_session and inspect(crate).persistent:
                self.session.delete(crate)
            else:
                self.unit.crates.delete(crate)
            del self.now.crates[number]
            self.now.touched.add(number)

    # The session

    @rule()
    def flush(self) -> None:
        self.session.flush()

    @rule(number=IDS, how=st.sampled_from(["refresh", "expire"]))
    def read_again(self, number: int, how: str) -> None:
        if (crate := self.get(number)) is not None:
            self.session.flush()
            getattr(self.session, how)(crate)

    @rule()
    def begin_a_savepoint(self) -> None:
        self.savepoints.append((self.session.begin_nested(), deepcopy(self.now)))

    @precondition(lambda self: self.savepoints)
    @rule()
    def undo_a_savepoint(self) -> None:
        # The innermost: undoing an outer one first, SQLAlchemy itself keeps what was added in the inner one.
        savepoint, self.now = self.savepoints.pop()
        savepoint.rollback()

    @precondition(lambda self: self.savepoints)
    @rule()
    def release_a_savepoint(self) -> None:
        self.savepoints.pop()[0].commit()

    # The end of a unit

    @rule()
    def commit(self) -> None:
        for savepoint, _ in reversed(self.savepoints):
            savepoint.commit()
        for number in range(1, 4):
            self.get(number)
        self.unit.commit()
        before, self.stored = self.stored, self.now.crates
        self.messages += self.now.packed
        versions = self.look()
        for number in self.stored.keys() & before.keys():
            is_moved = versions[number] != self.versions[number]
            if number not in self.now.touched:
                assert not is_moved
            elif self.stored[number] != before[number]:
                assert is_moved
        self.versions = versions
        self.begin()

    @rule()
    def roll_back(self) -> None:
        self.unit.rollback()
        assert self.look() == self.versions
        self.begin()

    def look(self) -> dict[int, int]:
        """Compare what another unit reads with what was committed; return the versions."""
        with self.depot.Unit(self.depot.engine, read_only=True) as unit:
            crates = {crate.crate_id: crate for crate in unit.crates.find()}
            subjects = unit.connection().execute(select(self.depot.outbox.table.c.subject)).scalars()
            messages = Counter(int(subject.rsplit("/", 1)[1]) for subject in subjects)
            assert {number: seen(crate) for number, crate in crates.items()} == self.stored
            assert messages == self.messages
            return {number: getattr(crate, self.depot.way.version) for number, crate in crates.items()}


def seen(crate: Any) -> tuple[str, list[str], list[tuple[str, int]]]:
    return crate.name, list(crate.tags), [(line.item, line.amount) for line in crate.lines]


TestMappedUnits = pytest.mark.slow(MappedUnits.TestCase)
TestMappedUnits.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
