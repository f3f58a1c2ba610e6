"""The read is expected to raise: pytest.raises, suppress, a context manager of one's own, try."""

import contextlib
from collections.abc import Iterator
from types import TracebackType

import pytest

from dddkit.exceptions import StoryStateError
from dddkit.stories import I, Story, StoryState, variable


class Swallow:
    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        return kind is not None and issubclass(kind, StoryStateError)


@contextlib.contextmanager
def ignoring(*errors: type[BaseException]) -> Iterator[None]:
    try:
        yield
    except errors:
        pass


class Probe(Story):
    I.by_pytest
    I.by_suppress
    I.by_class
    I.by_function
    I.by_try
    I.by_stack
    I.set

    class State(StoryState):
        seen: list[int] = []
        value: int = variable()

    def by_pytest(self, state: State) -> None:
        with pytest.raises(StoryStateError):
            print(state.value)

    def by_suppress(self, state: State) -> None:
        with contextlib.suppress(StoryStateError):
            state.seen.append(state.value)

    def by_class(self, state: State) -> None:
        with Swallow():
            state.seen.append(state.value)

    def by_function(self, state: State) -> None:
        with contextlib.nullcontext(), ignoring(AttributeError):
            state.seen.append(state.value)

    def by_try(self, state: State) -> None:
        try:
            state.seen.append(state.value)
        except StoryStateError:
            state.seen.append(-1)

    def by_stack(self, state: State) -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(Swallow())
            state.seen.append(state.value)

    def set(self, state: State) -> None:
        state.value = 1


state = Probe.State()
Probe()(state)
assert state.seen == [-1]
assert state.value == 1
