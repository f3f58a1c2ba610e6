"""What is rejected in the State of a story, and what is warned of, where it is no StoryState."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final, cast
from warnings import warn
from weakref import WeakSet

from dddkit._annotations import is_class_level, own_annotations
from dddkit.stories._engine.defaults import is_plainly_mutable
from dddkit.stories._engine.fields import VARIABLE

__all__ = ["validate_state"]

_WARNED: Final[WeakSet[type]] = WeakSet()


def validate_state(story: str, state: object, stacklevel: int) -> None:
    """Reject a `variable()` in a State that would read it as a value; warn of what all objects would share."""
    if not isinstance(state, type):
        return
    # Other classes are rejected while they are made. A NamedTuple takes its defaults out of its body before.
    defaults: dict[str, object] = getattr(cast("Any", state), "_field_defaults", {}) if issubclass(state, tuple) else {}
    for name, value in defaults.items():
        if value is VARIABLE:
            raise TypeError(
                f"{story}: {name} = variable() of {state.__qualname__} is for the fields of a StoryState; "
                f"derive the State from StoryState, so that a step can set it"
            )
    if issubclass(state, SimpleNamespace):
        _warn_of_shared_defaults(story, state, stacklevel + 1)


def _warn_of_shared_defaults(story: str, state: type, stacklevel: int) -> None:
    """Warn, once per class, of a list, an entity and the like that all objects of a SimpleNamespace State would share.

    An object of another class may be a service that they are meant to share: silent.
    """
    shared: list[str] = []
    for base in state.__mro__[: state.__mro__.index(SimpleNamespace)]:
        if base in _WARNED:
            continue
        _WARNED.add(base)
        annotations = own_annotations(base)
        shared += [
            name
            for name, value in base.__dict__.items()
            if not (name.startswith("__") and name.endswith("__"))
            and not hasattr(value, "__get__")
            and not (name in annotations and is_class_level(annotations[name], base))
            and is_plainly_mutable(value)
        ]
    if shared:
        what = "is one object" if len(shared) == 1 else "are objects"
        warn(
            f"{story}: {', '.join(shared)} of {state.__qualname__} {what} that all its runs share; "
            f"derive the State from StoryState, which copies such defaults, or give every run its own: "
            f"{state.__name__}({shared[0]}=...); annotate as ClassVar what is meant to be shared",
            stacklevel=stacklevel,
        )
