"""Compensations under every name that a step may have, and with every decorator that leaves them alone."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from typing_extensions import final

import dddkit.stories
from dddkit.stories import I, Story, StoryState, compensates, variable
from dddkit.stories import compensates as undoes

SHIP: Final = "ship"


class Names:
    BILL: Final = "bill"


class Full(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Warehouse(Story):
    I.reserve
    I.bill
    I.ship
    I.notify
    I.reserve
    I.close

    class State(StoryState):
        sku: str
        log: list[str] = []
        hold: str = variable()

    prefix: str
    notify: "Notify"

    @staticmethod
    def reserve(state: State) -> None:
        state.hold = f"hold {state.sku}"

    @compensates(reserve)
    @staticmethod
    def release(state: State) -> None:
        state.log.append(f"release {state.hold}")

    def bill(self, state: State) -> None:
        state.log.append("bill")

    @dddkit.stories.compensates(Names.BILL, even_if_failed=False)
    def _unbill(self, state: State, /) -> Any:
        state.log.append(f"{self.prefix}unbill")

    @final
    @undoes(step=SHIP, even_if_failed=True)
    def unship(self, state: State, *more: object, loudly: bool = False) -> None:
        state.log.append("unship")

    def ship(self, state: State) -> None:
        state.log.append("ship")

    @compensates("notify")
    def apologise(self, state):  # type: ignore[no-untyped-def]
        state.log.append("apologise")

    def close(self, state: State) -> None:
        raise Full


@dataclass
class Notify:
    told: list[str] = field(default_factory=list)

    def __call__(self, state: Warehouse.State) -> None:
        self.told.append(state.sku)


notify = Notify()
state = Warehouse.State(sku="teapot")
with suppress(Full):
    Warehouse("un-", notify)(state)
assert notify.told == ["teapot"]
undone = ["release hold teapot", "apologise", "unship", "un-unbill", "release hold teapot"]
assert state.log == ["bill", "ship", *undone], state.log
