"""The next state of an aggregate: what it takes over beside the fields."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from dddkit._callables import kind_of
from dddkit._core.identity import identity_of
from dddkit._core.recording import Recording, pending_events
from dddkit._core.versions import carry_versions

__all__ = ["hand_over", "rejected", "validate_changes"]


def rejected(given: object, flavour: str, other: str) -> TypeError:
    """Return the error for what is no aggregate of this flavour."""
    kind = kind_of(given)
    hint = f"; write `from dddkit.{other} import evolve`" if isinstance(given, Recording) else ""
    if isinstance(given, type) and issubclass(given, Recording):
        hint = "; pass an object of it"
    elif not hint and not isinstance(given, type):
        copies = {"__dataclass_fields__": "dataclasses.replace({}, ...)", "model_copy": "{}.model_copy(update=...)"}
        name = type(given).__name__.lower()
        hint = next((f"; write {copy.format(name)}" for mark, copy in copies.items() if hasattr(given, mark)), "")
    return TypeError(f"evolve of dddkit.{flavour} takes one of its Aggregates, and got {kind}{hint}")


def validate_changes(cls: type, changes: Collection[str], fields: Collection[str]) -> None:
    """Raise TypeError for a change of what is no field, or no argument of the constructor."""
    for name in changes:
        if name not in fields:
            raise TypeError(f"evolve: {cls.__qualname__} has no field {name!r} to set; {_hint(name, fields)}")


def hand_over(aggregate: Recording, successor: Recording) -> None:
    """Give the next state the versions of the aggregate, and move the pending events to it.

    Raises:
        ValueError: it has another identity, so it is no state of this aggregate.
    """
    if successor is aggregate:
        return
    identity: Any = identity_of(aggregate)
    if identity is not None and not identity == identity_of(successor):
        raise ValueError(
            f"evolve: the identity of {type(aggregate).__qualname__} stays the same; to make another aggregate, call "
            f"the class"
        )
    carry_versions(aggregate, successor)
    pending = pending_events(aggregate)
    object.__setattr__(successor, "_pending_events", pending)
    object.__setattr__(aggregate, "_pending_events", [])


def _hint(name: str, fields: Collection[str]) -> str:
    from difflib import get_close_matches

    if close := get_close_matches(name, fields, 1):
        return f'did you mean "{close[0]}"?'
    return f"it has {', '.join(fields)}" if fields else "its constructor takes none"
