"""FINISHED, the awaitable that a finished sync story or publish hands back."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final, final

__all__ = ["FINISHED", "Finished"]


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
        # An iterator with nothing in it is all that `await` needs. Where this is a function, calling it would take
        # longer than three steps of a story.
        __await__ = ().__iter__

    def __repr__(self) -> str:
        return "FINISHED"

    def __reduce__(self) -> str:
        return "FINISHED"


FINISHED: Final = Finished()
