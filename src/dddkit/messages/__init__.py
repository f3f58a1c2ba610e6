"""What events are called outside of the process, and how they are written and read."""

from dddkit.exceptions import MessageRejectedError, UnknownMessageError, UnnamedEventError
from dddkit.messages.catalog import EventCatalog
from dddkit.messages.causation import caused_by
from dddkit.messages.message import Message

__all__ = [
    "EventCatalog",
    "Message",
    "MessageRejectedError",
    "UnknownMessageError",
    "UnnamedEventError",
    "caused_by",
]
