"""Variables set in every way that Python has, before they are read."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState, variable


@contextlib.contextmanager
def opened() -> Iterator[int]:
    yield 7


@dataclass(frozen=True)
class Ways(Story):
    I.set_all
    I.set_more
    I.read_all

    class State(StoryState):
        text: str = "a=1"
        a: int = variable()
        b: int = variable()
        c: int = variable()
        d: int = variable()
        e: list[int] = variable()
        f: int = variable()
        g: "re.Match[str]" = variable()
        h: int = variable()
        i: int = variable()
        j: dict[str, int] = variable()
        total: int = variable()

    def set_all(self, state: State) -> None:
        state.a, (state.b, *state.e) = 1, (2, 3, 4)
        for state.c in range(3):
            pass
        with opened() as state.d:
            pass
        state.f = state.h = 5
        if (match := re.match("(.)=(.)", state.text)) is None:
            raise ValueError(state.text)
        state.g = match
        state.total = 0

    def set_more(self, state: State) -> None:
        try:
            state.i = int(state.g[2])
        except ValueError:
            state.i = 0
        finally:
            state.j = {}
        state.j["x"] = state.i
        state.e.append(state.j["x"])
        state.total += state.a + state.b

    def read_all(self, state: State) -> None:
        state.total += sum([state.c, state.d, *state.e, state.f, state.h])
        del state.f
        (lambda: setattr(state, "f", 0))()
        state.total += state.f


state = Ways.State()
Ways()(state)
assert state.total == 3 + 2 + 7 + 3 + 4 + 1 + 5 + 5
