"""FINISHED, the awaitable that a finished sync story or publish hands back."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final, final
from weakref import ref

__all__ = ["FINISHED", "Finished"]


# A generator that has come to its end: awaiting it gives None at once, as often as one likes.
_ENDED: Final = (None for _ in "")
next(_ENDED, None)


@final
class Finished:
    """The work was sync and is done; awaiting it gives None at once.

    It lets one call serve both colours: `story(state)` has run when every step is sync, and
    `await story(state)` is right all the same. There is one object, FINISHED; it holds nothing.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __await__(self) -> Generator[Any, Any, None]: ...

    else:
        # `await` calls this and waits for the iterator it gives. A function of Python's would take longer than three
        # steps of a story, and making an iterator as long as two; a weak reference gives the same one each time.
        __await__ = ref(_ENDED)

    def __repr__(self) -> str:
        return "FINISHED"

    def __reduce__(self) -> str:
        return "FINISHED"


FINISHED: Final = Finished()
