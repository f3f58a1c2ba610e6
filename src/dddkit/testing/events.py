"""Comparing events by what they say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from dddkit._callables import kind_of
from dddkit._core.events import AnyAggregateEvent, AnyDomainEvent
from dddkit._core.recording import Recording
from dddkit.testing._description import Description, describe
from dddkit.testing._differences import Difference, differences
from dddkit.testing._failing import failure

__all__ = ["assert_events", "describe_events", "differences_of", "summary_of", "validate_expected"]

__unittest = True  # what unittest leaves out of its tracebacks

_OF_DOMAIN_EVENTS: Final = ("id", "occurred_on")
_OF_AGGREGATE_EVENTS: Final = ("occurred_on",)


def assert_events(events: Iterable[object], *expected: object) -> None:
    """Compare events by what they say, in their order.

        assert_events(order.get_events(), Order.Placed(order_id=OrderId(1)))

    What each event gets anew does not count: `occurred_on`, and the `id` of a DomainEvent. An `id` of an
    AggregateEvent's own is data, and counts. Else the events are compared as `assert_same` does: by class and by all
    fields. Of other objects that you publish, everything counts.

    Args:
        events: what has happened, such as `order.get_events()`, or what `recorded` yields.
        expected: the events that should have; none, where nothing should.

    Raises:
        AssertionError: they differ; a line for each place says where, what is there, and what was expected.
        TypeError: these are no events: an aggregate, a class, a list among the expected ones.
    """
    __tracebackhide__ = True
    if isinstance(events, Recording):
        hint = "write assert_events(aggregate.get_events(), ...)"
        raise TypeError(f"assert_events takes events, and got the aggregate {type(events).__qualname__}; {hint}")
    if isinstance(events, (AnyDomainEvent, AnyAggregateEvent)):  # a model can be iterated over
        hint = "write assert_events([event], ...)"
        raise TypeError(f"assert_events takes a list of events, and got the event {type(events).__qualname__}; {hint}")
    if isinstance(events, type) or not hasattr(events, "__iter__"):
        raise TypeError(f"assert_events takes a list of events, such as order.get_events(), and got {kind_of(events)}")
    validate_expected("assert_events", expected)
    found = list(events)
    if different := list(differences_of(found, expected)):
        raise failure(summary_of(found, expected), different)


def summary_of(events: Sequence[object], expected: Sequence[object]) -> str:
    """Return what is wrong with the events as a whole."""
    count = "1 event" if len(events) == 1 else f"{len(events) or 'no'} events"
    return "the events are not as expected" if len(events) == len(expected) else f"{count}, expected {len(expected)}"


def differences_of(events: Sequence[object], expected: Sequence[object]) -> Iterator[Difference]:
    """Yield in what the events differ from the expected ones."""
    return differences("events", describe_events(events), describe_events(expected))


def describe_events(events: Sequence[object]) -> Description:
    """Take the events apart, without what each of them gets anew."""
    return describe(list(events), _left_out_of)


def validate_expected(caller: str, expected: Sequence[object]) -> None:
    """Raise TypeError for what is no event, and would only look as if it were another one."""
    __tracebackhide__ = True
    for event in expected:
        if isinstance(event, type):
            raise TypeError(f"{caller} takes events, and got {kind_of(event)}; write {event.__qualname__}(...)")
        if type(event) in (list, tuple):  # a named tuple may be an event
            raise TypeError(f"{caller} takes the expected events one by one, and got {kind_of(event)}; write *[...]")


def _left_out_of(event: object) -> Collection[str]:
    if isinstance(event, AnyDomainEvent):
        return _OF_DOMAIN_EVENTS
    return _OF_AGGREGATE_EVENTS if isinstance(event, AnyAggregateEvent) else ()
