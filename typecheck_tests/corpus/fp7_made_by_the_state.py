"""A classmethod, a property setter, an `__init__` or a function makes States whose variables are set."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import Self

from dddkit.stories import I, Story, StoryState, variable


@dataclass(frozen=True)
class Resume(Story):
    I.go_on
    I.save

    class State(StoryState):
        name: str
        page: int = variable()

        @classmethod
        def resumed(cls, name: str, page: int) -> Self:
            state = cls(name=name)
            state.page = page
            return state

    def go_on(self, state: State) -> None:
        print(end=str(state.page)[:0])

    def save(self, state: State) -> None:
        state.page = state.page + 1


class Open(Story):
    I.read
    I.turn

    class State(StoryState):
        title: str
        line: int = variable()

        def rewind(self) -> Self:
            self.line = 0
            return self

        @staticmethod
        def at_start(title: str) -> Open.State:
            return Open.State(title=title).rewind()

    def read(self, state: State) -> None:
        state.title += str(state.line)

    def turn(self, state: State) -> None:
        state.line += 1


class Base(StoryState):
    n: int = variable()

    @classmethod
    def make(cls) -> Self:
        made = cls()
        made.n = 5
        return made


class Decrement(Story):
    I.decrement

    class State(Base):
        pass

    def decrement(self, state: State) -> None:
        state.n -= 1


state = Resume.State.resumed("a", 4)
Resume()(state)
assert state.page == 5
book = Open.State.at_start("t")
Open()(book)
Open()(book)
assert (book.title, book.line) == ("t01", 2)
small = Decrement.State.make()
Decrement()(small)
assert small.n == 4
