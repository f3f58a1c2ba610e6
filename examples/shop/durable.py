"""The checkout as a durable story: where its process is killed, another one goes on with it."""

from __future__ import annotations

from typing import Final

from dddkit.exceptions import ConcurrencyError
from dddkit.stories.dbos import Durable
from dddkit.stories.durable import Retry

from .checkout import Checkout
from .payment import BankClosedError

AT_ONCE: Final = Retry(on=(ConcurrencyError,), attempts=5, wait=0.05)
"""Somebody else has bought the same goods at the same time."""
LATER: Final = Retry(on=(BankClosedError, ConnectionError, TimeoutError), attempts=6, wait=10.0)
"""The bank does not answer, or not today. A declined card is an answer."""


def durable(checkout: Checkout) -> Durable[Checkout.State]:
    """Return the checkout as a durable story; DBOS is to be configured before, and launched afterwards."""
    return Durable(
        checkout,
        name="checkout",
        retries={"reserve": AT_ONCE, "authorize.hold_amount": LATER, "capture": LATER},
    )
