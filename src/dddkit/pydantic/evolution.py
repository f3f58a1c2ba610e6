"""The next state of an aggregate that is a pydantic model."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dddkit._core.evolution import hand_over, rejected, validate_changes
from dddkit.pydantic._revalidation import made_with, plain_alias
from dddkit.pydantic.aggregates import Aggregate

__all__ = ["evolve"]

A = TypeVar("A", bound=Aggregate)


def evolve(aggregate: A, /, **changes: Any) -> A:  # Any: the values of the fields
    """Return the next state of an aggregate: with these changes, by the names of the fields.

        def add(self, item: Item) -> Basket:
            basket = evolve(self, items=(*self.items, item))
            basket.add_event(self.ItemAdded(item=item))
            return basket

    For frozen aggregates, which cannot change. A repository takes what is returned for the object that was read; the
    pending events move to it, and the given one has none any more. If making it fails, nothing has changed.

    The changes are validated, and the model validators run: one with `mode="before"` gets each value by its plain
    alias, else by the name of its field. Values that stay the same are taken as they are, since a type like `Json`
    rejects what it has made of a value; so write a rule about several fields as a model validator. Private attributes
    get their values as in any construction. Events that the construction itself records are dropped.

    Raises:
        TypeError: it has no such field; it is no Aggregate of this flavour.
        ValueError: the identity would change.
        pydantic.ValidationError: a validator rejects it.
    """
    cls = type(aggregate)
    if not isinstance(aggregate, Aggregate):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
        raise rejected(aggregate, "pydantic", "dataclasses")
    fields = cls.model_fields
    if cls.model_config.get("extra") != "allow":
        validate_changes(cls, changes, fields)
    by_alias = cls.model_config.get("validate_by_alias", True)
    kept = {**(aggregate.model_extra or {}), **_values_to_pass(aggregate, fields)}
    values = {
        (by_alias and name in fields and plain_alias(fields[name].validation_alias)) or name: value
        for name, value in {**kept, **changes}.items()
    }
    kept = {name: value for name, value in kept.items() if name not in changes}
    successor = made_with(cls, values, kept)
    given = successor.model_fields_set
    given &= {*aggregate.model_fields_set, *changes, *(given - fields.keys())}
    hand_over(aggregate, successor)
    return successor


def _values_to_pass(aggregate: BaseModel, fields: dict[str, FieldInfo]) -> dict[str, Any]:
    """Return the values of the fields; without defaults, so that a validator sees what was given."""
    given = aggregate.model_fields_set
    stored = {name: value for name, value in aggregate.__dict__.items() if name in fields}
    return {name: value for name, value in stored.items() if name in given or value is not fields[name].default}
