"""Which message caused what happens now."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from dddkit._callables import kind_of
from dddkit._context import reset_variable, set_variable
from dddkit.messages.message import Message

__all__ = ["caused_by", "current_cause"]

_cause: Final[ContextVar[Message | None]] = ContextVar("dddkit_cause", default=None)


@contextmanager
def caused_by(message: Message) -> Generator[None, None, None]:
    """Say of the events that are encoded in the block that they are effects of this message.

    Their messages carry its id as `causation_id`; as `correlation_id` they carry its own or else its id, so that
    everything that has come from one message can be found. Consuming a message does this for its handler. It counts
    for the current task, and for the tasks that the block starts; a thread of one's own starts without it.

    Raises:
        TypeError: it is no Message.
    """
    if type(message) is not Message:
        raise TypeError(f"caused_by takes a Message, not {kind_of(message)}")
    token = set_variable(_cause, message)
    try:
        yield
    finally:
        reset_variable(_cause, token)


def current_cause() -> Message | None:
    """Return the message that has caused what happens now; None if nothing has."""
    return _cause.get()
