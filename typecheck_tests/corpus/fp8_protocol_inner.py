from typing import Protocol

from dddkit.stories import I, Story


class HasVat(Protocol):
    net: int
    vat: int


class Vat(Story):
    I.set
    I.check

    State = HasVat

    def set(self, state: HasVat) -> None:
        state.vat = state.net * 19 // 100

    def check(self, state: HasVat) -> None:
        assert state.vat >= 0
