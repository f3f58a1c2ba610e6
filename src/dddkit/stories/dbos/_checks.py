"""What is rejected when a durable story is made, and when one is asked for a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from dddkit._callables import kind_of
from dddkit._markers import unit_around
from dddkit.stories._engine.step_keys import CURRENT_KEY, key_prefix
from dddkit.stories.dbos._mailboxes import BOXES
from dddkit.stories.dbos._private import configured_version, instance, is_launched, registered_workflows
from dddkit.stories.dbos.settings import APPLICATION_VERSION
from dddkit.stories.durable.status import RunStatus

__all__ = [
    "check_configured",
    "check_id",
    "check_limit",
    "check_names",
    "check_no_unit",
    "check_not_inside",
    "check_not_launched",
    "check_queue",
    "check_story",
    "check_timeout",
]

# The isinstance checks are for those who use no type checker.
# pyright: reportUnnecessaryIsInstance=false

_LONGEST_NAME: Final = 200
_LONGEST_ID: Final = 1000
"""Bytes of UTF-8; the longest that PostgreSQL takes into an index is about 2,700, and signals add theirs."""


def check_story(story: object, name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f'Durable(name=...) is a str, not {kind_of(name)}; write name="checkout"')
    if isinstance(story, type):
        raise TypeError(f"{name}: Durable runs one story object; write Durable({story.__name__}(...), ...)")
    if "__story__" not in type(story).__dict__:
        raise TypeError(f"{name}: Durable runs a story, and this is {kind_of(story)}")


def check_names(name: str, formerly: object) -> None:
    """Raise where one of the names cannot be used, or has been given away."""
    others: Any = formerly  # each is checked below
    if not isinstance(formerly, tuple):
        raise TypeError(f'{name}: formerly is a tuple of names, not {kind_of(formerly)}; write formerly=("old name",)')
    seen: set[str] = set()
    one: Any
    for one in (name, *others):
        if not isinstance(one, str):
            raise TypeError(f"{name}: formerly is a tuple of names, and one of them is {kind_of(one)}")
        if not one or one != one.strip() or not one.isprintable() or len(one) > _LONGEST_NAME:
            raise ValueError(
                f"{one[:_LONGEST_NAME]!r} cannot be the name of a durable story; write 1 to {_LONGEST_NAME} printable "
                f"characters, without spaces around them"
            )
        if one.startswith("dddkit."):
            raise ValueError(f"{one}: names that begin with dddkit. belong to dddkit; write another")
        if one in seen or one in registered_workflows():
            raise ValueError(
                f"{one}: another durable story, or another workflow of DBOS, has this name already; its runs would go "
                f"on in the wrong story; give each a name of its own"
            )
        seen.add(one)


def check_configured(name: str) -> None:
    """Raise where DBOS exists and was configured by something else than `settings`.

    Raises:
        RuntimeError: the version of the application is not ours.
    """
    if instance() is not None and not configured_version().startswith(f"{APPLICATION_VERSION}-"):
        raise RuntimeError(
            f"{name}: DBOS was not configured by settings(), so its runs would wait for workers with exactly the same "
            f'code; write DBOS(config=settings("shop", database_url)), with settings of dddkit.stories.dbos'
        )


def check_not_launched(name: str) -> None:
    if is_launched():
        raise RuntimeError(
            f"{name}: DBOS was launched already, and would not go on with the runs of a story that it gets to know "
            f"now; make Durable(...) before DBOS.launch()"
        )


def check_queue(name: str, queue: object) -> None:
    if queue is not None and not isinstance(queue, str):
        raise TypeError(f"{name}: queue is the name of a queue, not {kind_of(queue)}")


def check_id(name: str, run_id: object) -> None:
    """Raise where the database cannot keep the id, or keeps another one.

    Raises:
        TypeError: it is no str.
        ValueError: it is empty, too long, or has characters that a database does not take.
    """
    if not isinstance(run_id, str):
        raise TypeError(f"{name}: the id of a run is a str, not {kind_of(run_id)}; write id=str(...)")
    if not run_id.strip():
        raise ValueError(f"{name}: the id of a run is empty; give what identifies the operation, as in the order's id")
    if run_id.startswith(BOXES):
        raise ValueError(f"{name}: ids that begin with {BOXES} belong to dddkit; write another")
    if "\0" in run_id:
        raise ValueError(f"{name}: the id of a run contains a NUL character, which databases do not take")
    try:
        length = len(run_id.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{name}: the id of a run contains half of a surrogate pair, which is no text") from None
    if length > _LONGEST_ID:
        raise ValueError(f"{name}: the id of a run has {length} bytes; write at most {_LONGEST_ID}")


def check_no_unit(name: str) -> None:
    """Raise inside of a unit of work.

    Raises:
        RuntimeError: a unit of work is open.
    """
    unit = unit_around()
    if unit is not None:
        raise RuntimeError(
            f"{name}: a run was to be started inside of the block of {unit.unit}, and it would run even if the unit "
            f"is rolled back; start it after the block, or record an event and start it where that is consumed"
        )


def check_timeout(name: str, timeout: object) -> None:
    if timeout is not None and (not isinstance(timeout, (int, float)) or isinstance(timeout, bool) or not timeout >= 0):
        raise TypeError(f"{name}: timeout is a number of seconds, or None, not {kind_of(timeout)}")


def check_not_inside(name: str, names: Iterable[str], run_id: object) -> None:
    """Raise where a step asks for the end of its own run.

    Raises:
        RuntimeError: it would wait for itself.
    """
    key = CURRENT_KEY.get()
    if key is None or not isinstance(run_id, str):  # what is wrong with the id, its own check says
        return
    prefixes = [key_prefix(one, run_id) for one in names]
    if any(key.startswith((f"{prefix}/", f"{prefix}~")) for prefix in prefixes):
        raise RuntimeError(
            f"{name}: a step of the run {run_id!r} waits for the end of this run, which comes after the step; read "
            f"what it needs from its state"
        )


def check_limit(name: str, status: object, limit: object) -> None:
    if status is not None and not isinstance(status, RunStatus):
        raise TypeError(f"{name}: status is a RunStatus, as in RunStatus.FAILED, not {kind_of(status)}")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise ValueError(f"{name}: limit is a number of runs, at least 1, not {kind_of(limit)}")
