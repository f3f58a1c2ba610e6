"""A project with odd but legal code, which is drawn."""

from __future__ import annotations

from typing import Final

STORIES: Final = """\
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from dddkit.stories import I, Story, StoryState, compensates, steps, variable
from dddkit.stories.durable import Delay, Signal

T = TypeVar("T")


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def retried(*, times: int) -> Callable[[T], T]:
    def decorate(function: T) -> T:
        return function

    return decorate


def save_all(state: object) -> None: ...


class Receipt(StoryState):
    lines: list[str]
    total: int = variable()
    paid: bool = variable()

    @property
    def first(self) -> str:
        return self.lines[0]

    def weight(self) -> int:
        return len(self.lines)


class Base(Story):
    I.load
    I.check

    State = Receipt

    def load(self, s: Receipt) -> None:
        s.total = len(s.lines)
        print(s.total)

    async def check(self, state: Receipt) -> None:
        if state.total > 3:
            raise ValueError(state.first)


class Child(Base):
    async def check(self, receipt: Receipt) -> None:
        await super().check(receipt)
        save_all(receipt)
        self._tell(receipt)
        receipt.total += receipt.weight()

    def _tell(self, receipt: Receipt) -> None: ...


@dataclass(frozen=True)
class Ask(Story):
    I.ask
    I.itself

    class State(StoryState):
        order_id: int
        note: str

    itself: Ask

    async def ask(self, state: State) -> None:
        print(getattr(state, "note"), hasattr(state, "nothing"), lambda: state.order_id)


@dataclass
class Given(Story):
    I: steps = steps()
    I.notify
    I.anything
    I.either
    I.ask
    I.some_story
    I.approval
    I.pause
    I.chosen
    I.assigned
    I.Nested
    I.missing
    I.notify

    notify: Callable[[object], None]
    anything: Any
    either: Callable[[object], None] | Ask
    ask: Ask
    some_story: Story
    approval: Signal
    pause: Delay
    assigned = staticmethod(save_all)

    @property
    def chosen(self) -> Callable[[object], None]:
        return save_all

    @compensates("ask")
    def withdraw(self, state: object) -> None: ...

    class Nested:
        def __init__(self, state: object) -> None: ...


class Decorated(Story):
    I.first
    I.second
    I.third
    I.fourth

    State = Receipt

    @traced
    async def first(self, state: Receipt) -> None:
        state.paid = True

    @compensates(first, even_if_failed=True)
    async def undo_first(self, state: Receipt) -> None:
        print(state.paid)

    @retried(times=3)
    async def second(self, state: Receipt) -> None:
        setattr(state, "total", 1)

    @staticmethod
    def third(state: Receipt) -> None:
        print(state.total)

    @classmethod
    def fourth(cls, state: Receipt) -> None:
        other = state
        print(other)


class Box(Generic[T]): ...


@dataclass
class Open(Story, Generic[T]):
    I.take

    take: Callable[[T], "dict[str, list[Box[T]]]"]


class Closed(Open[int]): ...


class Counted(Story):
    I.first
    for name in ("second", "third"):
        getattr(I, name)

    def first(self, state: object) -> None: ...


class Größe(Story):
    I.end

    def end(self, state: object) -> None: ...


class There(Story):
    I.back

    back: Back


class Back(Story):
    I.there

    there: There


class Empty(Story): ...


closed = Closed(take=lambda number: {})
number = 3
raise RuntimeError("nobody may import this module")
"""

AGGREGATES: Final = """\
from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Generic, NamedTuple, Protocol, TypeVar, overload

from dddkit.dataclasses import (
    Aggregate,
    AggregateEvent,
    ChangesHandler,
    Identity,
    InMemoryRepository,
    Repository,
)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Closed(AggregateEvent): ...


@dataclass(kw_only=True)
class Account(Aggregate, Generic[T]):
    number: Identity[int]
    data: T

    @dataclass(frozen=True, kw_only=True)
    class Opened(AggregateEvent):
        number: int

    @dataclass(frozen=True, kw_only=True)
    class Lost(AggregateEvent): ...

    def open(self) -> None:
        self.add_event(self.Opened(number=1))

    def reopen(self) -> None:
        self.add_event(Account.Opened(number=2))

    def close(self) -> None:
        event = Closed()
        self.add_event(event)


@dataclass(kw_only=True)
class Savings(Account[list[dict[str, int]]]):
    @dataclass(frozen=True, kw_only=True)
    class Paid(AggregateEvent):
        amount: int

    def pay(self) -> None:
        self.add_event(self.Paid(amount=1))

    def close(self) -> None: ...


@dataclass(kw_only=True)
class Silent(Aggregate):
    id: int


@dataclass(kw_only=True)
class Loan(Aggregate):
    id: int

    class Granted(AggregateEvent): ...

    class Extended(AggregateEvent): ...

    class Limited(AggregateEvent): ...

    class Repaid(AggregateEvent): ...

    class Sold(AggregateEvent): ...

    class Split(AggregateEvent): ...

    def __post_init__(self) -> None:
        self.add_event(self.Granted())

    def extend(self) -> None:
        add = self.add_event
        add(self.Extended())

    @property
    def limit(self) -> int:
        return 1

    @limit.setter
    def limit(self, limit: int) -> None:
        self.add_event(self.Limited())

    @overload
    def repay(self, amount: int) -> None: ...
    @overload
    def repay(self, amount: str) -> None: ...
    def repay(self, amount: object) -> None:
        self.add_event(self.Repaid())

    def sell(self) -> None:
        super().add_event(self.Sold())

    try:
        import readline

        def split(self) -> None: ...
    except ImportError:

        def split(self) -> None:
            self.add_event(self.Split())


class Rows(NamedTuple):
    added: list[int]


class SavingsRows(ChangesHandler[Savings, Rows]):
    result_type = Rows

    def _clear_state(self) -> None:
        self.added: list[int] = []

    @singledispatchmethod
    def handle_changes(self, event: AggregateEvent, aggregate: Savings) -> None:
        raise NotImplementedError

    @handle_changes.register
    def _(self, event: Savings.Paid, aggregate: Savings) -> None:
        self.added.append(event.amount)


class AllSavings(Repository[Savings, int], Protocol): ...


class InFile(Repository[Savings, int]):
    async def save(self, aggregate: Savings, /) -> None: ...

    async def get(self, aggregate_id: int, /) -> Savings | None: ...

    async def delete(self, aggregate: Savings, /) -> None: ...


def open_bank() -> InMemoryRepository[Savings, int]:
    return InMemoryRepository[Savings, int]()
"""

HANDLERS: Final = """\
from functools import partial

from bank.aggregates import Account, Closed, Loan, Savings
from dddkit.dataclasses import AggregateEvent, EventBroker

broker = EventBroker()


@broker.handle(Savings.Paid, Account.Opened)
def note(event: object) -> None: ...


@broker.instance((Closed,))
async def tell(event: object) -> None: ...


class Audit:
    def __init__(self, given: EventBroker) -> None:
        self.broker = given
        self.broker.subscribe(AggregateEvent, self.record)
        given.subscribe(Closed, lambda event: None)
        given.subscribe(Closed, partial(self.record_as, 1))
        given.handle(Closed)(self.record)

    def record(self, event: object) -> None: ...

    def record_as(self, kind: int, event: object) -> None: ...


ENDED = (Loan.Repaid, Loan.Sold)


@broker.handle(*ENDED)
def _(event: object) -> None: ...


@broker.handle(Loan.Sold)
def _(event: object) -> None: ...


class Ledger:
    def record(self, event: object) -> None: ...


def current(given: EventBroker) -> EventBroker:
    given.subscribe(Loan.Sold, Ledger().record)
    return given


current(broker).subscribe(Loan.Sold, note)
broker.subscribe(Loan.Sold, note)
"""

TEST: Final = """\
from bank.aggregates import Savings
from bank.handlers import broker


@broker.handle(Savings.Paid)
def in_a_test(event: object) -> None: ...
"""

FILES: Final = {
    "pyproject.toml": "",
    "src/bank/stories.py": STORIES,
    "src/bank/aggregates.py": AGGREGATES,
    "src/bank/handlers.py": HANDLERS,
    "src/bank/values.py": "number = 3\n",
    "tests/test_it.py": TEST,
}
STORY_NAMES: Final = ("Base", "Child", "Ask", "Given", "Decorated", "Open", "Closed", "Counted", "Größe", "closed")
AGGREGATE_NAMES: Final = ("Account", "Savings", "Silent", "Loan")
PLACES: Final = (
    *(f"bank.stories:{name}" for name in STORY_NAMES),
    *(f"bank.aggregates:{name}" for name in AGGREGATE_NAMES),
    "bank",
)
PICTURES: Final = "# Pictures\n\n" + "".join(
    f"<!-- dddkit draw {place} -->\n<!-- end -->\n\nAfter {place}.\n\n" for place in PLACES
)
