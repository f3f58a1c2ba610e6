"""Functions borrowed as steps: `staticmethod(f)` in annotated class variables."""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from dddkit.stories import I, Story, StoryState


class St(StoryState):
    log: list[str] = []


def write(state: St) -> None:
    state.log.append("write")


def send_later(state: St) -> None:
    state.log.append("later")


async def send(state: St) -> None:
    state.log.append("send")


class Borrow(Story):
    I.one
    I.two
    I.three
    I.four
    I.five

    State = St

    one: ClassVar[Callable[[St], None]] = staticmethod(write)
    two = staticmethod(write)
    three: "ClassVar[Callable[[St], object]]" = staticmethod(lambda state: state.log.append("lambda"))
    four: ClassVar["staticmethod[[St], None]"] = staticmethod(write)

    @staticmethod
    def five(state: St) -> None:
        write(state)


class BorrowAsync(Story):
    I.one

    State = St

    one: ClassVar[Callable[[St], Awaitable[None]]] = staticmethod(send)


class Child(Borrow):
    I.one
    I.four

    one: ClassVar[Callable[[St], None]] = staticmethod(send_later)


def finish(coroutine: object) -> None:
    try:
        coroutine.send(None)  # type: ignore[attr-defined]
    except StopIteration:
        pass


state = St()
Borrow()(state)
finish(BorrowAsync()(state))
Child()(state)
assert state.log == ["write", "write", "lambda", "write", "write", "send", "later", "write"]
