"""What a broker keeps: who wants which events, and, for each class of events, who may want those."""

from __future__ import annotations

from abc import ABC, ABCMeta
from typing import TYPE_CHECKING, Any, Final, final

from dddkit._awaitables import is_async
from dddkit._callables import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    from dddkit._core.handlers import Handler

    Predicate: TypeAlias = Callable[[Any], bool]

__all__ = ["Entry", "Plan", "instance_of", "is_plain_class", "order_of"]


@final
class Entry:
    """A subscription as the broker keeps it, in the bucket of all that want the same class, or have a predicate."""

    __slots__ = ("bucket", "handler", "handler_id", "is_async", "order", "predicate", "wanted_id")

    def __init__(
        self, wanted: Handler, handler: Handler, predicate: Predicate, order: int, bucket: dict[int, Entry]
    ) -> None:
        self.wanted_id: Final = key_of(wanted)
        self.handler: Final = handler
        self.handler_id: Final = key_of(handler)
        self.is_async: Final = is_async(handler)
        self.predicate: Final = predicate
        self.order: Final = order
        self.bucket: Final = bucket
        bucket[order] = self


@final
class Plan:
    """Who may want the events of one concrete class, worked out once."""

    __slots__ = ("candidates", "chosen", "distinct", "handlers", "sync")

    def __init__(self, candidates: Sequence[Entry], *, conditional: bool, simple: bool) -> None:
        self.candidates: Final = [(candidate.predicate, candidate) for candidate in candidates]
        self.distinct: Final = len({candidate.handler_id for candidate in candidates}) == len(candidates)
        self.chosen: Final = None if conditional else _each_once(candidates)
        # The short ways: the bare handlers where every event of the class goes to the same ones.
        self.handlers: tuple[Handler, ...] | None = None
        self.sync: tuple[Handler, ...] | None = None
        if self.chosen and simple:
            self.handlers = tuple(chosen.handler for chosen in self.chosen)
            if not any(chosen.is_async for chosen in self.chosen):
                self.sync = self.handlers

    def choose(self, event: object) -> Sequence[Entry]:
        if self.chosen is not None:
            return self.chosen
        chosen = [candidate for wants, candidate in self.candidates if wants(event)]
        return chosen if self.distinct else _each_once(chosen)


def is_plain_class(wanted: type) -> bool:
    """Whether its subclasses are those that list it in their MRO: others may be registered, or fit a protocol."""
    if not isinstance(wanted, ABCMeta):
        return True
    is_first = all(base is ABC or not isinstance(base, ABCMeta) for base in wanted.__bases__)
    return not (is_first or wanted.__abstractmethods__ or getattr(wanted, "_is_protocol", False))


def instance_of(event_class: type) -> Predicate:
    if not is_plain_class(event_class):
        isinstance(None, event_class)  # a protocol that cannot be asked says so now
    return lambda event: isinstance(event, event_class)


def order_of(entry: Entry) -> int:
    return entry.order


def _each_once(entries: Iterable[Entry]) -> list[Entry]:
    first: dict[object, Entry] = {}
    for entry in entries:
        first.setdefault(entry.handler_id, entry)
    return list(first.values())
