from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cycle.story import Ship


class ShipState(SimpleNamespace):
    order_id: int
    carrier: Ship | None = None
    note: str = ""


def note_of(state: ShipState) -> str:
    return f"{state.order_id}: {state.note}"


def mark(state: ShipState) -> None:
    if hasattr(state, "marked"):
        state.marked += 1
    else:
        setattr(state, "marked", 1)
