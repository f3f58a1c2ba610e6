"""What runs beside the runs of this process, from DBOS's launch to its end: a thread that looks every second."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import uniform
from threading import Event
from typing import Final

from dbos import DBOS

from dddkit._database_errors import shown_of_database
from dddkit._outage_log import OutageLog
from dddkit.stories.dbos._executions import allow_executions, executions_here, stop_executions
from dddkit.stories.dbos._leases import Lease, current_lease, end_lease
from dddkit.stories.dbos._log import LOGGER
from dddkit.stories.dbos._private import at_launch, has_ended, instance
from dddkit.stories.dbos._take_over import TakeOver, hand_over

__all__ = ["enlist", "look_each", "look_each_second"]

_EVERY: Final = 1.0  # seconds
_SHARE: Final = 20
"""A look that takes long, since there are very many runs, is followed by a pause that is so many times as long."""
_LAST_STEPS: Final = 5.0
"""So many seconds steps may take to end after DBOS has."""


class _Look:
    """Something that is looked for again and again."""

    def __init__(self, every: float, look: Callable[[], object], what: str) -> None:
        self.look: Final = look
        self._every: Final = every
        self._log: Final = OutageLog(LOGGER, what)
        self._next = 0.0

    def when_due(self, stop: Event) -> None:
        """Look, unless that was done a moment ago."""
        began = time.monotonic()
        if began < self._next:
            return
        try:
            self.look()
        except Exception as error:
            if not stop.is_set():
                what = f"they cannot be read ({shown_of_database(error)})"
                self._log.failed(f"{what}, which is tried again", what)
        else:
            self._log.recovered("works again")
        now = time.monotonic()
        self._next = max(began + self._every, now + (now - began) * _SHARE) - _EVERY / 2


_looks: Final[list[_Look]] = []


def enlist() -> None:
    """Let a worker begin when DBOS is launched. Called again, it changes nothing."""
    at_launch(_work)


def look_each_second(look: Callable[[], object]) -> None:
    """Let the worker call this each second, in its thread. Whatever it raises is logged, and it is called again."""
    look_each(_EVERY, look, "signals and cancellations")


def look_each(seconds: float, look: Callable[[], object], what: str) -> None:
    """Let the worker call this after so many seconds, or less often where it takes long.

    Args:
        seconds: at least one.
        look: is called in the worker's thread; called again also after it has raised.
        what: what the log calls it.
    """
    if all(found.look != look for found in _looks):
        _looks.append(_Look(seconds, look, what))


def _work(stop: Event) -> None:
    lease = current_lease()
    if lease is None:
        LOGGER.error(
            "DBOS was configured without settings(...) of dddkit.stories.dbos: this process neither has a lease nor "
            "takes over the runs of others; write DBOS(config=settings(name, url))"
        )
    dbos = instance()
    try:
        _look_until(stop, lease)
        stop_executions()
        if dbos is not None:
            _wait_for_the_end(dbos)
        if lease is not None:
            _hand_over(lease)
    finally:
        allow_executions()  # those of the next DBOS
        if lease is not None:
            end_lease(lease)
        at_launch(_work)


def _look_until(stop: Event, lease: Lease | None) -> None:
    take_over = [] if lease is None else [_Look(_EVERY, TakeOver(lease).look, "the runs of other workers")]
    # Not to the beat: what one worker hands back another gives to the queue, from which both take. If both kept the
    # beat, the wrong one could be a moment earlier each time.
    while not stop.wait(_EVERY * uniform(0.5, 1.5)):
        for look in (*_looks, *take_over):
            look.when_due(stop)


def _hand_over(lease: Lease) -> None:
    try:
        hand_over(lease)
    except Exception as error:
        said = shown_of_database(error)
        LOGGER.warning("the runs of %s were not handed over (%s); others take them over", lease.executor_id, said)


def _wait_for_the_end(dbos: DBOS) -> None:
    """Wait until no step of this process runs any more: until then nobody may take over its runs."""
    while not has_ended(dbos):
        time.sleep(0.01)
    deadline = time.monotonic() + _LAST_STEPS
    while executions_here() and time.monotonic() < deadline:
        time.sleep(0.01)
