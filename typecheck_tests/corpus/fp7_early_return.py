"""Early return, raise, continue and `assert` before the read."""

from dddkit.stories import I, Story, StoryState, variable


class Fetch(Story):
    I.show
    I.compare
    I.each
    I.fetch

    class State(StoryState):
        ready: bool = False
        pages: list[int] = [1, 2]
        shown: list[str] = []
        body: str = variable()
        size: int = variable()

    def show(self, state: State) -> None:
        if not state.ready:
            return
        state.shown.append(state.body)

    def compare(self, state: State) -> None:
        if state.ready is False:
            return None
        print(end=str(state.size)[:0])

    def each(self, state: State) -> None:
        for page in state.pages:
            if not state.ready:
                continue
            state.shown.append(f"{page}: {state.body}")

    async def fetch(self, state: State) -> None:
        state.body = "body"
        state.size = len(state.body)
        state.ready = True


def run(state: Fetch.State) -> None:
    coroutine = Fetch()(state)
    try:
        coroutine.send(None)
    except StopIteration:
        pass


state = Fetch.State()
run(state)
assert not state.shown
run(state)
assert state.shown == ["body", "1: body", "2: body"]
