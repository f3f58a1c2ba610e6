"""Errors as they are, whatever their classes define: a frozen dataclass can be an exception too."""

from __future__ import annotations

from typing import Final

__all__ = ["remove_frames", "set_cause", "set_traceback", "traceback_of"]

traceback_of: Final = BaseException.__dict__["__traceback__"].__get__
set_traceback: Final = BaseException.__dict__["__traceback__"].__set__
set_cause: Final = BaseException.__dict__["__cause__"].__set__


def remove_frames(error: BaseException) -> None:
    """Remove the frames of the engine from the outer end of a traceback: they lead to the facts, and to the error."""
    traceback = traceback_of(error)
    while traceback is not None and traceback.tb_frame.f_globals.get("__package__") == __package__:
        traceback = traceback.tb_next
    set_traceback(error, traceback)
