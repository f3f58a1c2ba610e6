"""Steps that wait: for a signal from outside, or for time to pass."""

from __future__ import annotations

import sys
from collections.abc import Generator
from datetime import timedelta
from math import isfinite
from time import sleep
from typing import TYPE_CHECKING, Any, Final, final

from dddkit._callables import kind_of

__all__ = ["Delay", "Signal"]

_LONGEST_NAME: Final = 300
"""What was sent is found by the name and the id of the run, and databases limit what they find things by."""
_EXAMPLE: Final = 'Signal("approval", into="approved")'


class Signal:
    """A step that waits until somebody sends its signal: `checkout.signal("order-1", "approval", True)`.

        checkout = Durable(Checkout(approval=Signal("approval", into="approved", within=3600)), name="checkout")

    Inject it where a durable story is made. While it waits the run costs no thread. It may come early, and twice: the
    first one counts. In a plain run there is nobody to send it, so it is rejected: inject a function instead.

    Args:
        name: what the sender calls it.
        into: the field of the State that takes the value.
        within: seconds to wait for it, from when the step begins; then the step has failed with SignalTimeoutError,
            and what was done is undone. None: for ever.

    Raises:
        TypeError: an argument of another type.
        ValueError: an empty name, one that is too long or no text, or a number that cannot be meant.
    """

    __slots__ = ("into", "name", "within")

    def __init__(self, name: str, *, into: str, within: float | timedelta | None = None) -> None:
        self.name: Final = _name("name", name)
        self.into: Final = _name("into", into)
        self.within: Final = None if within is None else _seconds("Signal(within=...)", within)

    if TYPE_CHECKING:
        # It stands where a step stands. A plain run finds that nobody can call it, before its first step.
        def __call__(self, state: Any, /) -> Any: ...

    __not_a_step__ = (
        "is a Signal, which only a durable run can wait for; inject a function instead, or run the story by Durable"
    )

    def __repr__(self) -> str:
        return f"Signal({self.name!r}, into={self.into!r}, within={self.within!r})"


class Delay:
    """A step that waits for some time: `Delay(minutes=5)`, with the keywords of `timedelta`, or `Delay(90)`, seconds.

    In a durable run it costs no thread, and a process that ends meanwhile does not make it longer. In a plain run it
    waits as the story runs: a sync story sleeps, an async one awaits.

    Raises:
        TypeError: something that is no number.
        ValueError: less than nothing, or no number of seconds.
    """

    __slots__ = ("seconds",)

    def __init__(
        self,
        seconds: float | timedelta = 0,
        *,
        milliseconds: float = 0,
        minutes: float = 0,
        hours: float = 0,
        days: float = 0,
        weeks: float = 0,
    ) -> None:
        more = timedelta(milliseconds=milliseconds, minutes=minutes, hours=hours, days=days, weeks=weeks)
        self.seconds: Final = _seconds("Delay(...)", _seconds("Delay(...)", seconds) + more.total_seconds())

    def __call__(self, state: Any, /) -> Any:
        return _Pause(self.seconds)

    def __repr__(self) -> str:
        return f"Delay({self.seconds!r})"


@final
class _Pause:
    """What a step that is a Delay returns: an async story awaits it, a sync one lets it pass at once."""

    __slots__ = ("_seconds",)

    def __init__(self, seconds: float) -> None:
        self._seconds: Final = seconds

    def __await__(self) -> Generator[Any, Any, None]:
        trio: Any = sys.modules.get("trio")
        if trio is not None and trio.lowlevel.in_trio_task():
            yield from trio.sleep(self._seconds).__await__()
        else:
            from asyncio import sleep as asyncio_sleep  # long to import, and who awaits has imported it

            yield from asyncio_sleep(self._seconds).__await__()

    def __finish__(self) -> None:
        """Called in a sync story."""
        sleep(self._seconds)


def _name(what: str, given: object) -> str:
    if not isinstance(given, str):
        raise TypeError(f"Signal({what}=...) is a str, not {kind_of(given)}")
    if not given:
        raise ValueError(f'Signal({what}="") is empty; write {_EXAMPLE}')
    if not given.isprintable() or len(given.encode()) > _LONGEST_NAME:
        raise ValueError(f"Signal({what}=...) is at most {_LONGEST_NAME} bytes of printable text, such as {_EXAMPLE}")
    return given


def _seconds(what: str, given: object) -> float:
    if isinstance(given, timedelta):
        given = given.total_seconds()
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise TypeError(f"{what} takes seconds, or a timedelta, not {kind_of(given)}")
    if not isfinite(given) or given < 0:
        raise ValueError(f"{what} cannot wait for {given} seconds")
    return float(given)
