"""Stories with compensations inside others, which undo them in their own way, or leave it to them."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Generic, TypeVar

from dddkit.stories import I, Story, StoryState, compensates, variable

T = TypeVar("T", bound=Story)


class Failed(Exception):
    pass


class Log(StoryState):
    log: list[str] = []


@dataclass(frozen=True)
class Pay(Story):
    I.authorize
    I.capture

    class State(Log):
        code: str = variable()

    def authorize(self, state: State) -> None:
        state.code = "ok"

    @compensates(authorize)
    def void(self, state: State) -> None:
        state.log.append(f"void {state.code}")

    def capture(self, state: State) -> None:
        state.log.append("capture")


@dataclass
class Order(Story):
    I.pay
    I.later
    I.end

    State = Pay.State

    pay: Pay
    later: Callable[[Pay.State], Any]

    def end(self, state: Pay.State) -> None:
        raise Failed

    class Strict(Story):
        I.pay
        I.end

        State = Pay.State
        pay = Pay()

        @compensates("pay")
        def undo_pay(self, state: Pay.State) -> None:
            state.log.append("undo pay")

        def end(self, state: Pay.State) -> None:
            raise Failed


@dataclass
class Lazily(Story, Generic[T]):
    I.made
    I.end

    make: Callable[[], T]

    @cached_property
    def made(self) -> Any:
        return self.make()

    @compensates("made")
    def unmake(self, state: Log) -> None:
        state.log.append("unmake")

    def end(self, state: object) -> None:
        raise Failed


def run(story: Callable[[Pay.State], object]) -> list[str]:
    state = Pay.State()
    with suppress(Failed):
        story(state)
    return state.log


assert run(Order(Pay(), partial(Pay()))) == ["capture", "capture", "void ok"]
assert run(Order.Strict()) == ["capture", "undo pay"]
assert run(Lazily(Pay)) == ["capture", "unmake"]
