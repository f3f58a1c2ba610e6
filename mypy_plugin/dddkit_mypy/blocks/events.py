"""The events that an aggregate declares."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from operator import itemgetter
from typing import Final, NamedTuple

from mypy.nodes import TypeInfo

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api


class Nested(NamedTuple):
    """A class declared in the body of another class."""

    name: str
    """Its name where the other class is declared, as in `Basket.ItemAdded`."""
    info: TypeInfo


def nested_classes(owner: TypeInfo) -> Iterator[Nested]:
    """Yield the classes in the bodies of a class and its bases, at any depth, without shadowed ones."""
    seen: set[str] = set()
    for base in owner.mro:
        if not mypy_api.is_never_edited(base):
            yield from _nested_in_body(base, base.name, seen)
            seen.update(base.names)


def _nested_in_body(owner: TypeInfo, qualified: str, seen: Collection[str] = ()) -> Iterator[Nested]:
    inside = [(name, symbol.node) for name, symbol in owner.names.items() if isinstance(symbol.node, TypeInfo)]
    for name, node in sorted(inside, key=itemgetter(0)):  # mypy's cache has them in this order
        if node.name == name and name not in seen:
            found = Nested(f"{qualified}.{name}", node)
            yield found
            if not node.has_base(names.RECORDING):  # another aggregate
                yield from _nested_in_body(node, found.name)


def has_constructor_by_hand(event: TypeInfo) -> bool:
    """Whether code of the user runs when an object of an event class is made, or may run."""
    meta = event.metaclass_type
    if event.fallback_to_any or (meta is not None and meta.type.fullname not in _METACLASSES):
        return True
    own = [base for base in event.mro if not mypy_api.is_never_edited(base)]
    symbols = [base.names[name] for base in own for name in _CONSTRUCTORS if name in base.names]
    return not all(symbol.plugin_generated for symbol in symbols)


_METACLASSES: Final = ("builtins.type", "abc.ABCMeta", "pydantic._internal._model_construction.ModelMetaclass")
_CONSTRUCTORS: Final = (
    "__new__",
    "__init__",
    "__post_init__",
    "__attrs_pre_init__",
    "__attrs_post_init__",
    "model_post_init",
)


def recorded_events(aggregate: TypeInfo) -> Iterator[Nested]:
    """Yield the events that an aggregate declares and records: those that are not bases of others."""
    events = [nested for nested in nested_classes(aggregate) if nested.info.has_base(names.RECORDABLE)]
    bases = {base for event in events for base in event.info.mro[1:]}
    for event in events:
        if event.info not in bases and not mypy_api.is_abstract(event.info):
            yield event
