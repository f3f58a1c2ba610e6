"""Errors as they are, whatever their classes define: a frozen dataclass can be an exception too."""

from __future__ import annotations

from types import FrameType
from typing import Final

__all__ = ["is_of_a_run", "remove_frames", "set_cause", "set_traceback", "traceback_of"]

traceback_of: Final = BaseException.__dict__["__traceback__"].__get__
set_traceback: Final = BaseException.__dict__["__traceback__"].__set__
set_cause: Final = BaseException.__dict__["__cause__"].__set__


_OF_RUNS: Final = (__package__, "dddkit.stories.durable")


def is_of_a_run(frame: FrameType) -> bool:
    """Return whether a frame belongs to what runs stories, plain or durable ones."""
    return frame.f_globals.get("__package__") in _OF_RUNS


def remove_frames(error: BaseException) -> None:
    """Remove the frames of a run from the outer end of a traceback: they lead to the facts, and to the error."""
    traceback = traceback_of(error)
    while traceback is not None and is_of_a_run(traceback.tb_frame):
        traceback = traceback.tb_next
    set_traceback(error, traceback)
