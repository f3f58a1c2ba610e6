"""Repositories generic in both parameters, in one, in neither; a Protocol of one's own over them."""

from __future__ import annotations

import abc
import asyncio
import dataclasses
import typing
import uuid

from dddkit.dataclasses import Aggregate, Identity, InMemoryRepository, Repository, SyncRepository

A = typing.TypeVar("A", bound=Aggregate)
K = typing.TypeVar("K", bound=typing.Hashable)
A_co = typing.TypeVar("A_co", covariant=True)
K_contra = typing.TypeVar("K_contra", contravariant=True)


@dataclasses.dataclass
class Person(Aggregate):
    name: str
    number: Identity[int] = 0


@dataclasses.dataclass
class Company(Aggregate):
    company_id: uuid.UUID | None = None


class DictRepository(Repository[A, K]):
    def __init__(self, key: typing.Callable[[A], K]) -> None:
        self._key = key
        self._rows: dict[K, A] = {}

    async def save(self, aggregate: A, /) -> None:
        self._rows[self._key(aggregate)] = aggregate

    async def get(self, aggregate_id: K, /) -> A | None:
        return self._rows.get(aggregate_id)

    async def delete(self, aggregate: A, /) -> None:
        self._rows.pop(self._key(aggregate), None)


class IntRepository(DictRepository[A, int], typing.Generic[A]):
    pass


class People(IntRepository[Person]):
    def __init__(self) -> None:
        super().__init__(lambda person: person.number)

    async def named(self, name: str) -> list[Person]:
        return [person for person in self._rows.values() if person.name == name]


class Companies(InMemoryRepository[Company, uuid.UUID]):
    pass


class Reader(typing.Protocol[A_co, K_contra]):
    async def get(self, aggregate_id: K_contra, /) -> A_co | None: ...


class AbstractPeople(SyncRepository[Person, int], abc.ABC):
    @abc.abstractmethod
    def all(self) -> list[Person]: ...


async def must_get(reader: Reader[A, K], key: K) -> A:
    found = await reader.get(key)
    if found is None:
        raise KeyError(key)
    return found


async def main() -> None:
    people = People()
    await people.save(Person("a", 1))
    assert (await must_get(people, 1)).name == "a"
    assert await people.named("a")
    companies = Companies()
    company = Company(uuid.uuid4())
    await companies.save(company)
    assert company.company_id
    assert await must_get(companies, company.company_id) == company
    loose: Repository[typing.Any, typing.Any] = people
    assert await loose.get(2) is None


asyncio.run(main())
assert AbstractPeople.__abstractmethods__
