"""Each of the brokers, for the tests of what both do. RabbitMQ takes seconds to start."""

from __future__ import annotations

import pytest
from faststream.rabbit import QueueType

from tests.brokers.sites import NatsSite, RabbitSite, Site


@pytest.fixture(
    params=["nats", pytest.param("quorum", marks=pytest.mark.slow), pytest.param("classic", marks=pytest.mark.slow)]
)
def site(request: pytest.FixtureRequest) -> Site:
    if request.param == "nats":
        return NatsSite(request.getfixturevalue("nats_url"))
    return RabbitSite(request.getfixturevalue("rabbitmq_url"), queue_type=QueueType(request.param))


@pytest.fixture
def nats_site(nats_url: str) -> NatsSite:
    return NatsSite(nats_url)


@pytest.fixture
def rabbit_site(rabbitmq_url: str) -> RabbitSite:
    return RabbitSite(rabbitmq_url)
