"""Which hooks a story class has: its own registry, and what it inherits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from types import BuiltinMethodType, MethodType
from typing import Any, Final, NamedTuple, TypeAlias

__all__ = ["Callback", "HookRegistration", "HookRegistry", "Hooks", "add", "collect", "new_registry"]

Callback: TypeAlias = Callable[..., Any]  # what a callback returns is None, an awaitable or a generator, by its kind
HookRegistry: TypeAlias = dict[str, list[Callback]]

_CHANGING: Final = Lock()


class Hooks(NamedTuple):
    """Everything that accompanies one run, in order."""

    around_story: tuple[Callback, ...]
    around_step: tuple[Callback, ...]
    before: tuple[Callback, ...]
    after: tuple[Callback, ...]
    error: tuple[Callback, ...]


class HookRegistration:
    """What one call of `inject_hooks` or `register_hook` has added; as a context manager, it removes it at the end."""

    __slots__ = ("_added", "_registry")

    def __init__(self, registry: HookRegistry, added: list[tuple[str, Callback]]) -> None:
        self._registry = registry
        self._added = added

    def remove(self) -> None:
        """Take away what was added, and nothing that was there before; a second time, do nothing."""
        with _CHANGING:
            while self._added:
                kind, callback = self._added.pop()
                kept = [other for other in self._registry[kind] if not _same(other, callback)]
                self._registry[kind][:] = kept

    def __enter__(self) -> HookRegistration:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()


def new_registry() -> HookRegistry:
    """Give a registry with nothing in it: kind to list of callbacks."""
    return defaultdict(list)


def add(registry: HookRegistry, callbacks: Mapping[str, list[Callback]]) -> HookRegistration:
    """Add callbacks by kind; one that is there already is not added again."""
    added: list[tuple[str, Callback]] = []
    with _CHANGING:
        for kind, wanted in callbacks.items():
            for callback in wanted:
                if not any(_same(callback, other) for other in registry[kind]):
                    registry[kind].append(callback)
                    added.append((kind, callback))
    return HookRegistration(registry, added)


def collect(registries: tuple[HookRegistry, ...]) -> Hooks | None:
    """Merge the registries of a class and its bases, the bases' first; None when there is no hook at all."""
    if not any(callbacks for registry in registries for callbacks in list(registry.values())):
        return None
    return Hooks(*(tuple(_merged(registries, kind)) for kind in Hooks._fields))


def _merged(registries: tuple[HookRegistry, ...], kind: str) -> Iterator[Callback]:
    seen: list[Callback] = []
    for registry in registries:
        for callback in tuple(registry.get(kind, ())):
            if not any(_same(callback, other) for other in seen):
                seen.append(callback)
                yield callback


def _same(one: Callback, other: Callback) -> bool:
    """Whether it is one callback: one object, or one method of one object (each access makes a new one of that)."""
    if isinstance(one, MethodType) and isinstance(other, MethodType):
        return one.__self__ is other.__self__ and one.__func__ is other.__func__
    return one is other or (isinstance(one, BuiltinMethodType) and one == other)
