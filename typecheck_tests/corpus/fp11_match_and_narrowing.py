"""match on the class of another State, on attributes, isinstance of a child State and of a mixin."""

from types import SimpleNamespace

from dddkit.stories import I, Story


class Basic(SimpleNamespace):
    name: str
    log: tuple[str, ...] = ()


class Express(Basic):
    hours: int = 0


class HasColour:
    colour: str = "red"


class Painted(HasColour, Basic):
    pass


class Send(Story):
    I.by_isinstance
    I.by_match
    I.by_mixin
    I.by_vars_pattern

    State = Basic

    def by_isinstance(self, state: Basic) -> None:
        if isinstance(state, Express):
            state.log += (f"{state.hours} h",)

    def by_match(self, state: Basic) -> None:
        match state:
            case Express(hours=hours):
                state.log += (f"match {hours}",)
            case Painted(colour=colour):
                state.log += (colour,)
            case Basic(name=name):
                state.log += (name,)

    def by_mixin(self, state: Basic) -> None:
        if isinstance(state, HasColour):
            state.log += (state.colour.upper(),)

    def by_vars_pattern(self, state: Basic) -> None:
        match vars(state):
            case {"weight": int(weight)}:
                state.log += (str(weight),)
            case _:
                pass


states = [Basic(name="b"), Express(name="e", hours=2), Painted(name="p"), Basic(name="w", **{"weight": 3})]
for one in states:
    Send()(one)
assert [one.log for one in states] == [("b",), ("2 h", "match 2"), ("red", "RED"), ("w", "3")]
