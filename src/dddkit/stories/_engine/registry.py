"""Which hooks a story class has: its own registry, and what it inherits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import Lock
from typing import Any, Final, NamedTuple, TypeAlias, cast

from dddkit._callables import are_same, kind_of
from dddkit._typing import Self
from dddkit.stories._engine.equality import do_the_same

__all__ = [
    "Callback",
    "HookRegistration",
    "HookRegistry",
    "Hooks",
    "Registry",
    "add",
    "collect",
]

Callback: TypeAlias = Callable[..., Any]  # what a callback returns is None, an awaitable or a generator, by its kind
HookRegistry: TypeAlias = dict[str, list[Callback]]

_CHANGING: Final = Lock()


class Hooks(NamedTuple):
    """All hooks of one run, in order."""

    around_story: tuple[Callback, ...] = ()
    around_step: tuple[Callback, ...] = ()
    before: tuple[Callback, ...] = ()
    after: tuple[Callback, ...] = ()
    error: tuple[Callback, ...] = ()


class HookRegistration:
    """The hooks that one call of `inject_hooks` or `register_hook` has added; a context manager that removes them."""

    __slots__ = ("_added", "_registry")

    def __init__(self, registry: HookRegistry, added: list[tuple[str, Callback]]) -> None:
        self._registry = registry
        self._added = added

    def remove(self) -> None:
        """Remove the hooks that were added, and none that was there before; the second call does nothing."""
        with _CHANGING:
            while self._added:
                kind, callback = self._added.pop()
                callbacks = self._registry.get(kind, [])
                callbacks[:] = [other for other in callbacks if not are_same(other, callback)]

    def __enter__(self) -> HookRegistration:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()


class Registry(dict[str, "list[Callback]"]):
    """A class's own hooks, kind to list of callbacks; it notifies its class whenever they change.

    So no run has to compare them, which would take as long as two steps.
    """

    __slots__ = ("listeners",)

    def __init__(self, callbacks: Mapping[str, Iterable[Callback]]) -> None:
        super().__init__(self._to_callbacks(callbacks))
        self.listeners: Final[list[Callable[[], object]]] = []

    def notify(self) -> None:
        for listener in tuple(self.listeners):
            listener()

    def _to_callbacks(self, given: Mapping[str, object]) -> dict[str, list[Callback]]:
        own: dict[str, list[Callback]] = {}
        for kind, callbacks in given.items():
            if not isinstance(callbacks, Iterable):
                raise TypeError(f"__step_hooks__[{kind!r}] is a list of hooks, and not {kind_of(callbacks)}")
            own[kind] = Callbacks(self, cast("Iterable[Callback]", callbacks))
        return own

    def __missing__(self, kind: str) -> list[Callback]:
        self[kind] = ()
        return self[kind]

    def __setitem__(self, kind: str, callbacks: Iterable[Callback]) -> None:
        self.update({kind: callbacks})

    def setdefault(self, kind: str, default: Iterable[Callback] = ()) -> list[Callback]:
        if kind not in self:
            self[kind] = default
        return self[kind]

    def update(self, *others: Any, **more: Any) -> None:  # whatever a dict takes
        super().update(self._to_callbacks(dict(*others, **more)))
        self.notify()

    def __ior__(self, other: Any) -> Self:  # type: ignore[override,misc]  # whatever a dict takes
        self.update(other)
        return self


class Callbacks(list[Callback]):
    """The callbacks of one kind in a registry."""

    __slots__ = ("_registry",)

    def __init__(self, registry: Registry, callbacks: Iterable[Callback]) -> None:
        super().__init__(callbacks)
        self._registry: Final = registry

    def notify(self) -> None:
        self._registry.notify()


def _notifying(cls: type, name: str) -> Callable[..., Any]:
    """Return a method of `list` or `dict` that notifies the class of the hooks after the change."""
    change = getattr(cls, name)

    def method(self: Registry | Callbacks, *arguments: Any, **named: Any) -> Any:
        try:
            return change(self, *arguments, **named)
        finally:
            self.notify()

    return method


for _name in ("__delitem__", "clear", "pop", "popitem"):
    setattr(Registry, _name, _notifying(dict, _name))
for _name in ("__delitem__", "__iadd__", "__imul__", "__setitem__", "append", "clear", "extend", "insert", "pop"):
    setattr(Callbacks, _name, _notifying(list, _name))
for _name in ("remove", "reverse", "sort"):
    setattr(Callbacks, _name, _notifying(list, _name))


def add(registry: HookRegistry, callbacks: Mapping[str, list[Callback]]) -> HookRegistration:
    """Add callbacks by kind; one that is known already is not added again."""
    added: list[tuple[str, Callback]] = []
    with _CHANGING:
        for kind, wanted in callbacks.items():
            known = list(registry.get(kind, ()))
            new = [callback for callback in wanted if _add_new(known, callback)]
            if new:
                registry[kind].extend(new)
                added += [(kind, callback) for callback in new]
    return HookRegistration(registry, added)


def _add_new(known: list[Callback], callback: Callback) -> bool:
    """Append a callback that is not known yet; return whether it was new."""
    is_new = not any(are_same(callback, other) for other in known)
    if is_new:
        known.append(callback)
    return is_new


def collect(registries: Iterable[HookRegistry]) -> Hooks | None:
    """Merge the registries of a class and its bases, the bases' first; None when there is no hook at all."""
    hooks = Hooks(*(tuple(_merged(registries, kind)) for kind in Hooks._fields))
    return hooks if any(hooks) else None


def _merged(registries: Iterable[HookRegistry], kind: str) -> Iterator[Callback]:
    seen: list[Callback] = []
    for registry in registries:
        for callback in registry.get(kind, ()):
            if not any(do_the_same(other, callback, Hooks._fields) for other in seen):
                seen.append(callback)
                yield callback
