"""try/except AttributeError, and its neighbours: suppress, a wider except, else, nested functions."""

from contextlib import suppress
from types import SimpleNamespace

from dddkit.stories import I, Story


class Greet(Story):
    I.by_try
    I.by_suppress
    I.by_wide
    I.by_tuple

    class State(SimpleNamespace):
        name: str
        said: tuple[str, ...] = ()

    def by_try(self, state: State) -> None:
        try:
            title = state.title
        except AttributeError:
            title = "-"
        state.said += (f"{title} {state.name}",)

    def by_suppress(self, state: State) -> None:
        with suppress(AttributeError):
            state.said += (state.nickname,)

    def by_wide(self, state: State) -> None:
        try:
            state.said += (state.suffix,)
        except Exception:
            return

    def by_tuple(self, state: State) -> None:
        def middle() -> str:
            try:
                return str(state.middle)
            except (KeyError, AttributeError):
                return ""

        state.said += (middle(),)


def show(state: Greet.State) -> str:
    try:
        return f"{state.shown}"
    except AttributeError as error:
        return type(error).__name__


state = Greet.State(name="Ada")
Greet()(state)
assert state.said == ("- Ada", "")
assert show(state) == "AttributeError"
other = Greet.State(name="B", **{"title": "Dr", "nickname": "b", "suffix": "jr"})
Greet()(other)
assert other.said == ("Dr B", "b", "jr", "")
