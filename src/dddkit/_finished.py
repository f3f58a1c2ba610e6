"""FINISHED, the awaitable that a finished sync story or publish hands back."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, cast, final

__all__ = ["FINISHED", "Finished"]

_NOTHING_TO_WAIT_FOR: Final = ()


@final
class Finished:
    """The work was sync and is done; awaiting it gives None at once.

    It lets one call serve both colours: `story(state)` has run when every step is sync, and
    `await story(state)` is right all the same. There is one object, FINISHED; it holds nothing.
    """

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        # An empty tuple's iterator is all that `await` needs, and the cheapest there is.
        return cast("Generator[Any, Any, None]", iter(_NOTHING_TO_WAIT_FOR))

    def __repr__(self) -> str:
        return "FINISHED"

    def __reduce__(self) -> str:
        return "FINISHED"


FINISHED: Final = Finished()
