"""Running a durable story in memory: executions that crash, until one of them ends."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any, Generic, TypeVar

import pytest

from dddkit.stories import StoryState
from dddkit.stories.durable import Retry
from dddkit.stories.durable._journal import Entry
from dddkit.stories.durable._outcome import outcome_of
from dddkit.stories.durable._run import run
from dddkit.stories.durable._state import StateCodec
from dddkit.stories.durable._steps import check_retries, plan_of
from dddkit.testing._journal import Crash, MemoryJournal, Place

StateT = TypeVar("StateT", bound=StoryState)

ALL_PLACES = tuple(Place(index, when) for index in range(60) for when in ("before", "after body", "after record"))


def write_and_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the log of durable runs write its records and keep none: pytest does, with the errors in them."""
    for name in ("dddkit.stories.compensation", "dddkit.stories.durable"):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "propagate", False)
        monkeypatch.setattr(logger, "handlers", [logging.StreamHandler(StringIO())])


class Running(Generic[StateT]):
    """A durable run of a story."""

    def __init__(
        self,
        story: Any,
        state: StateT,
        *,
        name: str = "checkout",
        retries: Mapping[str, Retry] | None = None,
        signals: dict[str, Any] | None = None,
        crashes: Iterable[Place] = (),
        entries: Iterable[Entry] = (),
        skips_time: bool = True,
        in_threads: bool | None = False,
        **options: Any,
    ) -> None:
        self.codec = StateCodec(type(state), type(story).__name__)
        self.plan = plan_of(story, name, type(state))
        self.retries = retries or {}
        check_retries(self.plan, self.retries)
        self.start = json.dumps(self.codec.dump(state))
        self.journal = MemoryJournal(
            "order-1", signals=signals, crashes=crashes, entries=entries, skips_time=skips_time
        )
        self.options: dict[str, Any] = {"in_threads": in_threads, **options}
        self.outcome: dict[str, Any] = {}
        self.executions = 0

    async def execute(self) -> StateT:
        """Run one execution; return the State at the end, or raise what the caller gets."""
        self.executions += 1
        text = await run(self.plan, self.codec, self.start, self.journal, retries=self.retries, **self.options)
        self.outcome = json.loads(text)
        ended: StateT = outcome_of(text, self.plan, self.codec, "order-1")
        return ended

    def once(self) -> StateT:
        """Run one execution in a loop of its own."""
        return asyncio.run(self.execute())

    def to_the_end(self) -> StateT:
        """Resume after each crash."""

        async def resumed() -> StateT:
            while True:
                try:
                    return await self.execute()
                except Crash:
                    self.journal.begin()

        return asyncio.run(resumed())

    @property
    def recorded(self) -> list[str]:
        return [entry.name for entry in self.journal.recorded]

    @property
    def status(self) -> str:
        return str(self.outcome["status"])
