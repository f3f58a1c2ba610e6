"""`None | NoReturn`, `Never`, unions of nothing, `Optional[NoReturn]`, in strings and aliases."""

from __future__ import annotations

from typing import NoReturn, Optional, Union

from typing_extensions import Never, TypeAlias

from dddkit.stories import I, Story, StoryState

Nothing: TypeAlias = Union[NoReturn, None]


class Guard(Story):
    I.one
    I.two
    I.three
    I.four
    I.five

    class State(StoryState):
        n: int = 0

    def one(self, state: State) -> None | NoReturn:
        if state.n > 9:
            raise ValueError(state.n)
        return None

    def two(self, state: State) -> Optional[NoReturn]:
        return None

    def three(self, state: State) -> Union[None, Never]:
        state.n += 1
        return None

    async def four(self, state: State) -> Nothing:
        if state.n:
            return None
        raise ValueError

    def five(self, state: State) -> Union[NoReturn, None]:
        state.n += 1
        return None


class Refuse(Story):
    I.refuse

    class State(StoryState):
        pass

    def refuse(self, state: State) -> NoReturn:
        raise LookupError


state = Guard.State()
try:
    Guard()(state).send(None)
except StopIteration:
    pass
assert state.n == 2
ended = False
try:
    Refuse()(Refuse.State())
except LookupError:
    ended = True
assert ended
