"""No message shows what an object holds: secrets end in logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from dddkit.dataclasses import ChangesHandler, EventBroker
from dddkit.exceptions import UnhandledEventError
from dddkit.stories import I, Story, StoryState, inject_hooks
from tests.blocks.flavours import Flavour, in_both_flavours

SECRET = "s3cr3t!"  # no name of anything


class Secret(NamedTuple):
    """Shows its secret in its repr; no handler, no hook, no step."""

    value: str = SECRET


class Sale(Story):
    I.charge

    class State(StoryState):
        card: Any

    def charge(self, state: State) -> None:
        """Charge the card."""


class HookWithSecret(Secret):
    before = Secret()


class AsyncHookWithSecret(Secret):
    async def around_step(self, context: Any, step: Any) -> None:
        """An around hook has to be a generator function."""


def step_of_an_object() -> None:
    class Bad(Story):
        I.charge
        charge: Any = Secret()

    Bad()(object())


def step_hooks() -> None:
    sale.__step_hooks__ = Secret()


def state_of_a_handler() -> None:
    wrong: Any = Secret()
    type("Handler", (ChangesHandler,), {"result_type": wrong})


broker: Any = EventBroker()
inject: Any = inject_hooks
sale: Any = Sale

MISTAKES: dict[str, Callable[[], object]] = {
    "a selector": lambda: broker.subscribe(Secret(), print),
    "a handler": lambda: broker.subscribe(int, Secret()),
    "a text for a handler": lambda: broker.subscribe(int, SECRET),
    "a class to handle": lambda: broker.handle(Secret()),
    "an instance": lambda: broker.instance(Secret()),
    "a predicate": lambda: broker.register(Secret()),
    "an unhandled event": lambda: broker.publish(Secret()),
    "a removed handler": lambda: broker.unsubscribe(int, Secret()),
    "a result type": state_of_a_handler,
    "a step": step_of_an_object,
    "a story": lambda: inject(Secret()),
    "hooks that are no list": lambda: inject(Sale, hooks=object()),
    "a hook without methods": lambda: inject(Sale, hooks=[Secret()]),
    "a hook with something else": lambda: inject(Sale, hooks=[HookWithSecret()]),
    "an async around hook": lambda: inject(Sale, hooks=[AsyncHookWithSecret()]),
    "a registered hook": lambda: sale.register_hook("before", Secret()),
    "a state without that attribute": lambda: Sale.State(card=Secret()).cart,  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType, reportUnknownMemberType]
    "step hooks": step_hooks,
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_fr9_a_message_shows_kinds_of_objects_and_not_what_they_hold(mistake: Callable[[], object]) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError, UnhandledEventError)) as error:
        mistake()
    assert str(error.value)
    assert SECRET not in str(error.value)


@in_both_flavours
def test_fr9_what_is_no_event_is_not_shown(flavour: type[Flavour]) -> None:
    card = flavour.declare("DomainEvent", "CardRead", number=str)
    for wrong in (card(number=SECRET), SECRET, Secret()):
        with pytest.raises(TypeError, match="takes an AggregateEvent, and got a") as error:
            flavour.Basket(basket_id=1).add_event(wrong)
        assert SECRET not in str(error.value)
