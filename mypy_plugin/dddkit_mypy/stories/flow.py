"""Which attributes of the state a step reads and sets: at a point of the step, and in all of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from mypy.nodes import Context


class Flow(NamedTuple):
    """How a step uses the attributes of its state. Its values fit into mypy's cache."""

    opaque: bool
    """Whether more may happen to the state than the plugin can see."""
    reads: dict[str, list[int]]
    """The attributes read before the step can have set them, with the location of the first read of each."""
    sets: list[str]
    """The attributes set, in at least one branch."""
    used: list[str]
    """All attributes that are read or set; a property of the State among them runs code of its own."""


def location_of(read: list[int]) -> Context:
    """Return the location of a read in a Flow."""
    location = Context()
    location.set_line(read[0], read[1], read[2], read[3])
    return location


def without_locations(flows: dict[str, Any]) -> str:
    """Return flows by step as a text, which changes when the diagnostics of subclasses may change."""
    return repr([(name, opaque, sorted(reads), sets, used) for name, (opaque, reads, sets, used) in flows.items()])


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
