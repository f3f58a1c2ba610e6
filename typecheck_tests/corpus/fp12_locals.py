"""Steps listed through `locals()[name]`, `vars()`, a loop, exec, a helper that takes `I`."""

from typing import Any

from dddkit.stories import I, Story, StoryState, steps


class St(StoryState):
    log: list[str] = []


def list_all(listed: Any, *names: str) -> None:
    for name in names:
        getattr(listed, name)


class ByLoop(Story):
    for _name in ("one", "two"):
        getattr(I, _name)

    State = St

    def one(self, state: St) -> None:
        state.log.append("one")

    def two(self, state: St) -> None:
        state.log.append("two")


class ByLocals(Story):
    I = steps()
    for _name in ("one",):
        getattr(locals()["I"], _name)

    State = St

    def one(self, state: St) -> None:
        state.log.append("locals")


class ByHelper(Story):
    I = steps()
    list_all(I, "one")

    State = St

    def one(self, state: St) -> None:
        state.log.append("helper")


for story in (ByLoop, ByLocals, ByHelper):
    state = St()
    one: Any = story()
    one(state)
    assert state.log
