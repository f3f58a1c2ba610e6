""" "x" in vars(state), in state.__dict__, in dir(state), and by a constant; with early return and comprehension."""

from types import SimpleNamespace
from typing import Final

from dddkit.stories import I, Story

KEY: Final = "extra"


class Merge(Story):
    I.by_vars
    I.by_dict
    I.by_dir
    I.by_constant
    I.by_early_return
    I.by_vars_of

    class State(SimpleNamespace):
        total: int = 0

    def by_vars(self, state: State) -> None:
        if "tax" in vars(state):
            state.total += state.tax

    def by_dict(self, state: State) -> None:
        state.total += state.tip if "tip" in state.__dict__ else 0

    def by_dir(self, state: State) -> None:
        if "fee" in dir(state):
            state.total += state.fee

    def by_constant(self, state: State) -> None:
        if hasattr(state, KEY):
            state.total += state.extra

    def by_early_return(self, state: State) -> None:
        if "rebate" not in vars(state):
            return
        state.total -= state.rebate

    def by_vars_of(self, state: State) -> None:
        given = vars(state)
        if given.get("late") is not None:
            state.total += state.late


state = Merge.State()
Merge()(state)
assert state.total == 0
more = Merge.State(**dict(tax=1, tip=2, fee=3, extra=4, rebate=5, late=6))
Merge()(more)
assert more.total == 11
