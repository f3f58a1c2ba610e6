"""Two type variables, one bound and one constrained; a child that says what they are; an outer story."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, AnyStr, Generic, TypeVar

from dddkit.stories import I, Story

K = TypeVar("K", bound=Hashable)


@dataclass
class Table(Generic[K, AnyStr]):
    rows: Mapping[K, AnyStr]
    joined: list[AnyStr] = field(default_factory=list)


class Join(Story):
    I.join

    State = Table

    def join(self, state: "Table[Any, Any]") -> None:
        state.joined.extend(state.rows.values())


@dataclass(frozen=True)
class Outer(Story):
    I.inner
    I.check

    State = Table
    inner: Join

    def check(self, state: "Table[int, Any]") -> None:
        assert state.joined


texts: Table[int, str] = Table({1: "a"})
Join()(texts)
raw: Table[str, bytes] = Table({"x": b"b"})
Join()(raw)
Outer(Join())(texts)
assert (texts.joined, raw.joined) == (["a", "a"], [b"b"])
