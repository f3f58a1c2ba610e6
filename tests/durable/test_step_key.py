"""The key that a step passes on to the world."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from dataclasses import dataclass, field
from types import coroutine
from typing import Any

import pytest

from dddkit.stories import I, Story, StoryState, compensates, step_key
from dddkit.stories._engine.step_keys import key_prefix
from dddkit.testing._journal import Crash, Place
from tests.durable.running import ALL_PLACES, Running
from tests.stories.shop import Declined, finish, needs_threads


@dataclass(frozen=True)
class Pay(Story):
    I.charge
    I.charge

    class State(StoryState):
        is_broken: bool = False

    keys: list[str] = field(default_factory=list[str])

    def charge(self, state: State) -> None:
        self.keys.append(step_key())
        self.keys.append(step_key())

    @compensates(charge)
    def refund(self, state: State) -> None:
        self.keys.append(step_key())


@dataclass(frozen=True)
class Checkout(Story):
    I.pay
    I.pay
    I.ship

    State = Pay.State
    pay: Pay

    async def ship(self, state: Pay.State) -> None:
        await asyncio.sleep(0)
        self.pay.keys.append(step_key())
        if state.is_broken:
            raise Declined


def test_a_step_has_one_key_however_often_it_runs_and_each_occurrence_its_own() -> None:
    for crashes in ((), ALL_PLACES):
        story = Checkout(Pay())
        Running(story, Pay.State(), crashes=crashes).to_the_end()
        paid = [f"checkout/order-1/pay.charge{number}" for number in ("", "#2", "#3", "#4")]
        assert list(dict.fromkeys(story.pay.keys)) == [*paid, "checkout/order-1/ship"]


def test_a_compensation_has_its_own() -> None:
    story = Checkout(Pay())
    with pytest.raises(Declined):
        Running(story, Pay.State(is_broken=True)).once()
    assert story.pay.keys[-4:] == [f"checkout/order-1/undo:pay.charge{number}" for number in ("#4", "#3", "#2", "")]


@pytest.mark.parametrize("in_threads", [pytest.param(True, marks=needs_threads), False])
def test_it_is_known_in_threads_too(in_threads: bool) -> None:
    pay = Pay()
    Running(pay, Pay.State(), in_threads=in_threads, name="pay").once()
    assert pay.keys == ["pay/order-1/charge"] * 2 + ["pay/order-1/charge#2"] * 2


def test_a_plain_run_has_a_new_key_at_each_call() -> None:
    story = Checkout(Pay())
    finish(story(Pay.State()))
    assert len({*story.pay.keys, step_key(), step_key()}) == len(story.pay.keys) + 2


def test_nothing_is_left_of_it_after_a_run() -> None:
    async def run() -> set[str]:
        running = Running(Checkout(Pay()), Pay.State(), crashes=[Place(3, "after body")])
        with pytest.raises(Crash):
            await running.execute()
        return {step_key(), step_key()}

    assert not any(key.startswith("checkout") for key in asyncio.run(run()))


def test_a_run_that_is_closed_from_another_context_ends_quietly() -> None:
    class Waiting(Story):
        I.wait

        class State(StoryState):
            pass

        async def wait(self, state: State) -> None:
            await given_up()

    running = Running(Waiting(), Waiting.State()).execute()
    copy_context().run(running.send, None)
    running.close()
    assert not step_key().startswith("checkout")


@coroutine
def given_up() -> Any:
    yield


@pytest.mark.parametrize(
    ("parts", "prefix"),
    [
        (("checkout", "order-1"), "checkout/order-1"),
        (("check out", "a/b"), "check%20out/a%2Fb"),
        (("checkout", "order-1", 2), "checkout/order-1~2"),
        (("checkout", "order-1~2"), "checkout/order-1%7E2"),
        (("checkout", "é#\ud800"), "checkout/%C3%A9%23%ED%A0%80"),
    ],
    ids=range(5),
)
def test_parts_are_escaped_so_that_no_two_runs_have_the_same_keys(parts: Any, prefix: str) -> None:
    assert key_prefix(*parts) == prefix


def test_the_name_of_a_step_is_escaped_too() -> None:
    keys: list[str] = []

    class Bezahlen(Story):
        I.prüfen

        class State(StoryState):
            pass

        def prüfen(self, state: State) -> None:
            keys.append(step_key())

    Running(Bezahlen(), Bezahlen.State()).once()
    assert keys == ["checkout/order-1/pr%C3%BCfen"]
