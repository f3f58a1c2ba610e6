"""The next state of an aggregate that is a pydantic model."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic.fields import FieldInfo

from dddkit._core.evolution import hand_over, rejected, validate_changes
from dddkit.pydantic.aggregates import Aggregate

__all__ = ["evolve"]

A = TypeVar("A", bound=Aggregate)


def evolve(aggregate: A, /, **changes: Any) -> A:  # Any: the values of the fields
    """Return the next state of an aggregate: with these changes, by the names of the fields, and validated as a whole.

        def add(self, item: Item) -> Basket:
            basket = evolve(self, items=(*self.items, item))
            basket.add_event(self.ItemAdded(item=item))
            return basket

    For frozen aggregates, which cannot change. A repository takes what is returned for the object that was read; the
    pending events move to it, and the given one has none any more. If making it fails, nothing has changed.

    All fields are validated, those that stay the same included. Private attributes get their values as in any
    construction. Events that the construction itself records are dropped.

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
    values: dict[str, Any] = {**(aggregate.model_extra or {})}
    for name, value in {**_values_to_pass(aggregate, fields), **changes}.items():
        _put(values, name, fields[name].validation_alias if by_alias and name in fields else None, value)
    successor = cls.model_validate(values)
    given = successor.model_fields_set
    given &= {*aggregate.model_fields_set, *changes, *(given - fields.keys())}
    hand_over(aggregate, successor)
    return successor


def _values_to_pass(aggregate: BaseModel, fields: dict[str, FieldInfo]) -> dict[str, Any]:
    """Return the values of the fields; without defaults, which pydantic does not validate."""
    given = aggregate.model_fields_set
    stored = {name: value for name, value in aggregate.__dict__.items() if name in fields}
    return {name: value for name, value in stored.items() if name in given or value is not fields[name].default}


def _put(values: dict[str, Any], name: str, alias: str | AliasPath | AliasChoices | None, value: object) -> None:
    """Put the value where the constructor looks for it."""
    while isinstance(alias, AliasChoices):
        alias = alias.choices[0]
    *outer, last = alias.path if isinstance(alias, AliasPath) else [alias or name]
    node: dict[Any, Any] = values
    for step in outer:
        node = node.setdefault(step, {})
    node[last] = value
