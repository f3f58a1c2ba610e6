"""Steps are listed in tuples, on one line, behind conditions, in `with` and `try`, by name and from a star import."""

# ruff: noqa
import contextlib
import sys
from typing import Any

from dddkit.stories import *
from dddkit.stories import I as I


class St(StoryState):
    log: list[str] = []


DEBUG = "-v" in sys.argv


class Tuples(Story):
    I.one, I.two
    (I.three,)

    State = St

    def one(self, state: St) -> None:
        state.log.append("one")

    def two(self, state: St) -> None:
        state.log.append("two")

    def three(self, state: St) -> None:
        state.log.append("three")


class OneLine(Story):
    I.one; I.two
    _ = I.three
    State = St
    one = two = three = lambda self, state: state.log.append("lambda")


class Blocks(Story):
    """Lists."""

    I.begin
    if DEBUG:
        I.debug
    elif not DEBUG:
        I.quiet
    with contextlib.suppress(AttributeError):
        I.middle
    try:
        I.end
    finally:
        pass

    State = St

    def begin(self, state: St, /) -> None: ...

    def debug(self, state: St) -> None: ...

    def quiet(self, state: St) -> None: ...

    def middle(self, state: St) -> None: ...

    def end(self, state: St) -> None:
        state.log.append("end")


def make(flag: bool) -> Any:
    if flag:

        class Made(Story):
            I.go

            def go(self, state: St) -> None:
                state.log.append("first")

        return Made()
    else:

        class Made(Story):  # type: ignore[no-redef]
            I.come

            def come(self, state: St) -> None:
                state.log.append("second")

        return Made()


class Builtins(Story):
    I.print
    I.list

    State = St

    def print(self, state: St) -> None:
        state.log.append("print")

    def list(self, state: St) -> None:
        state.log.append("list")


state = St()
for story in (Tuples(), OneLine(), Blocks(), make(True), make(False), Builtins()):
    story(state)
assert state.log == ["one", "two", "three", *["lambda"] * 3, "end", "first", "second", "print", "list"]
