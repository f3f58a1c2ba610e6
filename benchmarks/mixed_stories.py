"""Source of a project whose stories use everything that a real one uses: the mixed corpus for mypy."""

from __future__ import annotations

from typing import Final

__all__ = ["HOUSE", "mixed_stories"]

HOUSE: Final = '''\
"""What all stories of the project share."""

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Generic, ParamSpec, Protocol, TypeVar

from dddkit.stories import Story, StoryState

P = ParamSpec("P")
R = TypeVar("R")
OrderT = TypeVar("OrderT", bound="Order")


def logged(function: Callable[P, R]) -> Callable[P, R]:
    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        print(function)
        return function(*args, **kwargs)

    return run


def retried(*, times: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            for _ in range(times - 1):
                try:
                    return function(*args, **kwargs)
                except OSError:
                    continue
            return function(*args, **kwargs)

        return run

    return decorate


class HasOrder(Protocol):
    order_id: int


class Order(StoryState):
    order_id: int
    total: int = 0


class HouseStory(Story):
    """The base of every story."""

    def _trace(self, text: str) -> None:
        print(type(self).__name__, text)


class Audited(HouseStory):
    def audit(self, state: HasOrder) -> None:
        self._trace(f"order {state.order_id}")


class Notifies:
    def notify(self, state: Order) -> None:
        print(state.order_id, state.total)

    @logged
    def remind(self, state: Order) -> None:
        print(state.order_id)


class Gateway:
    def __call__(self, state: Order) -> None:
        state.total += 1


@dataclass(frozen=True)
class Stored(HouseStory, ABC, Generic[OrderT]):
    store: Callable[[OrderT], None]

    def load(self, state: OrderT) -> None:
        self._trace(f"order {state.order_id}")

    def save(self, state: OrderT) -> None:
        self.store(state)
'''

_HEAD: Final = """\
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState, variable
from house import Audited, Gateway, HasOrder, HouseStory, Notifies, Order, Stored, logged, retried
"""

# Ten stories. Each is named after what makes it different from a simple one.
_TEN: Final = """

@dataclass(frozen=True)
class Simple{n}(Story):
    I.check
    I.price
    I.close

    class State(StoryState):
        order_id: int
        prices: list[int]
        total: int = 0

    def check(self, state: State) -> None:
        if state.order_id < 1:
            raise ValueError(state.order_id)

    def price(self, state: State) -> None:
        state.total = sum(state.prices)

    def close(self, state: State) -> None:
        print(state.order_id, state.total)


@dataclass(frozen=True)
class Mixed{n}(Notifies, Audited):
    I.check
    I.audit
    I.price
    I.notify
    I.remind

    class State(Order):
        prices: list[int]

    def check(self, state: State) -> None:
        self._trace(f"{{state.prices}}")

    def price(self, state: State) -> None:
        state.total = sum(state.prices)


@dataclass(frozen=True)
class Decorated{n}(HouseStory):
    I.check
    I.reserve
    I.charge
    I.ship

    class State(Order):
        address: str

    def check(self, state: State) -> None:
        if not state.address:
            raise ValueError(state.order_id)

    @logged
    def reserve(self, state: State) -> None:
        self._trace(state.address)

    @retried(times=3)
    def charge(self, state: State) -> None:
        state.total += 1

    @logged
    @retried(times=2)
    def ship(self, state: State) -> None:
        print(state.address)


@dataclass(frozen=True, kw_only=True)
class Injected{n}(HouseStory):
    I.check
    I.reserve
    I.charge
    I.publish

    class State(Order):
        address: str

    reserve: Callable[[State], None]
    charge: Gateway
    publish: Callable[[HasOrder], None]

    def check(self, state: State) -> None:
        self._trace(state.address)


@dataclass(frozen=True)
class Nested{n}(HouseStory):
    I.prepare
    I.decorated
    I.finish

    decorated: Decorated{n}

    class State(Decorated{n}.State):
        note: str = ""

    def prepare(self, state: State) -> None:
        state.note = state.address

    def finish(self, state: State) -> None:
        self._trace(state.note)


@dataclass(frozen=True)
class Generic{n}(Stored["Generic{n}.State"]):
    I.load
    I.change
    I.save

    class State(Order):
        name: str

    def change(self, state: State) -> None:
        state.name = state.name.strip()


@dataclass(frozen=True)
class Inherits{n}(Mixed{n}):
    class State(Mixed{n}.State):
        coupon: str = ""

    def price(self, state: Mixed{n}.State) -> None:
        state.total = max(state.prices)


@dataclass(frozen=True)
class Variables{n}(HouseStory):
    I.find
    I.price
    I.charge
    I.report

    class State(Order):
        found: list[int] = variable()
        receipt: str = variable()

    def find(self, state: State) -> None:
        state.found = [state.order_id]

    def price(self, state: State) -> None:
        for number in state.found:
            state.total += number

    def charge(self, state: State) -> None:
        state.receipt = f"{{state.total}} of {{state.found}}"

    def report(self, state: State) -> None:
        self._trace(state.receipt)


@dataclass(frozen=True)
class Aliased{n}(HouseStory):
    I.check
    I.charge
    I.variables

    State = Variables{n}.State
    gateway: Gateway

    def check(self, state: Variables{n}.State) -> None:
        self._trace(f"{{state.order_id}}")

    @property
    def charge(self) -> Gateway:
        return self.gateway

    @property
    def variables(self) -> Variables{n}:
        return Variables{n}()


@dataclass(frozen=True, kw_only=True)
class Awaits{n}(Audited):
    I.audit
    I.fetch
    I.charge
    I.send

    class State(Order):
        address: str

    fetch: Callable[[State], Awaitable[None]]
    send: Callable[[Order], Awaitable[None]]

    async def charge(self, state: State) -> None:
        state.total += 1


async def sell_{n}(awaits: Awaits{n}, injected: Injected{n}) -> int:
    state = Awaits{n}.State(order_id=1, address="")
    await awaits(state)
    injected(Injected{n}.State(order_id=2, address=state.address))
    return state.total
"""


def mixed_stories(number: int) -> str:
    """Return the source of a module with this number of stories, in tens; it imports HOUSE as `house`."""
    return _HEAD + "".join(_TEN.format(n=index) for index in range(max(1, number // 10)))
