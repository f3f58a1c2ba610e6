"""Comparing objects by all that they hold."""

from __future__ import annotations

from dddkit.testing._description import describe
from dddkit.testing._differences import differences
from dddkit.testing._failing import failure, path_of
from dddkit.testing._rendering import short_name

__all__ = ["assert_same"]

__unittest = True  # what unittest leaves out of its tracebacks


def assert_same(actual: object, expected: object) -> None:
    """Compare two objects by all that they hold; `==` of entities and aggregates compares identities alone.

        assert_same(await orders.get(OrderId(1)), Order(order_id=OrderId(1), lines=[...]))

    Fields count, private and undeclared ones too, and what they hold, to any depth; so do the members of sets and the
    keys of dicts. Classes have to be identical: `1` is not `1.0`, and no `True`. The same instant in another time zone
    is the same, and so are NaN and NaN. The pending events and the versions of aggregates do not count.

    Any objects can be compared: a list of aggregates, an event with its id and time.

    Raises:
        AssertionError: they differ; a line for each place says where, what is there, and what was expected.
    """
    __tracebackhide__ = True
    found = list(differences(path_of(expected), describe(actual), describe(expected)))
    if found:
        raise failure(f"the {short_name(type(expected))} is not as expected", found)
