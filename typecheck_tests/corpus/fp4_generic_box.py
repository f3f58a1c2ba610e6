"""`State = Box`, where Box is generic and nobody says of what."""

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from dddkit.stories import I, Story

T = TypeVar("T")


@dataclass
class Box(Generic[T]):
    content: T
    seen: list[T] = field(default_factory=list)


class Look(Story):
    I.look
    I.again

    State = Box

    def look(self, state: Box[Any]) -> None:
        state.seen.append(state.content)

    def again(self, state: Box[Any]) -> None:
        state.seen.append(state.content)


box = Box("x")
Look()(box)
Look()(Box(3))
Look()(Look.State(content=4))
assert box.seen == ["x", "x"]
