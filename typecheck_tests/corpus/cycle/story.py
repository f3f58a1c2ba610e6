from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dddkit.stories import I, Story

from . import state as _state

if TYPE_CHECKING:
    from .state import ShipState as Alias


@dataclass(frozen=True)
class Ship(Story):
    I.ship
    I.mark

    State = _state.ShipState

    name: str = "post"

    def ship(self, state: Alias) -> None:
        state.carrier = self
        state.note = self.name

    def mark(self, state: Alias) -> None:
        _state.mark(state)
