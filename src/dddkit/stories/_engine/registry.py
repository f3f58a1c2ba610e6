"""Which hooks a story class has: its own registry, and what it inherits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import Lock
from types import FunctionType, MethodType
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, cast

from dddkit._callables import are_same
from dddkit._typing import Self

__all__ = [
    "Callback",
    "Condition",
    "HookRegistration",
    "HookRegistry",
    "Hooks",
    "Registry",
    "add",
    "collect",
    "condition",
    "is_put_off",
    "only_while",
    "put_off",
]

Callback: TypeAlias = Callable[..., Any]  # what a callback returns is None, an awaitable or a generator, by its kind
HookRegistry: TypeAlias = dict[str, list[Callback]]

_CHANGING: Final = Lock()


class Hooks(NamedTuple):
    """Everything that accompanies one run, in order."""

    around_story: tuple[Callback, ...] = ()
    around_step: tuple[Callback, ...] = ()
    before: tuple[Callback, ...] = ()
    after: tuple[Callback, ...] = ()
    error: tuple[Callback, ...] = ()


Condition: TypeAlias = "tuple[Callable[[int], bool], int]"

C = TypeVar("C", bound=Callback)


def put_off(callback: C) -> C:
    """Mark a hook that only copies a step's facts into its `meta` and `template`: it may wait until somebody looks."""
    callback.__put_off__ = True  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]  # ours to read
    return callback


def only_while(listening: Callable[[], Condition]) -> Callable[[C], C]:
    """Mark a hook that does nothing in a run at whose start this is false, so that it need not be called.

    Args:
        listening: gives the condition, when the first story with the hook runs: a function, and what to call it with.
    """

    def mark(callback: C) -> C:
        callback.__only_while__ = listening  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]  # ours to read
        return callback

    return mark


def is_put_off(callback: Callback) -> bool:
    return getattr(_function(callback), "__put_off__", False)


def condition(callback: Callback) -> Callable[[], Condition] | None:
    return getattr(_function(callback), "__only_while__", None)


def _function(callback: Callback) -> FunctionType | None:
    """The function of a method; other callables carry no marks (a mock would say yes to any)."""
    function = callback.__func__ if isinstance(callback, MethodType) else None
    return function if isinstance(function, FunctionType) else None


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
                callbacks = self._registry.get(kind, [])
                callbacks[:] = [other for other in callbacks if not are_same(other, callback)]

    def __enter__(self) -> HookRegistration:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()


class Registry(dict[str, "list[Callback]"]):
    """A class's own hooks, kind to list of callbacks; it tells its class whenever they change.

    So no run has to ask whether they have: that would take as long as two steps.
    """

    __slots__ = ("listeners",)

    def __init__(self, callbacks: Mapping[str, Iterable[Callback]]) -> None:
        super().__init__(self._own(callbacks))
        self.listeners: Final[list[Callable[[], object]]] = []

    def tell(self) -> None:
        for tell in tuple(self.listeners):
            tell()

    def _own(self, given: Mapping[str, object]) -> dict[str, list[Callback]]:
        own: dict[str, list[Callback]] = {}
        for kind, callbacks in given.items():
            if not isinstance(callbacks, Iterable):
                raise TypeError(f"__step_hooks__[{kind!r}] is a list of hooks, and not {callbacks!r}")
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
        super().update(self._own(dict(*others, **more)))
        self.tell()

    def __ior__(self, other: Any) -> Self:  # type: ignore[override,misc]  # whatever a dict takes
        self.update(other)
        return self


class Callbacks(list[Callback]):
    """The callbacks of one kind in a registry."""

    __slots__ = ("_registry",)

    def __init__(self, registry: Registry, callbacks: Iterable[Callback]) -> None:
        super().__init__(callbacks)
        self._registry: Final = registry

    def tell(self) -> None:
        self._registry.tell()


def _telling(cls: type, name: str) -> Callable[..., Any]:
    """A method of `list` or `dict` that tells the class of the hooks what it has done."""
    change = getattr(cls, name)

    def method(self: Registry | Callbacks, *arguments: Any, **named: Any) -> Any:
        try:
            return change(self, *arguments, **named)
        finally:
            self.tell()

    return method


for _name in ("__delitem__", "clear", "pop", "popitem"):
    setattr(Registry, _name, _telling(dict, _name))
for _name in ("__delitem__", "__iadd__", "__imul__", "__setitem__", "append", "clear", "extend", "insert", "pop"):
    setattr(Callbacks, _name, _telling(list, _name))
for _name in ("remove", "reverse", "sort"):
    setattr(Callbacks, _name, _telling(list, _name))


def add(registry: HookRegistry, callbacks: Mapping[str, list[Callback]]) -> HookRegistration:
    """Add callbacks by kind; one that is there already is not added again."""
    added: list[tuple[str, Callback]] = []
    with _CHANGING:
        for kind, wanted in callbacks.items():
            there = list(registry.get(kind, ()))
            new = [callback for callback in wanted if not _is_among(there, callback)]
            if new:
                registry[kind].extend(new)
                added += [(kind, callback) for callback in new]
    return HookRegistration(registry, added)


def _is_among(there: list[Callback], callback: Callback) -> bool:
    """Whether it is there; if not, now it is."""
    if any(are_same(callback, other) for other in there):
        return True
    there.append(callback)
    return False


def collect(registries: Iterable[HookRegistry]) -> Hooks | None:
    """Merge the registries of a class and its bases, the bases' first; None when there is no hook at all."""
    hooks = Hooks(*(tuple(_merged(registries, kind)) for kind in Hooks._fields))
    return hooks if any(hooks) else None


def _merged(registries: Iterable[HookRegistry], kind: str) -> Iterator[Callback]:
    seen: list[Callback] = []
    for registry in registries:
        for callback in registry.get(kind, ()):
            if not any(are_same(callback, other) for other in seen):
                seen.append(callback)
                yield callback
