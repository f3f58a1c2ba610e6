"""What messages of the building blocks advise: who, what was found, and the one thing to do first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial, singledispatchmethod
from typing import Any, Literal, NamedTuple, Protocol

import pytest

import dddkit.dataclasses
import dddkit.pydantic
from dddkit.dataclasses import (
    Aggregate,
    AggregateEvent,
    ChangesHandler,
    DomainEvent,
    Entity,
    EventBroker,
    Identity,
    InMemoryRepository,
    ValueObject,
)
from dddkit.exceptions import ConcurrencyError, UnhandledEventError
from dddkit.stories import I, Story

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

# Any: checkers reject each of these mistakes.
broker: Any = EventBroker()
Repository: Any = InMemoryRepository
evolve: Any = dddkit.dataclasses.evolve
evolve_model: Any = dddkit.pydantic.evolve


class Tea(DomainEvent):
    pass


class Coffee(DomainEvent):
    pass


class Drinkable(Protocol):
    milk: bool


@dataclass(kw_only=True)
class Basket(Aggregate):
    id: int | None = None
    size: int = field(default=1, init=False)

    class Opened(AggregateEvent):
        pass


class Line(Entity):
    pass


def is_strong(event: object) -> bool:
    return True


def ring() -> None: ...
async def ring_later() -> None: ...
def ring_twice(event: Tea, bell: object) -> None: ...
def ring_by_keyword(*, event: Tea) -> None: ...
def ring_much(event: Tea, bell: object = None, *rest: object, loud: bool = True) -> None: ...
def ring_any(*events: Tea) -> None: ...


nothing: Any = lambda: None  # noqa: E731  # on purpose


class Bell:
    def ring(self, event: Tea) -> None: ...


def brew(event: Tea) -> None: ...
def pour(event: Tea | Coffee) -> None: ...
def serve(event: object) -> None: ...
def stir(event: Any) -> None: ...


serve.__annotations__["event"] = Tea | Coffee


class Note(Aggregate):
    pass


class Model(dddkit.pydantic.Aggregate):  # type: ignore[dddkit-missing-identity]  # on purpose
    text: str


class Numbered(dddkit.pydantic.Aggregate):
    id: int


class Plain(Aggregate):
    def __init__(self) -> None:
        self.id = 1


@dataclass
class Empty(Aggregate):
    pass


class Rows(NamedTuple):
    opened: int


class Changes(ChangesHandler[Basket, Rows]):  # type: ignore[dddkit-unhandled-event]  # on purpose
    result_type = Rows

    def _clear_state(self) -> None:
        self.opened = 0

    @singledispatchmethod
    def handle_changes(self, event: object, aggregate: Basket) -> None:
        raise NotImplementedError


def undispatched(handle: object = None) -> Any:
    return type("Changes", (Changes,), {"handle_changes": handle, "__module__": __name__, "__qualname__": "Changes"})()


class Notify(Story):
    I.send

    def send(self, state: object) -> None: ...


class Send:
    def __call__(self, event: object) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Money(ValueObject):
    amount: int


class Frozen(ValueObject):
    pass


async def waits(event: object) -> None: ...
async def waits_too(event: object) -> None: ...
async def folds_async(self: object, event: object, aggregate: object) -> None: ...
def folds_never(self: object, event: object, aggregate: object) -> Iterator[None]:
    yield


def yields(event: object) -> Iterator[None]:
    yield


def fails(event: object) -> None:
    raise LookupError


def index(event: object) -> None: ...


def opened() -> Basket:
    basket = Basket(id=1)
    basket.add_event(Basket.Opened())
    return basket


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    with pytest.raises(StopIteration):
        coroutine.send(None)


def of_async_handlers(*handlers: Callable[..., object]) -> None:
    own = EventBroker()
    for handler in handlers:
        own.subscribe(Tea, handler)
    own.publish(Tea())


def two_identities() -> None:
    class Both(Entity):  # type: ignore[dddkit-undecorated-class]  # pyright: ignore[reportUnusedClass]  # on purpose
        ean: Identity[str]
        sku: Identity[str]


def delete_from(frozen: Any) -> None:
    del frozen.amount


def assign_to(frozen: Any) -> None:
    frozen.amount = 1


HANDLES_NOTHING = "a handler is called with the event, and"
NO_PREDICATE = "what it returns is true for every event; make it a plain function"

ADVICE: dict[str, tuple[Callable[[], object], str]] = {
    "a number subscribed": (
        lambda: broker.subscribe(3, index),
        (
            "subscribe takes an event class or a predicate, and got an instance of int; "
            "write broker.subscribe(ProductCreated, handler)"
        ),
    ),
    "nothing subscribed": (
        lambda: broker.subscribe(None, index),
        "subscribe takes an event class or a predicate, and got None; write broker.subscribe(ProductCreated, handler)",
    ),
    "an event subscribed": (
        lambda: broker.subscribe(Tea(), index),
        "subscribe takes an event class or a predicate, and got an instance of Tea; write its class, Tea",
    ),
    "a name subscribed": (
        lambda: broker.subscribe("Tea", index),
        "subscribe takes an event class or a predicate, and got 'Tea'; write the class itself, and not its name",
    ),
    "several subscribed": (
        lambda: broker.subscribe((Tea, Coffee), index),
        (
            "subscribe takes an event class or a predicate, and got an instance of tuple; "
            "write @broker.handle(Tea, Coffee)"
        ),
    ),
    "a protocol subscribed": (
        lambda: broker.subscribe(Drinkable, index),
        (
            "subscribe takes an event class or a predicate, and got Drinkable, a protocol that isinstance cannot "
            "check; decorate it with @runtime_checkable"
        ),
    ),
    "handle without classes": (
        lambda: broker.handle(index),
        "handle takes event classes, and got index; write @broker.handle(object)",
    ),
    "handle without classes over a handler of one": (
        lambda: broker.handle(brew),
        "handle takes event classes, and got brew; write @broker.handle(Tea)",
    ),
    "handle without classes over a handler of two": (
        lambda: broker.instance(pour),
        "instance takes event classes, and got pour; write @broker.instance(Tea, Coffee)",
    ),
    "handle without classes over an evaluated annotation": (
        lambda: broker.handle(serve),
        "handle takes event classes, and got serve; write @broker.handle(Tea, Coffee)",
    ),
    "handle without classes over a handler that says nothing": (
        lambda: broker.handle(stir),
        "handle takes event classes, and got stir; write @broker.handle(<the class of its event>)",
    ),
    "handle of nothing": (
        lambda: broker.handle(),
        "handle takes event classes, and got nothing; write @broker.handle(ProductCreated)",
    ),
    "a list handled": (
        lambda: broker.handle([Tea, Coffee]),
        "handle takes event classes, and got an instance of list; write @broker.handle(Tea, Coffee)",
    ),
    "an event handled": (
        lambda: broker.handle(Tea()),
        "handle takes event classes, and got an instance of Tea; write its class, Tea",
    ),
    "a class registered": (
        lambda: broker.register(Tea),
        "register takes a predicate, and got Tea; write @broker.handle(Tea)",
    ),
    "a number registered": (
        lambda: broker.register(3),
        (
            "register takes a predicate, and got an instance of int; write a function that takes the event, and "
            "returns a bool"
        ),
    ),
    "a typing object registered": (
        lambda: broker.register(Literal[1]),
        "register takes a predicate, and got Literal[...]; write a function that takes the event, and returns a bool",
    ),
    "an async predicate": (
        lambda: broker.register(waits),
        f"a predicate returns a bool, and waits is async: {NO_PREDICATE}",
    ),
    "a generator as predicate": (
        lambda: broker.register(yields),
        f"a predicate returns a bool, and yields is a generator: {NO_PREDICATE}",
    ),
    "a number as handler": (
        lambda: broker.subscribe(Tea, 3),
        f"{HANDLES_NOTHING} an instance of int cannot be called; write a function",
    ),
    "a handler that was called": (
        lambda: broker.subscribe(Tea, index(Tea())),  # type: ignore[func-returns-value]
        f"{HANDLES_NOTHING} None cannot be called; pass the function itself, and not what it returns",
    ),
    "a generator as handler": (
        lambda: broker.subscribe(Tea, yields),
        "yields is a generator: called with an event, its body would not run; take the yield out",
    ),
    "a story class as handler": (
        lambda: broker.subscribe(Tea, Notify),
        (
            "Notify is a class: called with the event, it makes an object, and does not call that; "
            "pass an object of it: Notify(...)"
        ),
    ),
    "a callable class as handler": (
        lambda: broker.handle(Tea)(Send),
        (
            "Send is a class: called with the event, it makes an object, and does not call that; "
            "pass an object of it: Send(...)"
        ),
    ),
    "a handler of nothing": (
        lambda: broker.handle(Tea)(ring),
        "ring takes no event; write def ring(event: Tea)",
    ),
    "an async handler of nothing, for a predicate": (
        lambda: broker.register(is_strong)(ring_later),
        "ring_later takes no event; write async def ring_later(event)",
    ),
    "a lambda of nothing": (
        lambda: broker.subscribe(Tea, nothing),
        (
            f"<lambda> ({__name__}, line {nothing.__code__.co_firstlineno}) takes no event; "
            "write lambda event: and its body"
        ),
    ),
    "a handler of too much": (
        lambda: broker.subscribe(Tea, ring_twice),
        "ring_twice takes (event, bell), and is called with the event alone; write def ring_twice(event: Tea)",
    ),
    "a handler by keyword": (
        lambda: broker.subscribe(Tea, ring_by_keyword),
        "ring_by_keyword takes (event), and is called with the event alone; write def ring_by_keyword(event: Tea)",
    ),
    "a method without its object": (
        lambda: broker.subscribe(Tea, Bell.ring),
        (
            "Bell.ring takes (self, event), and is called with the event alone; "
            "subscribe the method of an object, as in broker.subscribe(Tea, it.ring)"
        ),
    ),
    "an unknown subscription": (
        lambda: broker.unsubscribe(Tea, index),
        "index is not subscribed to Tea; unsubscribe takes the same two objects as subscribe",
    ),
    "an option": (
        lambda: EventBroker(on_error="log"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        "on_error is 'stop' or 'continue', and not 'log'",
    ),
    "an option that is no text": (
        lambda: EventBroker(unhandled=index),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        "unhandled is 'raise' or 'ignore', and not a function",
    ),
    "an event nobody handles": (
        lambda: broker.publish(Tea()),
        (
            "nobody handles Tea; subscribe a handler with @broker.handle(Tea), in a module that is imported; "
            'where events need no handler, make the broker with EventBroker(unhandled="ignore")'
        ),
    ),
    "a list published": (
        lambda: broker.publish([Tea()]),
        ("a broker publishes one event at a time, and got a list; write `for event in events: broker.publish(event)`"),
    ),
    "an aggregate published": (
        lambda: broker.publish(Note()),
        ("Note is an aggregate, and no event; write `for event in aggregate.pull_events(): broker.publish(event)`"),
    ),
    "an entity published": (
        lambda: broker.publish(Line()),
        "Line is an entity, and no event; publish an event that says what has happened to it",
    ),
    "an event class published": (
        lambda: broker.publish(Tea),
        "an event is an instance, and Tea is a class; publish Tea(...)",
    ),
    "nothing published": (
        lambda: broker.publish(None),
        "an event is an instance of its class, and got None; publish ProductCreated(...)",
    ),
    "one async handler": (
        lambda: of_async_handlers(waits),
        "waits is async; use `await broker.apublish(event)` for async handlers",
    ),
    "two async handlers": (
        lambda: of_async_handlers(waits, index, waits_too),
        "waits, waits_too are async; use `await broker.apublish(event)` for async handlers",
    ),
    "a class as broker": (
        lambda: Repository(Basket),
        (
            "InMemoryRepository takes the broker that publishes the events, not the class Basket; the types of its "
            "aggregates and their identities go in brackets, as in InMemoryRepository[Basket, int]()"
        ),
    ),
    "the class of brokers": (
        lambda: Repository(EventBroker),
        (
            "InMemoryRepository takes the broker that publishes the events, not its class; "
            "write InMemoryRepository(EventBroker())"
        ),
    ),
    "a number as broker": (
        lambda: Repository(3),
        "InMemoryRepository takes the broker that publishes the events, not 3; pass an EventBroker, or nothing",
    ),
    "no identity declared": (
        lambda: run(Repository().save(Note())),
        (
            "Note has no identity to be stored under; declare a field 'id' or 'note_id', or annotate one as "
            "Identity[...] (from dddkit.dataclasses import Identity)"
        ),
    ),
    "no identity declared in a model": (
        lambda: run(Repository().save(Model(text="a"))),
        (
            "Model has no identity to be stored under; declare a field 'id' or 'model_id', or annotate one as "
            "Identity[...] (from dddkit.pydantic import Identity)"
        ),
    ),
    "no identity yet": (
        lambda: run(Repository().save(Basket())),
        "this Basket has no identity yet: its id is None; set it first",
    ),
    "nothing saved": (
        lambda: run(Repository().save(None)),
        "save takes an aggregate, and got None; `get` returns None where it finds nothing",
    ),
    "a class saved": (
        lambda: run(Repository().save(Basket)),
        "save takes an aggregate, and got the class Basket",
    ),
    "nothing deleted": (
        lambda: run(Repository().delete(None)),
        "delete takes an aggregate, and got None; `get` returns None where it finds nothing",
    ),
    "a domain event recorded": (
        lambda: Basket().add_event(Tea()),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (
            "Basket.add_event takes an AggregateEvent, and got a Tea; derive Tea from AggregateEvent, which an "
            "aggregate records"
        ),
    ),
    "the class of a domain event recorded": (
        lambda: Basket().add_event(Tea),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (
            "Basket.add_event takes an AggregateEvent, and got the class Tea; derive Tea from AggregateEvent, and "
            "write Tea(...)"
        ),
    ),
    "the class of an event recorded": (
        lambda: Basket().add_event(Basket.Opened),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        "Basket.add_event takes an event, not its class; write Basket.Opened(...)",
    ),
    "a text recorded": (
        lambda: Basket().add_event("opened"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (
            "Basket.add_event takes an AggregateEvent, and got a str; write the event that has happened, as in "
            "ItemAdded(...)"
        ),
    ),
    "nothing folded": (
        lambda: Changes()(None),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        "a changes handler takes an aggregate, and got None; `get` returns None where it finds nothing",
    ),
    "an event without a handler": (
        lambda: Changes()(opened()),
        (
            "no handler for Basket.Opened recorded by Basket; write `@handle_changes.register` above "
            "`def _(self, event: Basket.Opened, aggregate: Basket) -> None:`"
        ),
    ),
    "no handle_changes": (
        lambda: undispatched()(opened()),
        (
            "Changes has no handle_changes to fold events with; write @singledispatchmethod above "
            "def handle_changes(self, event, aggregate)"
        ),
    ),
    "an async handle_changes": (
        lambda: undispatched(folds_async)(opened()),
        (
            "Changes: folds_async, which handles Basket.Opened, is async, so its body would not run; "
            "make it a plain function"
        ),
    ),
    "a handle_changes that yields": (
        lambda: undispatched(folds_never)(opened()),
        (
            "Changes: folds_never, which handles Basket.Opened, is a generator, so its body would not run; "
            "make it a plain function"
        ),
    ),
    "a block left twice": (
        lambda: Changes().__exit__(None),
        "Changes: no block is open on this handler; `with` opens one, and closes it once",
    ),
    "a class evolved": (
        lambda: evolve(Basket, id=1),
        "evolve of dddkit.dataclasses takes one of its Aggregates, and got the class Basket; pass an object of it",
    ),
    "a model evolved": (
        lambda: evolve(Numbered(id=1), id=2),
        (
            "evolve of dddkit.dataclasses takes one of its Aggregates, and got a Numbered; "
            "write `from dddkit.pydantic import evolve`"
        ),
    ),
    "a dataclass evolved as a model": (
        lambda: evolve_model(Basket(id=1), id=2),
        (
            "evolve of dddkit.pydantic takes one of its Aggregates, and got a Basket; "
            "write `from dddkit.dataclasses import evolve`"
        ),
    ),
    "another identity": (
        lambda: evolve(Basket(id=1), id=2),
        "evolve: the identity of Basket stays the same; to make another aggregate, call the class",
    ),
    "a field that is no argument": (
        lambda: evolve(Basket(id=1), size=2),
        "evolve: the constructor of Basket does not take 'size'; leave it out",
    ),
    "an unknown field": (
        lambda: evolve(Basket(id=1), qqq=2),
        "evolve: Basket has no field 'qqq' to set; it has id",
    ),
    "a field of none": (
        lambda: evolve(Empty(), qqq=2),
        "evolve: Empty has no field 'qqq' to set; its constructor takes none",
    ),
    "no dataclass": (
        lambda: evolve(Plain(), id=2),
        (
            "evolve: Plain is no dataclass; decorate it with @dataclass(kw_only=True), or write its "
            "__replace__(self, /, **changes)"
        ),
    ),
    "arguments without fields": (
        lambda: Frozen(amount=1),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        "Frozen() takes no arguments, since it declares no fields",
    ),
    "a frozen field assigned": (
        lambda: assign_to(Frozen()),
        "cannot assign to field 'amount' of Frozen, which is frozen; make another Frozen instead",
    ),
    "a frozen field of a dataclass assigned": (
        lambda: assign_to(Money(amount=1)),
        (
            "cannot assign to field 'amount' of Money, which is frozen; make another Money instead, as in "
            "dataclasses.replace(money, amount=...)"
        ),
    ),
    "a frozen field deleted": (
        lambda: delete_from(Frozen()),
        "cannot delete field 'amount' of Frozen, which is frozen; make another Frozen instead",
    ),
    "a stored identity": (
        lambda: raising(ConcurrencyError(Basket(id=1), None, 2)),
        (
            "Basket with the identity 1 is new, but one with its identity is stored already (version 2); read the "
            "stored one with `get` and go on with that, or give the new one another identity"
        ),
    ),
    "a deleted aggregate": (
        lambda: raising(ConcurrencyError(Basket(id=1), 1, None)),
        "Basket with the identity 1 was read at version 1, but has been deleted since; treat it as not found",
    ),
    "a changed aggregate": (
        lambda: raising(ConcurrencyError(Basket(id=1), 1, 2)),
        (
            "Basket with the identity 1 was read at version 1, but version 2 is stored now; read it again with "
            "`get`, and repeat the change"
        ),
    ),
}


def raising(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(("mistake", "advice"), ADVICE.values(), ids=ADVICE)
def test_a_message_says_what_to_write(mistake: Callable[[], object], advice: str) -> None:
    with pytest.raises(
        (TypeError, ValueError, AttributeError, RuntimeError, UnhandledEventError, ConcurrencyError)
    ) as e:
        mistake()
    assert str(e.value) == advice


def test_two_marked_fields_are_one_too_many() -> None:
    with pytest.raises(
        TypeError, match=r"Both has more than one identity: ean, sku; mark only one field as Identity\["
    ):
        two_identities()


@pytest.mark.parametrize(("number", "wanted"), [(1, "1 handler of Tea failed"), (2, "2 handlers of Tea failed")])
def test_a_group_of_errors_counts_its_handlers(number: int, wanted: str) -> None:
    own = EventBroker(on_error="continue")
    for _ in range(number):
        own.subscribe(Tea, partial(fails))
    with pytest.raises(ExceptionGroup) as group:
        own.publish(Tea())
    assert group.value.message == wanted


def test_any_other_class_may_be_a_handler() -> None:
    made: list[object] = []

    class Entry:
        def __init__(self, event: object) -> None:
            made.append(event)

    own = EventBroker()
    own.subscribe(Tea, Entry)
    event = Tea()
    own.publish(event)
    assert made == [event]


def test_an_aggregate_that_is_not_stored_may_be_deleted() -> None:
    run(InMemoryRepository[Any, int]().delete(Basket(id=1)))
    run(InMemoryRepository[Any, int]().delete(Note()))


def test_handlers_that_take_the_event_in_any_way_are_subscribed() -> None:
    handlers: list[Any] = [ring_much, ring_any, Bell().ring, partial(ring_twice, bell=1), is_strong, print, Send()]
    for handler in handlers:
        broker.subscribe(Tea, handler).cancel()


def folds_event_alone(self: object, event: object) -> None: ...


def test_a_registered_handler_says_what_it_takes() -> None:
    class Rows(NamedTuple):
        added: int = 0

    class BasketRows(ChangesHandler[Any, Any]):
        result_type = Rows

        @singledispatchmethod
        def handle_changes(self, event: object, aggregate: object) -> None:
            raise NotImplementedError

    dispatcher: Any = BasketRows.__dict__["handle_changes"]
    dispatcher.register(Basket.Opened, folds_event_alone)
    basket = Basket(id=1)
    basket.add_event(Basket.Opened())

    with pytest.raises(TypeError) as caught:
        BasketRows()(basket)
    assert str(caught.value) == (
        f"{BasketRows.__qualname__}: folds_event_alone, which handles Basket.Opened, takes (self, event); "
        "write def folds_event_alone(self, event: Basket.Opened, aggregate)"
    )
    assert len(basket.get_events()) == 1
