"""Classes, steps and States that depend on the version, on what is installed, on TYPE_CHECKING."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dddkit.dataclasses import Aggregate, AggregateEvent, InMemoryRepository
from dddkit.stories import I, Story, StoryState, variable

try:
    from dddkit.pydantic import Aggregate as ModelAggregate
except ImportError:
    ModelAggregate = None  # type: ignore[assignment,misc]

if sys.version_info >= (3, 8):

    class Modern(Story):
        I.go
        if sys.platform == "no such platform":
            I.never
        else:
            I.always

        class State(StoryState):
            n: int = 0
            if sys.version_info >= (3, 9):
                m: int = variable()

        def go(self, state: State) -> None:
            state.m = state.n

        if TYPE_CHECKING:

            def always(self, state: State) -> None: ...

        else:

            def always(self, state):
                assert state.m == state.n

else:
    Modern = None

if TYPE_CHECKING:
    Base = Aggregate
else:
    Base = type("Base", (Aggregate,), {})


@dataclass(kw_only=True)
class Thing(Base):
    if True:
        thing_id: int

    if sys.version_info >= (3, 0):

        @dataclass(frozen=True, kw_only=True)
        class Made(AggregateEvent):
            pass

    def make(self) -> None:
        self.add_event(self.Made())


class Things(InMemoryRepository[Thing, int]):
    if TYPE_CHECKING:
        extra: Any


Modern()(Modern.State(n=1))
thing = Thing(thing_id=1)
thing.make()
assert len(thing.get_events()) == 1
assert Things()
assert isinstance(ModelAggregate, type)
