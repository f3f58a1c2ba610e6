"""The State of one story satisfies another's; a union of them is passed to a union of stories."""

from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


class Named(StoryState):
    name: str = "n"


class Greet(Story):
    I.greet

    class State(Named):
        said: str = ""

    def greet(self, state: State) -> None:
        state.said = f"hello {state.name}"


class Shout(Story):
    I.shout

    State = Named

    def shout(self, state: Named) -> None:
        state.name = state.name.upper()


@dataclass(frozen=True)
class Any2:
    first: Greet | Shout

    def run(self) -> Named:
        state = self.first.State()
        self.first(state)
        return state


def both(story: Greet | Shout) -> Named:
    state: Greet.State = Greet.State(name="b")
    story(state)
    return state


assert Any2(Greet()).run().name == "n"
assert Any2(Shout()).run().name == "N"
assert both(Greet()).name == "b"
assert both(Shout()).name == "B"
stories = {"greet": Greet, "shout": Shout}
for make in (Greet, Shout):
    one = make()
    one(make.State(name="x"))
assert len(stories) == 2
