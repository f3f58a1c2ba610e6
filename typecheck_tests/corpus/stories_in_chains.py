"""Stories without a State that hold stories of their own kind: a chain of responsibility."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dddkit.stories import I, Story

said: list[str] = []


@dataclass(frozen=True)
class Link(Story):
    I.say
    I.following

    name: str
    following: Link | Callable[[list[str]], None]

    def say(self, state: list[str]) -> None:
        state.append(self.name)


Link("a", Link("b", said.extend))([])
assert said == ["a", "b"]


@dataclass
class Ping(Story):
    I.pong

    pong: Pong


@dataclass
class Pong(Story):
    I.answer
    I.ping

    limit: int
    ping: Callable[[list[str]], None] | Ping

    def answer(self, state: list[str]) -> None:
        state.append(str(self.limit))


Ping(Pong(1, Ping(Pong(2, said.extend))))(["go"])
assert said[2:] == ["go", "1", "2"]


@dataclass
class Forever(Story):
    """Nobody can make one but by hand, and mypy checks it all the same."""

    I.again

    again: Forever


def run(story: Forever) -> None:
    story(3)
