"""Which hooks a story class has: its own registry, and what it inherits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from typing import Any, Final, NamedTuple, TypeAlias, cast
from weakref import ref

from dddkit._callables import are_same, kind_of
from dddkit._typing import Self
from dddkit.stories._engine.equality import do_the_same, role_of
from dddkit.stories._engine.lock import LOCK

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

# A finalizer or a signal handler may change the hooks while the same thread changes them. So a change that takes
# several lines ends with one that looks at the version and does one operation of `list`; or it starts again.
_VERSIONS: Final = count()
_append: Final[Callable[[list[Callback], Callback], object]] = list[Callback].append
_assign: Final[Callable[[list[Callback], slice, list[Callback]], object]] = list[Callback].__setitem__
_EVERYTHING: Final = slice(None)


class Hooks(NamedTuple):
    """All hooks of one run, in order."""

    around_story: tuple[Callback, ...] = ()
    around_step: tuple[Callback, ...] = ()
    before: tuple[Callback, ...] = ()
    after: tuple[Callback, ...] = ()
    error: tuple[Callback, ...] = ()
    around_compensation: tuple[Callback, ...] = ()


class HookRegistration:
    """The hooks that one call of `inject_hooks` or `register_hook` has added; a context manager that removes them."""

    __slots__ = ("_added", "_registry")

    def __init__(self, registry: HookRegistry, added: list[tuple[str, Callback]]) -> None:
        self._registry = registry
        self._added = added

    def remove(self) -> None:
        """Remove the hooks that were added, and none that was there before; the second call does nothing."""
        with LOCK:
            for kind, callback in tuple(self._added):
                callbacks = self._registry.get(kind)
                if isinstance(callbacks, Callbacks):
                    callbacks.discard(callback)
            self._added.clear()

    def __enter__(self) -> HookRegistration:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()


class Registry(dict[str, "list[Callback]"]):
    """Hooks of a class, kind to list of callbacks; it notifies the classes that use it whenever they change.

    So no run has to compare them, which would take as long as two steps. The list of a kind stays the same object, so
    that nothing is lost that another thread appends to it.
    """

    __slots__ = ("_watchers",)

    def __init__(self, callbacks: Mapping[str, Iterable[Callback]]) -> None:
        super().__init__()
        self._watchers: Final[list[tuple[ref[type], Callable[[type], object]]]] = []
        if callbacks:
            self.update(callbacks)

    def watch(self, cls: type, notify: Callable[[type], object]) -> None:
        """Call `notify(cls)` after each change, as long as the class lives."""
        with LOCK:
            known = [watched() for watched, _ in tuple(self._watchers)]
            if not any(other is cls for other in known):
                self._watchers.append((ref(cls), notify))
            if None in known:  # the first of the two classes that `dataclass(slots=True)` makes
                self.notify()

    def notify(self) -> None:
        for watcher in tuple(self._watchers):
            watched, notify = watcher
            cls = watched()
            if cls is not None:
                notify(cls)
            elif watcher in self._watchers:
                self._watchers.remove(watcher)

    def update(self, *others: Any, **more: Any) -> None:  # whatever a dict takes
        given = dict[str, object](*others, **more)
        for kind, callbacks in given.items():
            _check_kind(kind)
            if not isinstance(callbacks, Iterable):
                raise TypeError(f"__step_hooks__[{kind!r}] is a list of hooks, and not {kind_of(callbacks)}")
        for kind, callbacks in given.items():
            own = self[kind]
            if callbacks is not own:  # as it is after `registry[kind] += [hook]`
                own[:] = cast("Iterable[Callback]", callbacks)

    def __missing__(self, kind: str) -> list[Callback]:
        _check_kind(kind)
        return super().setdefault(kind, Callbacks(self))

    def __setitem__(self, kind: str, callbacks: Iterable[Callback]) -> None:
        self.update({kind: callbacks})

    def setdefault(self, kind: str, default: Iterable[Callback] = ()) -> list[Callback]:
        with LOCK:
            if kind not in self:
                self[kind] = default
            return self[kind]

    def __ior__(self, other: Any) -> Self:  # type: ignore[override,misc]  # whatever a dict takes
        self.update(other)
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """Copies and pickles have the same hooks, and no class that uses them yet."""
        return (
            Registry,
            (dict[str, "list[Callback]"](),),
            None,
            None,
            iter([(kind, list(callbacks)) for kind, callbacks in self.items()]),
        )


class Callbacks(list[Callback]):
    """The callbacks of one kind in a registry."""

    __slots__ = ("_registry", "_version")

    def __init__(self, registry: Registry) -> None:
        super().__init__()
        self._registry: Final = registry
        self._version = next(_VERSIONS)

    def notify(self) -> None:
        self._version = next(_VERSIONS)
        self._registry.notify()

    def add(self, callback: Callback) -> bool:
        """Add a callback; return False where it is known already."""
        with LOCK:
            while True:
                version = self._version
                if any(are_same(callback, other) for other in tuple(self)):
                    return False
                if self._version == version and _append(self, callback) is None:
                    break
            self.notify()
            return True

    def discard(self, callback: Callback) -> None:
        """Remove a callback, if it is there."""
        with LOCK:
            while True:
                version = self._version
                others = [other for other in tuple(self) if not are_same(other, callback)]
                if self._version == version and _assign(self, _EVERYTHING, others) is None:
                    break
            self.notify()

    def __reduce__(self) -> tuple[object, ...]:
        """A copy is a plain list."""
        return list, (list(self),)


def _check_kind(kind: object) -> None:
    if kind not in Hooks._fields:
        *others, last = Hooks._fields
        raise ValueError(f"__step_hooks__: no hook kind {kind!r}; there are {', '.join(others)} and {last}")


def _notifying(cls: type, name: str) -> Callable[..., Any]:
    """Return a method of `list` or `dict` that notifies the class of the hooks after the change."""
    change = getattr(cls, name)

    def method(self: Registry | Callbacks, *arguments: Any, **named: Any) -> Any:
        with LOCK:
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
    registration = HookRegistration(registry, added)
    with LOCK:
        try:
            for kind, wanted in callbacks.items():
                for callback in wanted:
                    if cast("Callbacks", registry[kind]).add(callback):
                        added.append((kind, callback))  # noqa: PERF401  # one by one, in case of an interrupt
        except BaseException:  # an interrupt
            registration.remove()
            raise
    return registration


def collect(registries: Iterable[HookRegistry]) -> Hooks | None:
    """Merge the registries of a class and its bases, the bases' first; None when there is no hook at all."""
    hooks = Hooks(*(tuple(_merged(registries, kind)) for kind in Hooks._fields))
    return hooks if any(hooks) else None


def _merged(registries: Iterable[HookRegistry], kind: str) -> Iterator[Callback]:
    seen: list[Callback] = []
    for registry in registries:
        for callback in tuple(registry.get(kind, ())):
            if not any(do_the_same(other, callback, Hooks._fields) for other in seen):
                seen.append(callback)
    roles = [role_of(callback) for callback in seen]
    for index, callback in enumerate(seen):
        if roles[index] is None or roles[index] not in roles[index + 1 :]:
            yield callback


def registries_of(cls: type) -> list[HookRegistry]:
    """Return the registries of a story class and of its bases, the bases' first."""
    return [base.__dict__["__step_hooks__"] for base in reversed(cls.__mro__) if "__step_hooks__" in base.__dict__]


def hooks_of(cls: type) -> Hooks | None:
    """Return the hooks of a story class now."""
    return collect(registries_of(cls))
