"""What compensations may read: what is set by then, what comes from outside, and what they ask for first."""

from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace

from dddkit.stories import I, Story, StoryState, compensates, variable


class Failed(Exception):
    pass


@dataclass(frozen=True)
class Booking(Story):
    I.hotel
    I.flight
    I.car

    class State(StoryState):
        city: str
        log: list[str] = []
        hotel_id: str = variable()
        flight_id: str = variable()
        is_flying: bool = False
        seat: int | None = None
        refund_id: str = variable()

    def hotel(self, state: State) -> None:
        state.hotel_id = f"{state.city} inn"

    @compensates(hotel)
    def leave_hotel(self, state: State) -> None:
        state.log.append(f"leave {state.hotel_id}")
        if hasattr(state, "flight_id"):
            state.log.append(state.flight_id)
        if state.is_flying:
            state.log.append(f"was flying {state.flight_id}")
        if state.seat is not None:
            state.log.append(f"{state.seat} of {state.flight_id}")
        try:
            state.log.append(state.refund_id)
        except AttributeError:
            state.log.append("no refund")

    def flight(self, state: State) -> None:
        state.flight_id = "AB1"
        state.is_flying = True
        state.seat = 4

    @compensates(flight, even_if_failed=True)
    def cancel(self, state: State) -> None:
        state.refund_id = f"refund for {state.hotel_id}"
        state.log.append(state.refund_id)

    def car(self, state: State) -> None:
        raise Failed


class Handing(Booking):
    I.all
    I.flight
    I.car

    def all(self, state: Booking.State) -> None:
        state.log.append(type(state).__name__)
        prepare(state)

    @compensates("all")
    def undo_all(self, state: Booking.State) -> None:
        state.log.append(state.flight_id)


def prepare(state: Booking.State) -> None:
    state.hotel_id = "any"
    state.flight_id = "before"


class Loose(Story):
    I.take
    I.fail

    class State(SimpleNamespace):
        taken: int = 0

    def take(self, state: State) -> None:
        state.taken += 1

    @compensates(take)
    def give(self, state: State) -> None:
        state.taken -= 1
        if hasattr(state, "note"):
            raise AssertionError(state.note)

    def fail(self, state: State) -> None:
        raise Failed


state = Booking.State(city="Rome")
with suppress(Failed):
    Booking()(state)
refund = "refund for Rome inn"
assert state.log == [refund, "leave Rome inn", "AB1", "was flying AB1", "4 of AB1", refund], state.log
state = Booking.State(city="Rome")
with suppress(Failed):
    Handing()(state)
assert state.log == ["State", "refund for any", "AB1"], state.log
loose = Loose.State()
with suppress(Failed):
    Loose()(loose)
assert loose.taken == 0
