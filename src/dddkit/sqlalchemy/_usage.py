"""What a unit of work may be asked now: one thing at a time, inside of its block, until it has ended."""

from __future__ import annotations

from threading import Lock
from typing import Final, Literal

from dddkit._context import set_variable
from dddkit._markers import OPEN_UNIT, OpenUnit, unit_around
from dddkit.exceptions import UnitClosedError, UnitError

__all__ = ["Usage"]

End = Literal["committed", "rolled back", "ended by an error"]


class Usage:
    """Guards one unit: `with usage.of("commit"):` is refused while something else is under way, and after the end."""

    __slots__ = ("_lock", "_operation", "consumer", "ended", "is_committing", "is_entered", "outer", "unit")

    def __init__(self, unit: str) -> None:
        self.unit: Final = unit
        self.ended: End | None = None
        self.is_committing = False
        self.consumer = ""
        """The consumer whose handler is running: it ends the unit, and nobody else."""
        self.is_entered = False
        self.outer: OpenUnit | None = None
        """The open unit in whose block this one was entered."""
        self._operation = ""
        self._lock: Final = Lock()  # never waited for, so no fork or signal handler finds it in its way

    def enter(self, keyword: str) -> None:
        if self.is_entered:
            raise UnitClosedError(self.unit, f"a unit is used once; make another one: `{keyword} {self.unit}(...)`")
        self.is_entered = True
        self.outer = unit_around()
        set_variable(OPEN_UNIT, self)

    def of(self, operation: str) -> Usage:
        """Return what a `with` statement takes around the operation.

        Raises:
            UnitClosedError: the unit has ended.
            UnitError: another operation is under way, or the block has not begun.
        """
        if self.ended is not None:
            raise UnitClosedError(
                self.unit, f"{operation} after it was {self.ended}; a unit is used once, make another"
            )
        if not self.is_entered:
            raise UnitError(
                self.unit, f"{operation} outside of its block; write `with` (`async with`) and use it there"
            )
        if not self._lock.acquire(blocking=False):
            raise UnitError(
                self.unit,
                f"{operation} while {self._operation} is under way; a unit does one thing at a time: await the calls "
                f"one after the other, or give each task a unit of its own",
            )
        self._operation = operation
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def begin_commit(self, operation: str) -> None:
        """Refuse what ends the unit, where it is refused; a commit begins where it is not."""
        if self.is_committing and self.ended is None:
            raise UnitError(
                self.unit, f"{operation} while commit is under way; a reaction leaves the end to the unit, or raises"
            )
        if self.consumer and self.ended is None:
            raise UnitError(
                self.unit,
                f"{operation} in a handler of the consumer {self.consumer}, which ends the unit itself; return, and it "
                f"commits, or raise",
            )
        with self.of(operation):
            self.is_committing = True

    def end(self, how: End) -> None:
        self.is_committing = False
        self.ended = how

    @property
    def is_open(self) -> bool:
        return self.is_entered and self.ended is None

    @property
    def is_undecided(self) -> bool:
        return self.is_entered and self.ended is None and not self.consumer  # a consumer's message comes again
