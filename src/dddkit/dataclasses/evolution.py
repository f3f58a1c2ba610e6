"""The next state of an aggregate that is a dataclass."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, cast

from dddkit._annotations import is_class_var
from dddkit._core.evolution import hand_over, rejected, validate_changes
from dddkit._core.identity import identity_of
from dddkit.dataclasses.aggregates import Aggregate

__all__ = ["evolve"]

A = TypeVar("A", bound=Aggregate)


def evolve(aggregate: A, /, **changes: Any) -> A:  # Any: the values of the fields
    """Return the next state of an aggregate: with these changes, made and validated as its class makes one.

        def add(self, item: Item) -> Basket:
            basket = evolve(self, items=(*self.items, item))
            basket.add_event(self.ItemAdded(item=item))
            return basket

    For frozen aggregates, which cannot change. A repository takes what is returned for the object that was read; the
    pending events move to it, and the given one has none any more. If making it fails, nothing has changed.

    The class is called with all fields, those that stay the same included. What is no argument of it (a field with
    `init=False`) gets its value as in any construction; only the identity stays. Events that the construction itself
    records are dropped. A class that is no dataclass is asked through its `__replace__`.

    Raises:
        TypeError: it has no such field, or none that the constructor takes; it is no Aggregate of this flavour.
        ValueError: the identity would change.
    """
    if not isinstance(aggregate, Aggregate):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
        raise rejected(aggregate, "dataclasses", "pydantic")
    successor = _replaced(aggregate, changes)
    hand_over(aggregate, successor)
    return successor


def _replaced(aggregate: A, changes: dict[str, Any]) -> A:
    cls: Any = type(aggregate)
    own_replace = getattr(cls, "__replace__", None)
    if own_replace is not None and own_replace.__module__ != "dataclasses":
        replaced: A = own_replace(aggregate, **changes)
        return replaced
    declared: dict[str, dataclasses.Field[Any]] | None = getattr(cls, "__dataclass_fields__", None)
    if declared is None:
        raise TypeError(
            f"evolve: {cls.__qualname__} is no dataclass; decorate it with {cls.__decorator__}, or write its "
            f"__replace__(self, /, **changes)"
        )
    arguments = [name for name, field in declared.items() if field.init and not is_class_var(field.type, cls)]
    validate_changes(cls, changes, arguments)
    made: Any = dataclasses.replace(cast("Any", aggregate), **changes)
    for name in cls.__identity__:
        if name in declared and name not in arguments:  # a new object would get a new one
            object.__setattr__(made, name, identity_of(aggregate))
    evolved: A = made
    return evolved
