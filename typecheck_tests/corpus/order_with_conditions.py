"""Reads that are guarded by something that the setting step says in another way; and a second story that sets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from dddkit.exceptions import StoryStateError
from dddkit.stories import I, Story, StoryState, variable


@contextlib.contextmanager
def optional() -> Iterator[None]:
    with contextlib.suppress(StoryStateError):
        yield


@dataclass(frozen=True)
class Poll(Story):
    I.resume
    I.sizes
    I.skip
    I.names
    I.poll

    class State(StoryState):
        status: str = "new"
        results: list[int] = []
        cursor: int = variable()
        total: int = variable()

    def resume(self, state: State) -> None:
        start = state.cursor if state.results else 0
        if state.status in {"polled", "done"} and state.cursor > start:
            raise LookupError

    def sizes(self, state: State) -> None:
        for _ in state.results:
            print(end=str(state.total)[:0])
        first, *_ = state.results or [0]
        if first:
            state.results[0] = state.total

    def skip(self, state: State) -> None:
        with optional():
            print(end=str(state.total)[:0])
        if len(state.results) == 0:
            return
        print(end=f"{state.total}"[:0])

    def names(self, state: State) -> None:
        try:
            total = state.total
        except StoryStateError as error:
            assert "total" in str(error)
            return
        state.total = total

    def poll(self, state: State) -> None:
        state.cursor = len(state.results)
        state.results.append(state.cursor + 1)
        state.total = sum(state.results)
        state.status = "polled"


state = Poll.State()
Poll()(state)
Poll()(state)
assert (state.results, state.cursor, state.total) == ([1, 2], 1, 3)
