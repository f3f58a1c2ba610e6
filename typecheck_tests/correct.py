"""Correct modules, generated at random: the code of a project that uses dddkit, in many variations."""

from __future__ import annotations

from random import Random
from typing import Final

_CONSTRUCTORS: Final = ("@dataclass(frozen=True, slots=True)", "@dataclass", "@attrs.define", "@pydantic_dataclass")
_WORDS: Final = ("reserve", "charge", "ship", "notify", "archive", "refund", "verify", "measure", "announce", "settle")

_BLOCKS_HEAD: Final = """\
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import NamedTuple, NewType

from pydantic import ConfigDict

from dddkit.{flavour} import (
    Aggregate, AggregateEvent, ChangesHandler, DomainEvent, Entity, EventBroker, Identity, Repository, SyncRepository,
    ValueObject
)

Number = NewType("Number", int)

"""

_STORIES_HEAD: Final = """\
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import attrs
from pydantic.dataclasses import dataclass as pydantic_dataclass

from dddkit.stories import I, Story, StoryState, compensates, variable
from dddkit.stories.dbos import Durable


class Foreign:
    unrelated: int = 0

"""


def correct_blocks(random: Random) -> str:
    """Return a module with value objects, events, aggregates, a repository and a changes handler."""
    flavour = random.choice(("dataclasses", "pydantic"))
    decorate = "" if flavour == "pydantic" else "@dataclass(kw_only=True)\n"
    frozen = "" if flavour == "pydantic" else "@dataclass(frozen=True, kw_only=True)\n"
    parts = [_values(random, frozen), _aggregates(random, decorate, frozen), _CHANGES, _repositories(random)]
    return "\n\n".join([_BLOCKS_HEAD.format(flavour=flavour), *parts, _PUBLISHING])


def correct_stories(random: Random) -> str:
    """Return a module with stories: one whose steps pass values on, one with a namespace, one that nests another."""
    parts = [_ordered_story(random), _namespace_story(random), _outer_story(random), _durable_story(random)]
    return "\n\n".join([_STORIES_HEAD, *parts])


def _values(random: Random, frozen: str) -> str:
    held = random.choice(("int", "str", "tuple[int, ...]", "float | None"))
    return f"""\
{frozen}class Amount(ValueObject):
    cents: {held}


{frozen}class Label(ValueObject):
    text: str
    amounts: tuple[Amount, ...]


{frozen}class Opened(DomainEvent):
    number: Number
    amount: Amount


{frozen}class OpenedLate(Opened):
    days: int
"""


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in text.splitlines())


def _aggregates(random: Random, decorate: str, frozen: str) -> str:
    identity = random.choice(
        ("number: Identity[Number]", "order_id: Number", "id: Number", "order_id: Identity[Number]")
    )
    events = _indented(
        f"{frozen}class Placed(AggregateEvent):\n    amount: Amount\n\n{frozen}class Closed(AggregateEvent):\n"
        f"    reason: str"
    )
    return f"""\
{decorate}class Line(Entity):
    line_id: Number
    label: Label


{decorate}class Basket(Aggregate):
    basket_id: Number
    count: int

{_indented(frozen + "class Filled(AggregateEvent):" + chr(10) + "    count: int")}
    def fill(self) -> None:
        self.add_event(self.Filled(count=self.count))


{decorate}class Order(Aggregate):
    {identity}
    line: Line
    basket_id: Number | None

{events}
    def place(self, amount: Amount) -> None:
        self.add_event(self.Placed(amount=amount))

    def close(self) -> None:
        self.add_event(Order.Closed(reason="done"))
"""


_CHANGES: Final = """\
class Rows(NamedTuple):
    placed: list[Amount]
    closed: list[str]


class OrderRows(ChangesHandler[Order, Rows]):
    result_type = Rows
    placed: list[Amount]
    closed: list[str]

    def _clear_state(self) -> None:
        self.placed = []
        self.closed = []

    @singledispatchmethod
    def handle_changes(self, event: AggregateEvent, aggregate: Order) -> None:
        raise NotImplementedError

    @handle_changes.register
    def _(self, event: Order.Placed, aggregate: Order) -> None:
        self.placed.append(event.amount)

    @handle_changes.register
    def _(self, event: Order.Closed, aggregate: Order) -> None:
        self.closed.append(event.reason)
"""


_PUBLISHING: Final = """\
async def announce(broker: EventBroker, event: Opened) -> None:
    await broker(event)


def announce_now(broker: EventBroker, event: Opened) -> None:
    broker(event)
"""


def _repositories(random: Random) -> str:
    base = random.choice(("Repository", "SyncRepository"))
    return f"""\
class Orders({base}[Order, Number]):
    pass


class Baskets({base}[Basket, Number]):
    \"\"\"Where baskets are kept.\"\"\"
"""


def _signature(random: Random, name: str, state: str, body: str, indent: str = "    ") -> str:
    kind = random.choice(("def", "def", "async def", "static", "positional"))
    if kind == "static":
        head = f"@staticmethod\n{indent}def {name}(state: {state}) -> None:"
    elif kind == "positional":
        head = f"def {name}(self, state: {state}, /) -> None:"
    else:
        head = f"{kind} {name}(self, state: {state}) -> None:"
    return f"{indent}{head}\n{indent}    {body}\n\n"


def _compensation(random: Random, step: str, state: str, body: str, even_if_failed: str) -> str:
    """Return a method that undoes a step which stands above; the last text is what it does if that may have failed."""
    named = random.choice((step, f"'{step}'"))
    more, body = random.choice(
        (("", body), (", even_if_failed=False", body), (", even_if_failed=True", even_if_failed))
    )
    name = random.choice((f"undo_{step}", f"_undo_{step}"))
    return f"    @compensates({named}{more})\n{_signature(random, name, state, body)}"


def _ordered_story(random: Random) -> str:
    """Return a story whose steps pass values on: each reads what an earlier one has set."""
    steps = random.sample(_WORDS, random.randint(3, 6))
    listed = "".join(f"    I.{name}\n" for name in steps)
    variables = "".join(f"        made_by_{name}: int = variable()\n" for name in steps)
    methods = ""
    for position, name in enumerate(steps):
        source = "state.number" if position == 0 else f"state.made_by_{random.choice(steps[:position])}"
        methods += _signature(random, name, "State", f"state.made_by_{name} = {source} + 1")
        if position == 0 or random.random() < 0.3:
            methods += _compensation(random, name, "State", f"print(state.made_by_{name})", "print(state.number)")
    return f"""\
{random.choice(_CONSTRUCTORS)}
class Ordered(Story):
{listed}
    class State(StoryState):
        number: int
{variables}
{methods}"""


def _namespace_story(random: Random) -> str:
    steps = random.sample(_WORDS, random.randint(2, 5))
    listed = "".join(f"    I.{name}\n" for name in steps)
    methods = "".join(
        _signature(random, name, "State", random.choice(("state.total = state.count", "state.count += 1")))
        for name in steps
    )
    methods += _compensation(random, steps[0], "State", "state.total = 0", "state.total = 0")
    return f"""\
{random.choice(_CONSTRUCTORS)}
class Loose(Story):
{listed}
    class State(SimpleNamespace):
        count: int = 0
        total: int = 0
        names: tuple[str, ...] = ()

{methods}

{_call("loose", "Loose.State()", methods)}
"""


def _outer_story(random: Random) -> str:
    """Return a story with a base, an injected callable and a nested story."""
    first, second, third, fourth = random.sample(_WORDS, 4)
    inner = _signature(random, second, "State", "print(state.number)")
    return f"""\
@dataclass(frozen=True)
class Inner(Story):
    I.{second}

    class State(StoryState):
        number: int

{inner}
class HouseStory(Story, ABC):
    class State(Inner.State):
        name: str

    @abstractmethod
    def {first}(self, state: State) -> None: ...


@dataclass(frozen=True)
class Outer(HouseStory):
    I.{first}
    I.{third}
    I.{fourth}

    {third}: Inner
    {fourth}: Callable[[HouseStory.State], None]

    def {first}(self, state: HouseStory.State) -> None:
        print(state.number)


{_call("outer", "Outer.State(number=1, name='one')", inner)}
"""


def _durable_story(random: Random) -> str:
    """Return a durable story, whose State can be recorded."""
    step = random.choice(_WORDS)
    held = random.choice(("str", "list[int]", "dict[str, float] | None", "tuple[bool, ...]", "frozenset[bytes]"))
    return f"""\
class Kept(Story):
    I.{step}

    class State(StoryState):
        number: int
        found: {held}

    def {step}(self, state: State) -> None:
        print(state.number)


def durable() -> Durable[Kept.State]:
    return Durable(Kept(), name="kept")
"""


def _call(story: str, state: str, steps: str) -> str:
    """Return a function that runs a story, and awaits it when one of its steps is async."""
    words = ("async ", "await ") if "async def" in steps else ("", "")
    return f"""\
{words[0]}def run_{story}({story}: {story.title()}) -> None:
    {words[1]}{story}({state})
"""
