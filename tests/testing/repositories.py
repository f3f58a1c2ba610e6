"""A repository written by hand, and broken ones, each of which breaks one fact of the contract."""

from __future__ import annotations

import pickle
from contextlib import suppress
from copy import deepcopy
from itertools import count
from typing import Any

from dddkit.exceptions import ConcurrencyError

# Any: the flavour of the aggregates is chosen at run time.
Model = Any


class Rows:
    """Keeps rows by key; the version is a field of the aggregate, and no row begins with one that was used before."""

    def __init__(self) -> None:
        self.rows: dict[int, Model] = {}
        self.first_version = count(1000, 1000)

    def get(self, key: int) -> Model:
        return self.read(self.rows.get(key))

    def save(self, basket: Model) -> None:
        self.check(basket)
        basket.version = basket.version + 1 if basket.version else next(self.first_version)
        self.rows[basket.basket_id] = self.written(basket)

    def delete(self, basket: Model) -> None:
        if basket.basket_id in self.rows or basket.version:
            self.check(basket)
            del self.rows[basket.basket_id]

    def check(self, basket: Model) -> None:
        stored = self.rows.get(basket.basket_id)
        expected, found = basket.version or None, None if stored is None else stored.version
        if expected != found:
            raise ConcurrencyError(basket, expected, found)

    def written(self, basket: Model) -> Model:
        return deepcopy(basket)

    def read(self, stored: Model) -> Model:
        return deepcopy(stored)


class GivesTheIdentity(Rows):
    """As a database counts."""

    def save(self, basket: Model) -> None:
        if basket.basket_id is None:
            basket.basket_id = next(self.first_version)
        super().save(basket)


class WritesWhatTheEventsSay(Rows):
    """As one with a ChangesHandler: a new aggregate is stored where its events say that there is one."""

    def save(self, basket: Model) -> None:
        if basket.version or any(type(event).__name__ == "Created" for event in basket.get_events()):
            super().save(basket)
        basket.clear_events()


class KeepsTheObject(Rows):
    def written(self, basket: Model) -> Model:
        return basket

    def read(self, stored: Model) -> Model:
        return stored


class ReturnsWhatItStores(Rows):
    def read(self, stored: Model) -> Model:
        return stored


class StoresWhatItIsGiven(Rows):
    def written(self, basket: Model) -> Model:
        return basket


class LosesAField(Rows):
    def written(self, basket: Model) -> Model:
        copy = deepcopy(basket)
        copy.items = copy.items[:1]
        return copy


class ReturnsAnotherClass(Rows):
    def read(self, stored: Model) -> Model:
        if stored is None:
            return None
        base = type(stored).__mro__[1]
        return base(basket_id=stored.basket_id, items=[*stored.items])


class StoresEvents(Rows):
    def written(self, basket: Model) -> Model:
        return pickle.dumps(basket.get_events()), deepcopy(basket)

    def read(self, stored: Model) -> Model:
        if stored is None:
            return None
        events, copy = pickle.loads(stored[0]), deepcopy(stored[1])
        for event in events:
            copy.add_event(event)
        return copy

    def check(self, basket: Model) -> None:
        stored = self.rows.get(basket.basket_id)
        expected, found = basket.version or None, None if stored is None else stored[1].version
        if expected != found:
            raise ConcurrencyError(basket, expected, found)


class OnlyInserts(Rows):
    def save(self, basket: Model) -> None:
        before = self.rows.get(basket.basket_id)
        super().save(basket)
        if before is not None:
            before.version = basket.version
            self.rows[basket.basket_id] = before


class OnlyUpdates(Rows):
    def save(self, basket: Model) -> None:
        if basket.version:
            super().save(basket)


class KeepsTheOldVersion(Rows):
    def save(self, basket: Model) -> None:
        before = basket.version
        super().save(basket)
        basket.version = before


class ReplacesAll(Rows):
    def save(self, basket: Model) -> None:
        super().save(basket)
        if basket.version % 1000:
            for key in self.rows:
                self.rows[key] = type(basket)(basket_id=key, items=[*basket.items], version=self.rows[key].version)


class DeletesNothing(Rows):
    def delete(self, basket: Model) -> None:
        if basket.basket_id in self.rows or basket.version:
            self.check(basket)


class DeletesAll(Rows):
    def delete(self, basket: Model) -> None:
        super().delete(basket)
        self.rows.clear()


class ReservesTheIdentity(Rows):
    def __init__(self) -> None:
        super().__init__()
        self.used = set[int]()

    def delete(self, basket: Model) -> None:
        super().delete(basket)
        self.used.add(basket.basket_id)

    def save(self, basket: Model) -> None:
        if basket.version == 0 and basket.basket_id in self.used:
            raise KeyError(basket.basket_id)
        super().save(basket)


class RaisesForUnknown(Rows):
    def get(self, key: int) -> Model:
        return self.read(self.rows[key])


class RaisesForUnknownDelete(Rows):
    def delete(self, basket: Model) -> None:
        self.check(basket)
        del self.rows[basket.basket_id]


class SavesUnknownOnDelete(Rows):
    """A mark in the row, which nobody looks at again."""

    def delete(self, basket: Model) -> None:
        if basket.basket_id not in self.rows and not basket.version:
            self.save(basket)
        else:
            super().delete(basket)


class LastWriteWins(Rows):
    def save(self, basket: Model) -> None:
        stored = self.rows.get(basket.basket_id)
        if stored is not None and basket.version:
            basket.version = stored.version
        super().save(basket)


class LastDeleteWins(Rows):
    def delete(self, basket: Model) -> None:
        self.rows.pop(basket.basket_id, None)


class Upserts(Rows):
    def save(self, basket: Model) -> None:
        stored = self.rows.get(basket.basket_id)
        if stored is not None and not basket.version:
            basket.version = stored.version
        super().save(basket)


class Resurrects(Rows):
    def save(self, basket: Model) -> None:
        if basket.basket_id not in self.rows:
            basket.version = 0
        super().save(basket)


class CountsFromOne(Rows):
    def __init__(self) -> None:
        super().__init__()
        self.first_version = count(1, 0)


class CountsReads(Rows):
    def get(self, key: int) -> Model:
        stored = self.rows.get(key)
        if stored is not None:
            stored.version += 1
        return self.read(stored)


class Swallows(Rows):
    """As a block does that catches ConcurrencyError to roll back."""

    def save(self, basket: Model) -> None:
        with suppress(ConcurrencyError):
            super().save(basket)


class NeverCommits(Rows):
    def save(self, basket: Model) -> None:
        self.check(basket)
        basket.version += 1


class DeletesOnlyWhatItHasRead(Rows):
    def __init__(self) -> None:
        super().__init__()
        self.has_read: list[Model] = []

    def get(self, key: int) -> Model:
        self.has_read.append(super().get(key))
        return self.has_read[-1]

    def delete(self, basket: Model) -> None:
        if any(basket is read for read in self.has_read):
            super().delete(basket)


class AtTheEnd(Rows):
    """Right: a repository for one block, at whose end everything happens, so that errors come from there."""

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self._rows = rows
        self._work: list[tuple[str, Model]] = []

    def get(self, key: int) -> Model:
        return self._rows.get(key)

    def save(self, basket: Model) -> None:
        self._work.append(("save", basket))

    def delete(self, basket: Model) -> None:
        self._work.append(("delete", basket))

    def commit(self) -> None:
        for method, basket in self._work:
            getattr(self._rows, method)(basket)


class DeletesFirst(AtTheEnd):
    def commit(self) -> None:
        self._work.sort(key=lambda work: work[0])
        super().commit()


class SavesOnce(AtTheEnd):
    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)
        self._copies: list[tuple[Model, Model]] = []

    def save(self, basket: Model) -> None:
        if not any(basket is original for original, _ in self._copies):
            self._copies.append((basket, deepcopy(basket)))
            super().save(self._copies[-1][1])

    def commit(self) -> None:
        super().commit()
        for basket, copy in self._copies:
            basket.version = copy.version


class Async:
    """The same repository with async methods."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def get(self, key: int) -> Model:
        return self._rows.get(key)

    async def save(self, basket: Model) -> None:
        self._rows.save(basket)

    async def delete(self, basket: Model) -> None:
        self._rows.delete(basket)
