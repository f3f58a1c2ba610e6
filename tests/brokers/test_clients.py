"""With the client of one broker installed, the other one's is not missed."""

from __future__ import annotations

import subprocess
import sys

import pytest

NATS = """
import sys
sys.modules["aio_pika"] = None
from faststream import AckPolicy
from faststream.nats import NatsBroker, PullSub
from dddkit.faststream import deliver, to_nats
broker = NatsBroker()
to_nats(broker, "shop")
subscriber = broker.subscriber(
    "shop.>", stream="shop", durable="refunds", pull_sub=PullSub(), ack_policy=AckPolicy.NACK_ON_ERROR
)
"""

RABBITMQ = """
import sys
sys.modules["nats"] = None
from faststream import AckPolicy
from faststream.rabbit import RabbitBroker
from dddkit.faststream import deliver, to_rabbit
broker = RabbitBroker()
to_rabbit(broker, "shop")
subscriber = broker.subscriber("refunds", "shop", ack_policy=AckPolicy.NACK_ON_ERROR)
"""

DELIVER = """
class Consumer:
    name = "refunds"
    async def receive(self, message): ...
deliver(subscriber, Consumer())
print("sqlalchemy" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("program", [NATS, RABBITMQ], ids=["nats", "rabbitmq"])
def test_one_client_is_enough_and_sqlalchemy_is_not_needed(program: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program + DELIVER], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("False\n", "")
