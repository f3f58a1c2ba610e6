"""What a broker rejects when somebody subscribes: typing objects, names, async predicates."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Generic, Literal, NewType, Optional, ParamSpec, Protocol, TypeVar, Union
from unittest.mock import AsyncMock

import pydantic
import pytest
import typing_extensions

from dddkit.dataclasses import DomainEvent, EventBroker
from tests.blocks.flavours import Flavour, in_both_flavours, run

T = TypeVar("T")
P = ParamSpec("P")


class Happened(DomainEvent):
    pass


class Other(DomainEvent):
    pass


class Changed(DomainEvent, Generic[T]):
    pass


@dataclass
class Secret:
    password: str


generic: Any = Changed  # no checker knows `Changed[T]` here
Bound = TypeVar("Bound", bound=Happened)
Renamed = NewType("Renamed", Happened)
Twice = NewType("Twice", Renamed)
Alias = typing_extensions.TypeAliasType("Alias", Happened)
SECRET = Secret("hunter2")
forward: Any = typing.ForwardRef  # untyped
FORWARD = forward("Happened")


class Data(typing.TypedDict):
    number: int


class Unchecked(Protocol):
    number: int


# A typing object, and what to write instead of it.
REJECTED: dict[str, tuple[Any, str]] = {
    "NewType": (Renamed, "got the NewType Renamed; write Happened"),
    "NewType of NewType": (Twice, "got the NewType Twice; write Happened"),
    "generic alias": (Changed[int], "got Changed\\[int\\]; write Changed"),
    "generic alias of a type variable": (generic[T], "write Changed"),
    "alias of a builtin": (list[int], "write list"),
    "alias in typing": (typing.List, "write list"),  # noqa: UP006
    "alias with parameter in typing": (typing.List[int], "write list"),  # noqa: UP006
    "class of a class": (type[Happened], "write Happened"),
    "class of a class in typing": (typing.Type[Happened], "write Happened"),  # noqa: UP006
    "Union": (Union[Happened, Other], "write @broker.handle(Happened, Other)"),  # noqa: UP007
    "bar": (Happened | Other, "write @broker.handle(Happened, Other)"),
    "bar of an alias": (Changed[int] | Other, "write @broker.handle(Changed, Other)"),
    "Optional": (Optional[Happened], "write Happened"),  # noqa: UP045
    "Literal": (Literal["hunter2"], "write a predicate"),
    "Annotated": (Annotated[Happened, SECRET], "write Happened"),
    "Annotated alias": (Annotated[Changed[int], SECRET], "write Changed"),
    "TypeVar": (T, "write an event class"),
    "bound TypeVar": (Bound, "write Happened"),
    "ParamSpec": (P, "write an event class"),
    "type statement": (Alias, "write Happened"),
    "callable": (Callable[[Happened], None], "write Callable"),
    "Any": (Any, "write object"),
    "special form": (
        getattr(typing_extensions, "Self"),  # noqa: B009  # checkers reject it here
        "write an event class",
    ),
    "function of typing": (typing.NamedTuple, "write an event class"),
    "forward reference": (FORWARD, "write an event class"),
}

each_rejected = pytest.mark.parametrize(("given", "cure"), REJECTED.values(), ids=REJECTED)


def ways_to_subscribe(broker: Any, given: Any) -> dict[str, Callable[[], object]]:
    return {
        "subscribe": lambda: broker.subscribe(given, print),
        "handle": lambda: broker.handle(given)(print),
        "handle, second": lambda: broker.handle(Happened, given)(print),
        "instance": lambda: broker.instance(given)(print),
        "instance, tuple": lambda: broker.instance((Happened, given))(print),
        "register": lambda: broker.register(given)(print),
    }


@each_rejected
@pytest.mark.parametrize("way", ways_to_subscribe(None, None))
def test_fb3_typing_objects_are_rejected_with_what_to_write_instead(given: Any, cure: str, way: str) -> None:
    broker = EventBroker(unhandled="ignore")
    with pytest.raises(TypeError, match=rf"^{way.partition(',')[0]} takes .* got ") as error:
        ways_to_subscribe(broker, given)[way]()
    if way.startswith(("handle", "instance", "subscribe")):
        error.match(cure.replace("(", r"\(").replace(")", r"\)"))
    assert "hunter2" not in str(error.value)
    broker.publish(Happened())


@each_rejected
def test_fb3_typing_objects_are_rejected_as_handlers(given: Any, cure: str) -> None:
    broker: Any = EventBroker(unhandled="ignore")
    ways: list[Callable[[], object]] = [
        lambda: broker.subscribe(Happened, given),
        lambda: broker.subscribe(callable, given),
        lambda: broker.handle(Happened)(given),
        lambda: broker.instance(Happened)(given),
        lambda: broker.register(callable)(given),
    ]
    for subscribe in ways:
        with pytest.raises(TypeError, match="a handler is called with the event, and ") as error:
            subscribe()
        assert "hunter2" not in str(error.value)
    broker.publish(Happened())


@in_both_flavours
def test_fb3_a_new_type_of_an_event_is_rejected_in_both_flavours(flavour: type[Flavour]) -> None:
    names: dict[str, Any] = {"NewType": NewType}  # no checker knows the class
    placed = names["NewType"]("placed", flavour.Placed)
    with pytest.raises(TypeError, match=rf"got the NewType placed; write {flavour.__name__}\.Placed"):
        flavour.blocks.EventBroker().subscribe(placed, print)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no type statement")
def test_fb3_a_type_statement_is_rejected_whatever_it_stands_for() -> None:
    names = run(
        """
        class Event: ...
        type Plain = Event
        type Several = Event | int
        type Unknown = Missing
        """
    )
    for name, cure in (
        ("Plain", "write Event"),
        ("Several", r"write @broker\.handle\(Event, int\)"),
        ("Unknown", "write an event class"),
    ):
        with pytest.raises(TypeError, match=f"got the type alias {name}.*{cure}"):
            EventBroker().subscribe(names[name], print)


def test_fb3_classes_that_isinstance_rejects_are_rejected_when_subscribing() -> None:
    for given, cure in ((Data, "write dict, or a predicate"), (Unchecked, "runtime_checkable")):
        broker: Any = EventBroker()
        for way in ("subscribe", "handle", "instance"):
            with pytest.raises(TypeError, match=f"{way} takes .* got {given.__name__}[;,] .*{cure}"):
                ways_to_subscribe(broker, given)[way]()


def test_fb3_an_instance_is_rejected_without_showing_its_values() -> None:
    broker: Any = EventBroker()
    for way, subscribe in ways_to_subscribe(broker, SECRET).items():
        with pytest.raises(TypeError, match=r"got .*an instance of Secret") as error:
            subscribe()
        assert "hunter2" not in str(error.value), way
    with pytest.raises(TypeError, match="and an instance of Secret cannot be called"):
        broker.subscribe(Happened, SECRET)
    with pytest.raises(TypeError, match=r"and got an instance of str; write the class itself, and not its name$"):
        broker.subscribe("not a name: hunter2", print)


def test_fb3_generic_classes_and_their_children_are_event_classes() -> None:
    class IntChanged(Changed[int]):
        pass

    class Model(pydantic.BaseModel, Generic[T]):
        value: T

    class Number(typing.NamedTuple):
        number: int

    broker, seen = EventBroker(), list[object]()
    for event_class in (Changed, Model[int], Number):
        broker.subscribe(event_class, seen.append)
    events = [IntChanged(), Model[int](value=1), Number(1)]
    for event in events:
        broker.publish(event)
    assert seen == events


async def is_wanted(event: object) -> bool:
    return False


def wanted(event: object) -> typing.Iterator[bool]:
    yield False


@pytest.mark.parametrize("predicate", [is_wanted, partial(is_wanted), AsyncMock(), wanted, partial(wanted)])
def test_fb3_a_predicate_that_would_be_true_of_every_event_is_rejected(predicate: Any) -> None:
    broker = EventBroker()
    for subscribe in (lambda: broker.subscribe(predicate, print), lambda: broker.register(predicate)(print)):
        with pytest.raises(TypeError, match=r"a predicate returns a bool, and .* (is async|is a generator)"):
            subscribe()
