"""States of any fields, for tests."""

from __future__ import annotations

from typing import Any

from dddkit.stories import StoryState, variable
from dddkit.stories.durable._state import StateCodec

# Any: types, and values of any type.


def state_class(**fields: Any) -> Any:
    """Declare `Checkout.State`, in which a step sets each of these fields."""
    namespace: dict[str, Any] = dict.fromkeys(fields, variable())
    namespace |= {"__annotations__": fields, "__module__": __name__, "__qualname__": "Checkout.State"}
    metaclass: Any = type(StoryState)
    return metaclass("State", (StoryState,), namespace)


def holding(cls: Any, **values: Any) -> Any:
    """Return a state of which a step has set these fields."""
    state = cls()
    for name, value in values.items():
        setattr(state, name, value)
    return state


def codec_of(cls: Any) -> StateCodec:
    return StateCodec(cls, "Checkout")
