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
    records are dropped. A class of attrs evolves by the arguments that it takes, and one with a `__replace__` of its
    own by that.

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
    if own_replace is not None and not _is_generated(own_replace):
        replaced: A = own_replace(aggregate, **changes)
        return replaced
    by_attrs, fields = _fields_of(cls)
    arguments = {argument: name for name, argument in fields.items() if argument}
    for name in changes:
        if name in fields and fields[name] is None:
            raise TypeError(f"evolve: the constructor of {cls.__qualname__} does not take {name!r}; leave it out")
    validate_changes(cls, changes, arguments)
    made: Any
    if by_attrs:
        made = cls(**{argument: getattr(aggregate, name) for argument, name in arguments.items()} | changes)
    else:
        made = dataclasses.replace(cast("Any", aggregate), **changes)
    for name in cls.__identity__:
        if name in fields and not fields[name]:  # a new object would get a new one
            object.__setattr__(made, name, identity_of(aggregate))
    evolved: A = made
    return evolved


def _is_generated(method: Any) -> bool:
    """Return whether a decorator has made it, as from Python 3.13 on."""
    return getattr(method, "__globals__", {}).get("__name__") in ("dataclasses", "attr._make")


def _fields_of(cls: Any) -> tuple[bool, dict[str, str | None]]:
    """Return whether attrs has made the class, and by field the argument that the constructor takes for it, if any."""
    for base in cls.__mro__:
        if "__attrs_attrs__" in base.__dict__:
            attributes: Any = base.__attrs_attrs__
            return True, {field.name: field.alias if field.init else None for field in attributes}
        if "__dataclass_fields__" in base.__dict__:
            declared: dict[str, dataclasses.Field[Any]] = base.__dataclass_fields__
            return False, {
                name: name if field.init and not is_class_var(field.type, cls) else None
                for name, field in declared.items()
            }
    raise TypeError(
        f"evolve: {cls.__qualname__} is no dataclass; decorate it with {cls.__decorator__}, or write its "
        f"__replace__(self, /, **changes)"
    )
