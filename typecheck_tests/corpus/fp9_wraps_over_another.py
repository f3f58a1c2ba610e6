"""A method wraps one of another class, of the parent, or of a module; async ones too."""

import asyncio
from functools import partialmethod, update_wrapper, wraps
from typing import Any

from dddkit.stories import I, Story, StoryState


class Parent(Story):
    I.go

    class State(StoryState):
        path: list[str] = []

    def go(self, state: State) -> None:
        state.path.append("parent")


class Child(Parent):
    I.go_quietly

    @wraps(Parent.go)
    def go_quietly(self, state: Parent.State) -> None:
        state.path.append("child")
        self.go(state)


class Robot:
    async def step(self, state: Parent.State, speed: int = 1) -> None:
        state.path.append(f"robot {speed}")


class Follow(Story):
    I.follow
    I.jump
    I.run

    State = Parent.State

    @wraps(Robot.step)
    async def follow(self, state: Parent.State, speed: int = 2) -> None:
        await Robot.step(Robot(), state, speed)

    async def _move(self, state: Parent.State, *, speed: int) -> None:
        state.path.append(f"move {speed}")

    jump = partialmethod(_move, speed=3)

    def run(self, state: Any) -> None:
        state.path.append("run")


update_wrapper(Follow.run, Parent.go)

state = Parent.State()
Child()(state)
asyncio.run(Follow()(state))
assert state.path == ["child", "parent", "robot 2", "move 3", "run"]
