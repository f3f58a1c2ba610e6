"""Messages over RabbitMQ and NATS JetStream, with FastStream as the client of both."""

from dddkit.exceptions import MessageRejectedError, NotPublishedError
from dddkit.faststream import _requirements as _requirements
from dddkit.faststream.delivery import MessageConsumer, deliver
from dddkit.faststream.publishers import to_nats, to_rabbit

__all__ = [
    "MessageConsumer",
    "MessageRejectedError",
    "NotPublishedError",
    "deliver",
    "to_nats",
    "to_rabbit",
]
