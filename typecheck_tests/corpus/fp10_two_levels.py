"""Bases over bases: the leaves are at module level and in a child aggregate, and all are handled."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import NamedTuple

from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler


class Log(NamedTuple):
    entries: list[str]
    size: int = 0


@dataclass(kw_only=True)
class Task(Aggregate):
    id: int
    tags: set[str] = field(default_factory=set)

    class Event(AggregateEvent, ABC):
        pass

    class Tagging(Event, ABC):
        pass

    @dataclass(frozen=True)
    class Renamed(Event):
        name: str


@dataclass(frozen=True)
class Tagged(Task.Tagging):
    tag: str


class Untagged(Task.Tagging):
    pass


class TaskLog(ChangesHandler[Task, Log]):
    result_type = Log

    def _clear_state(self) -> None:
        self.entries = list[str]()

    @singledispatchmethod
    def handle_changes(self, event: Task.Event, task: Task) -> None:
        """Nothing handles what nobody declared."""
        raise TypeError(event)

    @handle_changes.register
    def _tagged(self, event: Tagged, task: Task) -> None:
        self.entries.append(f"+{event.tag}")

    @handle_changes.register(Untagged)
    def _untagged(self, event: Untagged, task: Task) -> None:
        self.entries.append("-")

    @handle_changes.register(Task.Renamed)
    def _renamed(self, event: Task.Renamed, task: Task) -> None:
        self.entries.append(event.name)


task = Task(id=1)
for event in (Tagged("a"), Untagged(), Task.Renamed("n")):
    task.add_event(event)
assert TaskLog()(task).entries == ["+a", "-", "n"]
