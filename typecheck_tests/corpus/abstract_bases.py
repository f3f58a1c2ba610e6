"""Bases that run nothing themselves, and say so in the ways of Python."""

import abc
from abc import ABC, ABCMeta, abstractmethod
from typing import Any, Generic, Protocol, TypeVar

from dddkit.dataclasses import Aggregate, ChangesHandler, DomainEvent, Entity, Repository
from dddkit.stories import I, Story, StoryState

T_contra = TypeVar("T_contra", contravariant=True)
StateT = TypeVar("StateT")
AggregateT = TypeVar("AggregateT", bound=Aggregate)


class St(StoryState):
    log: list[str] = []


class WithMeta(Story, metaclass=ABCMeta):
    State = St

    @abstractmethod
    def go(self, state: St) -> None: ...


class ByAttribute(Story, abc.ABC):
    State = St

    def finish(self, state: St) -> None:
        state.log.append("finish")

    @property
    @abc.abstractmethod
    def name(self) -> str: ...


class Helpers(Story):
    """Holds what others share: nothing that looks like a step."""

    retries = 3

    def _log(self, state: St, text: str) -> None:
        state.log.append(text)

    @staticmethod
    def join(*texts: str) -> str:
        return "-".join(texts)


class GenericBase(Story, ABC, Generic[StateT]):
    @abstractmethod
    def prepare(self, state: StateT) -> Any: ...


class Concrete(Helpers, ByAttribute, WithMeta):
    I.go
    I.finish

    @property
    def name(self) -> str:
        return "concrete"

    def go(self, state: St) -> None:
        self._log(state, self.join(self.name, str(self.retries)))


class Prepared(GenericBase[St]):
    I.prepare

    def prepare(self, state: St) -> None:
        state.log.append("prepared")


class Runs(Protocol[T_contra]):
    def __call__(self, state: T_contra, /) -> Any: ...


class HouseEntity(Entity, ABC):
    @abstractmethod
    def describe(self) -> str: ...


class HouseEvent(DomainEvent, ABC): ...


class HouseRepository(Repository[AggregateT, int], Protocol[AggregateT]):
    @abstractmethod
    async def count(self) -> int: ...


class HouseHandler(ChangesHandler[AggregateT, Any], ABC, Generic[AggregateT]):
    pass


runs: list[Runs[St]] = [Concrete(), Prepared()]
state = St()
for one in runs:
    one(state)
assert state.log == ["concrete-3", "finish", "prepared"]
assert all(cls.__abstractmethods__ for cls in (WithMeta, ByAttribute, GenericBase, HouseEntity, HouseRepository))
assert issubclass(HouseEvent, DomainEvent)
assert issubclass(HouseHandler, ChangesHandler)
