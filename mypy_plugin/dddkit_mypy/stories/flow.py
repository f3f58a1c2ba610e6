"""Which attributes of the state a step reads and sets: at a point of the step, and in all of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, NamedTuple

from mypy.nodes import Context, TypeInfo, Var


class Read(NamedTuple):
    """A read of an attribute that the step itself has not surely set before."""

    location: list[int]
    asked: list[str]
    """The attributes that decide whether it runs, in a condition around it or before it.

    Those with a `LOOSE` before the name decide less surely: the collection of a loop, an argument of a call.
    """
    updates: bool
    """Whether it is a part of setting the same attribute, as in `state.n += 1`."""


LOOSE: Final = "*"


class Flow(NamedTuple):
    """How a step uses the attributes of its state. Its values fit into mypy's cache."""

    opaque: bool
    """Whether more may happen to the state than the plugin can see."""
    reads: dict[str, list[Any]]
    """The attributes read before the step can have set them: for each, the values of its Reads in order.

    Of those that the same attributes decide, the first.
    """
    sets: Collection[str]
    """The attributes set, in at least one branch."""
    updates: Collection[str]
    """Those of them that are only set from the value they have, as by `state.n += 1`."""
    changed: Collection[str]
    """The attributes whose objects may be changed: something in them is assigned, or a method of them called."""
    handed_on: Collection[str]
    """The attributes whose objects, or parts of these, are handed to other code, which may change them."""
    used: Collection[str]
    """All attributes that are read or set; a property of the State among them runs code of its own."""


def is_visible(flow: Flow, state: TypeInfo) -> bool:
    """Whether nothing more can happen to the state in a step than its flow says."""
    return not flow.opaque and all(_is_stored(state, used) for used in flow.used)


def _is_stored(state: TypeInfo, name: str) -> bool:
    """Whether no code runs when an attribute of the State is read, called or set."""
    symbol = state.get(name)
    return symbol is not None and isinstance(symbol.node, Var) and not symbol.node.is_property


def first_values(flow: Flow) -> set[str]:
    """Return the attributes that a step sets, whatever they were before."""
    return set(flow.sets).difference(flow.updates)


def location_of(read: Read) -> Context:
    """Return the location of a read."""
    location = Context()
    location.set_line(*read.location)
    return location


def without_locations(flows: dict[str, Any]) -> str:
    """Return flows by step as a text, which changes when the diagnostics of subclasses may change."""
    return repr(
        [
            (name, opaque, sorted((read, [found[1:] for found in reads[read]]) for read in reads), rest)
            for name, (opaque, reads, *rest) in flows.items()
        ]
    )


class Point(NamedTuple):
    """The attributes set before a point of the step.

    A read of an attribute that is not set ends the run. So a path on which it is not set ends at its first read, and
    only paths on which it is set reach what follows.
    """

    maybe: frozenset[str]
    """The attributes that some path to this point has set."""
    surely: frozenset[str]
    """The attributes that every path to this point has set, or it would have ended."""

    def joined(self, other: Point | None) -> Point:
        """Return the point where two paths meet."""
        return self if other is None else Point(self.maybe | other.maybe, self.surely & other.surely)


def join(*points: Point | None) -> Point | None:
    """Return the point where several paths meet; None stands for a path that never reaches it."""
    found: Point | None = None
    for point in points:
        if point is not None:
            found = point.joined(found)
    return found


class Loop:
    """The paths that leave the body of a loop by `continue` or `break`."""

    def __init__(self) -> None:
        self.continued: Point | None = None
        self.broken: Point | None = None
