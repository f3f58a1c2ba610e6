"""Why a variable of a state is not set: no step sets it, the one that does is not listed, has not run, or went by."""

from __future__ import annotations

from typing import Any

import pytest

from dddkit.stories import I, Story, StoryState, variable


class Variables(StoryState):
    amount: int = variable()


class Mixin:
    def of_a_mixin(self, state: Any) -> None:
        state.mixed = 1


class Convert(Mixin, Story):
    I.read
    I.convert  # type: ignore[dddkit-step-return]  # on purpose
    I.of_a_mixin

    class State(StoryState):
        rate: int = variable()
        total: int = variable()
        dollars: int = variable()
        cents: int = variable()
        returned: int = variable()
        forgotten: int = variable()
        helped: int = variable()
        twice: int = variable()
        by_itself: int = variable()
        mixed: int = variable()
        of_a_child: int = variable()

        def fill(self) -> None:
            self.by_itself = 1

    def read(self, state: State) -> None:
        if state.__class__ is object:
            state.rate = 1
        state.twice = 1
        self.helper(state)

    async def convert(self, state: State) -> int:
        self.cents = 1

        def inner() -> None:
            state.dollars, state.twice = 1, 2

        inner()
        return 1

    def compute_total(self, state: State) -> None:
        state.total = 1

    def helper(self, state: State) -> None:
        state.helped = 1


class Child(Convert):
    def read(self, state: Convert.State) -> None:
        state.of_a_child = 1


class Dynamic(Story):
    I.fill

    class State(StoryState):
        amount: int = variable()

    def fill(self, state: State) -> None:
        for name in ("amount",):
            setattr(state, name, 1)


class Nested(Story):
    I.inner  # type: ignore[dddkit-step-state]  # nothing calls it

    class State(StoryState):
        amount: int = variable()

    inner = Dynamic()


REST = "before those that read it, let it set it on every path, and call the story first (with await if it is async)"
UNKNOWN = f"no step has set it yet; list the step that sets it {REST}"


@pytest.mark.parametrize(
    ("state", "name", "why"),
    [
        (Convert.State, "rate", f"read has not set it yet; list it {REST}"),
        (Convert.State, "dollars", f"convert has not set it yet; list it {REST}"),
        (Convert.State, "twice", f"read and convert have not set it yet; list one {REST}"),
        (Convert.State, "mixed", f"of_a_mixin has not set it yet; list it {REST}"),
        (Convert.State, "of_a_child", f"read has not set it yet; list it {REST}"),
        (
            Convert.State,
            "cents",
            "no step of Convert sets it; in the step that makes it, write `state.cents = <its value>`",
        ),
        (
            Convert.State,
            "returned",
            "no step of Convert sets it; in the step that makes it, write `state.returned = <its value>`",
        ),
        (
            Convert.State,
            "total",
            "compute_total sets it, but is not listed; write I.compute_total before the steps that read it",
        ),
        (Convert.State, "helped", UNKNOWN),
        (Convert.State, "by_itself", UNKNOWN),
        (Dynamic.State, "amount", f"fill has not set it yet; list it {REST}"),
        (Nested.State, "amount", UNKNOWN),
        (Variables, "amount", UNKNOWN),
    ],
)
def test_an_unset_variable_says_what_the_steps_tell(state: Any, name: str, why: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(state(), name)

    assert str(caught.value) == f"{state.__qualname__}.{name} is not set: {why}"
