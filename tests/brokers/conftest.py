"""Each of the brokers, for the tests of what both do. RabbitMQ takes seconds to start."""

from __future__ import annotations

import pytest

from tests.brokers.sites import NatsSite, RabbitSite, Site


@pytest.fixture(params=["nats", pytest.param("rabbitmq", marks=pytest.mark.slow)])
def site(request: pytest.FixtureRequest) -> Site:
    url: str = request.getfixturevalue(f"{request.param}_url")
    return NatsSite(url) if request.param == "nats" else RabbitSite(url)


@pytest.fixture
def nats_site(nats_url: str) -> NatsSite:
    return NatsSite(nats_url)


@pytest.fixture
def rabbit_site(rabbitmq_url: str) -> RabbitSite:
    return RabbitSite(rabbitmq_url)
