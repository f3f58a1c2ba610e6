"""The world that steps change: a file outside of the database under test, which says what has really happened."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, NoReturn
from uuid import uuid4

from dddkit.stories import step_key
from tests.kill.journals import Journal

__all__ = ["PLACES", "Kill", "Ledger", "Place", "World"]

Place = Literal["before", "inside", "after", "recorded"]
PLACES: Final[tuple[Place, ...]] = ("before", "inside", "after", "recorded")
"""Where a process is killed: before a step, inside, after it and before its record, after the record."""


class Kill(NamedTuple):
    """The place where a process is to die."""

    run: str
    label: str
    place: Place


class Ledger:
    """What processes write down. A line is there once it is written, whatever becomes of its process."""

    def __init__(self, path: Path) -> None:
        self._journal: Final = Journal(path)

    def write(self, what: str, run: str, *, pid: int | None = None, **facts: Any) -> None:
        self._journal.write(what=what, run=run, pid=pid or os.getpid(), at=time.time(), **facts)


class World:
    """Does what steps are about, and notes it. This process dies there, if that is asked of it."""

    def __init__(
        self, ledger: Ledger, kill: Kill | None = None, failures: int = 0, *, forgets_keys: bool = False
    ) -> None:
        self.ledger: Final = ledger
        self._kill: Final = kill
        self._failures: Final = failures
        self._forgets_keys: Final = forgets_keys
        self._attempts: Final = dict[tuple[str, str], int]()

    def act(self, run: str, label: str, sees: Mapping[str, str], *, unsteady: bool = False) -> str:
        """Do it, and return what is new in the world since then.

        Args:
            run: the run.
            label: the step.
            sees: what the step sees of the steps before it.
            unsteady: fail at the first attempts of each process, as a network does.
        """
        key = f"{step_key()}/{uuid4()}" if self._forgets_keys else step_key()
        self.ledger.write("began", run, label=label, key=key, sees=sees)
        self.die_at(run, label, "inside")
        attempts = self._attempts[run, label] = self._attempts.get((run, label), 0) + 1
        if unsteady and attempts <= self._failures:
            self.ledger.write("raised", run, label=label)
            raise ConnectionError("the network is away")
        made = uuid4().hex[:12]
        self.ledger.write("done", run, label=label, made=made)
        return made

    def die_at(self, run: str, label: str, place: Place) -> None:
        if self._kill == (run, label, place):
            self.die(run, label=label, place=place)

    def die(self, run: str, **facts: Any) -> NoReturn:
        self.ledger.write("killed", run, **facts)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("it lives on")
