"""One loop, several stories: each makes its own State."""

from dddkit.stories import I, Story, StoryState


class Pack(Story):
    I.pack

    class State(StoryState):
        weight: int = 1

    def pack(self, state: State) -> None:
        state.weight += 1


class Print(Story):
    I.print

    class State(StoryState):
        text: str = "p"

    def print(self, state: State) -> None:
        state.text += "!"


class Stamp(Story):
    I.stamp

    class State(StoryState):
        stamps: list[str] = []

    def stamp(self, state: State) -> None:
        state.stamps.append("s")


ran = 0
for story in (Pack(), Print(), Stamp()):
    story(story.State())
    ran += 1
both: tuple[type[Pack] | type[Print], ...] = (Pack, Print)
for each in both:
    each()(each.State())
    ran += 1
chosen = Pack() if ran else Stamp()
state = chosen.State()
chosen(state)
assert (ran, state) == (5, Pack.State(weight=2))
