"""`step_key`: what a step passes on to the world, so that it happens once there however often it is tried."""

from __future__ import annotations

from contextvars import ContextVar
from functools import lru_cache
from typing import Final

__all__ = ["CURRENT_KEY", "key_prefix", "label_in_key", "step_key"]

CURRENT_KEY: Final[ContextVar[str | None]] = ContextVar("dddkit_step_key", default=None)
"""The key of the step of a durable run that is under way in this context."""


def step_key() -> str:
    """Return the key under which this step is known to the world: give it to a payment gateway, or to `unit.once`.

        async def charge(self, state: State) -> None:
            state.payment = await self.gateway.charge(state.total, idempotency_key=step_key())

    In a durable run it is `checkout/order-1/charge`: the name of the story, the id of the run, the step; the same in
    each attempt, and in each process. Each part is escaped as in a URL, a step that is listed again ends in `#2`, and a
    compensation has its own: `checkout/order-1/undo:charge`. A step that does two things in the world adds what tells
    them apart: f"{step_key()}/receipt". So do the steps of a story that the body of a step calls, for they all have the
    key of that step. In a plain run, and outside of a run, each call returns a new key.
    """
    key = CURRENT_KEY.get()
    if key is not None:
        return key
    from uuid import uuid4  # long to import

    return str(uuid4())


def key_prefix(story: str, run_id: str, number: int = 1) -> str:
    """Return what the keys of a run begin with.

    Args:
        story: the name under which the run was started.
        run_id: its id.
        number: counts from 1 how often new keys were asked for.
    """
    again = "" if number == 1 else f"~{number}"
    return f"{_escaped(story)}/{_escaped(run_id)}{again}"


@lru_cache(maxsize=4096)  # asked for in each step; there are as many labels as steps are listed
def label_in_key(label: str) -> str:
    """Return how a key shows the label of a step: `pay.authorize#2`."""
    path, mark, occurrence = label.partition("#")
    return f"{_escaped(path)}{mark}{occurrence}"


def _escaped(part: str) -> str:
    from urllib.parse import quote  # long to import

    return quote(part, safe="", errors="surrogatepass").replace("~", "%7E")
