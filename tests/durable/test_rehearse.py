"""`rehearse` finds what a story loses, or does twice, when its process ends in the middle."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from dddkit.exceptions import CompensationError, SignalTimeoutError, StoryNotRecordableError
from dddkit.stories import I, Story, StoryState, compensates, step_key, variable
from dddkit.stories.durable import Delay, Retry, Signal
from dddkit.testing import rehearse
from tests.stories.shop import needs_threads

# Any: what tests give to stories.


class Gateway:
    """Charges once for each key."""

    def __init__(self) -> None:
        self.charges: dict[str, str] = {}
        self.calls = 0

    def charge(self, order: str, key: str) -> str:
        self.calls += 1
        return self.charges.setdefault(key, f"{order}/{len(self.charges)}")


@dataclass(frozen=True, slots=True)
class Pay(Story):
    I.authorize
    I.capture

    class State(StoryState):
        order: str
        token: str = variable()
        payment: str = variable()

    gateway: Gateway

    async def authorize(self, state: State) -> None:
        state.token = step_key()

    async def capture(self, state: State) -> None:
        state.payment = self.gateway.charge(state.order, step_key())


@dataclass(frozen=True, slots=True)
class Checkout(Story):
    I.reserve
    I.pay
    I.ship

    class State(Pay.State):
        lines: list[str] = []
        shipped: bool = False

    pay: Pay
    ship: Callable[[State], object] = lambda state: None

    async def reserve(self, state: State) -> None:
        state.lines.append("reserved")

    @compensates(reserve)
    async def release(self, state: State) -> None:
        state.lines.append("released")


def refuse(state: Checkout.State) -> None:
    raise ValueError("no van")


def rehearsed(story: Any, state: Any, **more: Any) -> Any:
    return asyncio.run(rehearse(story, state, **more))


def difference(story: Any, state: Any, **more: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        rehearsed(story, state, **more)
    return str(caught.value)


def test_a_story_that_survives_every_end_of_its_process_comes_back_with_its_state() -> None:
    state = rehearsed(Checkout(Pay(Gateway())), Checkout.State(order="o-1"), name="shop")
    assert state.token == "shop/rehearsal-1/pay.authorize"
    assert (state.payment, state.lines) == ("o-1/0", ["reserved"])


def test_the_story_and_the_state_of_the_test_stay_as_they_are() -> None:
    gateway = Gateway()
    state = Checkout.State(order="o-1")
    rehearsed(Checkout(Pay(gateway)), state)
    assert gateway.calls == 0
    assert state == Checkout.State(order="o-1")


@needs_threads
def test_a_sync_story_is_rehearsed_as_well() -> None:
    class Count(Story):
        I.first
        I.second

        class State(StoryState):
            count: int = 0

        def first(self, state: State) -> None:
            state.count += 1

        def second(self, state: State) -> None:
            state.count += 10

    assert rehearsed(Count(), Count.State()).count == 11


# What is found


@dataclass
class Paying(Story):
    """A story whose steps children fill in."""

    I.authorize
    I.capture

    class State(StoryState):
        order: str
        payment: str = variable()

    gateway: Gateway
    cache: dict[str, list[str]] = field(default_factory=dict[str, "list[str]"])

    async def authorize(self, state: State) -> None: ...

    async def capture(self, state: State) -> None: ...


class RemembersInAnAttribute(Paying):
    async def authorize(self, state: Paying.State) -> None:
        self.token = "t"  # type: ignore[dddkit-story-attribute]  # that is the test

    async def capture(self, state: Paying.State) -> None:
        state.payment = self.token


class RemembersInADict(Paying):
    async def authorize(self, state: Paying.State) -> None:
        self.cache.setdefault("tokens", []).append("t")

    async def capture(self, state: Paying.State) -> None:
        state.payment = self.cache["tokens"][0]


CURRENT_TOKEN: ContextVar[str] = ContextVar("CURRENT_TOKEN")


class RemembersInItsContext(Paying):
    async def authorize(self, state: Paying.State) -> None:
        CURRENT_TOKEN.set("t")

    async def capture(self, state: Paying.State) -> None:
        state.payment = CURRENT_TOKEN.get()


@pytest.mark.parametrize("cls", [RemembersInAnAttribute, RemembersInADict, RemembersInItsContext])
def test_a_step_that_needs_what_an_earlier_one_left_in_memory_is_found(cls: type[Paying]) -> None:
    asyncio.run(cls(Gateway())(Paying.State(order="o-1")))
    message = difference(cls(Gateway()), Paying.State(order="o-1"))
    assert message.startswith(
        f"{cls.__name__}: the process ended when authorize was recorded, and the run came to another end; "
        f"what a step needs of an earlier one belongs into the State\n  it is failed (capture: "
    )
    assert message.endswith("where it was completed\n  at state.payment: missing 't'")


def test_what_a_nested_story_left_in_memory_is_gone_too() -> None:
    @dataclass
    class Outer(Story):
        I.pay

        class State(Paying.State):
            pass

        pay: Paying

    message = difference(Outer(RemembersInAnAttribute(Gateway())), Outer.State(order="o-1"))
    assert "the process ended when pay.authorize was recorded" in message


class TrustsItsFirstAttempt(Paying):
    async def capture(self, state: Paying.State) -> None:
        if state.order in self.gateway.charges:
            return  # paid already
        state.payment = self.gateway.charge(state.order, state.order)


class ReadsBack(Paying):
    async def capture(self, state: Paying.State) -> None:
        state.payment = self.gateway.charges.get(state.order) or self.gateway.charge(state.order, state.order)


class ChargesAgain(Paying):
    async def capture(self, state: Paying.State) -> None:
        state.payment = self.gateway.charge(state.order, f"charge {self.gateway.calls}")


class RefusesTwice(Paying):
    async def capture(self, state: Paying.State) -> None:
        if state.order in self.gateway.charges:
            raise KeyError(state.order)
        state.payment = self.gateway.charge(state.order, state.order)


@pytest.mark.parametrize(
    ("cls", "found"),
    [
        (TrustsItsFirstAttempt, "\n  at state.payment: missing 'o-1/0'"),
        (ChargesAgain, "\n  at state.payment: 'o-1/1' != 'o-1/0'"),
        (RefusesTwice, "\n  it is failed (capture: KeyError: 'o-1'), where it was completed\n  at state.payment: "),
    ],
)
def test_a_step_that_relies_on_what_its_interrupted_attempt_left_is_found(cls: type[Paying], found: str) -> None:
    message = difference(cls(Gateway()), Paying.State(order="o-1"))
    assert message.startswith(
        f"{cls.__name__}: the process ended when capture had run, and before that was recorded, so that it ran again, "
    )
    assert "pass on step_key()" in message
    assert found in message


def test_a_step_that_reads_back_what_it_has_done_passes() -> None:
    assert rehearsed(ReadsBack(Gateway()), Paying.State(order="o-1")).payment == "o-1/0"


# Failing and undoing


def test_a_story_that_fails_the_same_everywhere_raises_what_its_step_has_raised() -> None:
    with pytest.raises(ValueError, match="no van"):
        rehearsed(Checkout(Pay(Gateway()), refuse), Checkout.State(order="o-1"))


class ReleasesTwice(Checkout):
    async def release(self, state: Checkout.State) -> None:
        key = step_key()
        if key in self.pay.gateway.charges:
            raise LookupError("released already")
        self.pay.gateway.charge("", key)


def test_a_compensation_that_cannot_run_twice_is_found() -> None:
    message = difference(ReleasesTwice(Pay(Gateway()), refuse), Checkout.State(order="o-1"))
    assert "the process ended when undo:reserve had run, and before that was recorded" in message
    assert "it is undo_failed (ship: ValueError: no van), where it was undone (ship: ValueError: no van)" in message
    assert "undone: nothing, where it was reserve" in message
    assert "not undone: reserve, where it was nothing" in message


class NeverReleases(Checkout):
    async def release(self, state: Checkout.State) -> None:
        raise LookupError("gone")


def test_an_undoing_that_always_fails_raises_what_a_durable_run_raises() -> None:
    with pytest.raises(CompensationError) as caught:
        rehearsed(NeverReleases(Pay(Gateway()), refuse), Checkout.State(order="o-1"))
    assert isinstance(caught.value.__cause__, ValueError)


# Waiting, retries


@dataclass
class Approved(Story):
    I.pause
    I.approval
    I.note

    class State(StoryState):
        approved: bool = variable()
        noted: bool = variable()

    pause: Delay
    approval: Signal

    async def note(self, state: State) -> None:
        state.noted = state.approved


def approved(within: float | None = 60) -> Approved:
    return Approved(Delay(days=3), Signal("approval", into="approved", within=within))


def test_delays_take_no_time_and_signals_bring_their_values() -> None:
    state = rehearsed(approved(), Approved.State(), signals={"approval": True})
    assert (state.approved, state.noted) == (True, True)


def test_a_signal_that_is_not_given_comes_too_late_or_never() -> None:
    with pytest.raises(SignalTimeoutError):
        rehearsed(approved(), Approved.State())
    message = difference(approved(within=None), Approved.State())
    assert message == "the run waits for the signal 'approval', and nobody sends it"


def test_signals_that_no_step_waits_for_and_values_that_do_not_fit_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"waits for a signal 'aproval'; did you mean \"approval\"\?"):
        rehearsed(approved(), Approved.State(), signals={"aproval": True})
    with pytest.raises(StoryNotRecordableError, match="approved: found a str, where bool is declared"):
        rehearsed(approved(), Approved.State(), signals={"approval": "yes"})


class Flaky(Paying):
    async def capture(self, state: Paying.State) -> None:
        self.gateway.calls += 1
        if self.gateway.calls == 1:
            raise ConnectionError
        state.payment = "paid"


def test_attempts_follow_each_other_without_waiting_and_retries_are_checked() -> None:
    retries = {"capture": Retry(on=ConnectionError, wait=3600)}
    assert rehearsed(Flaky(Gateway()), Paying.State(order="o-1"), retries=retries).payment == "paid"
    with pytest.raises(ValueError, match="names no step"):
        rehearsed(Flaky(Gateway()), Paying.State(order="o-1"), retries={"captur": Retry(on=ConnectionError)})


# Worlds


class Random(Paying):
    async def authorize(self, state: Paying.State) -> None:
        state.payment = str(uuid4())

    async def capture(self, state: Paying.State) -> None:
        if self.gateway.charges:
            del state.payment
        self.gateway.charge("", "")


def test_a_random_value_may_be_another_one_but_has_to_be_there() -> None:
    class Drawing(Paying):
        async def authorize(self, state: Paying.State) -> None:
            state.payment = str(uuid4())

    assert rehearsed(Drawing(Gateway()), Paying.State(order="o-1")).payment
    assert "at state.payment: missing" in difference(Random(Gateway()), Paying.State(order="o-1"))


class Connection:
    """What cannot be copied."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rows: set[str] = set()


@dataclass
class Storing(Story):
    I.store
    I.read

    class State(StoryState):
        order: str
        found: bool = variable()

    gateway: Gateway
    connection: Connection
    again: Gateway

    async def store(self, state: State) -> None:
        if self.gateway is not self.again:
            raise TypeError("two gateways")
        self.gateway.charge(state.order, state.order)
        self.connection.rows.add(state.order)

    async def read(self, state: State) -> None:
        state.found = state.order in self.connection.rows and len(self.gateway.charges) == 1


def test_what_cannot_be_copied_is_shared_by_all_runs_and_the_rest_is_copied() -> None:
    gateway, connection = Gateway(), Connection()
    assert rehearsed(Storing(gateway, connection, gateway), Storing.State(order="o-1")).found
    assert connection.rows == {"o-1"}
    assert gateway.calls == 0


class Inserting(Storing):
    async def store(self, state: Storing.State) -> None:
        if state.order in self.connection.rows:
            raise KeyError(state.order)
        self.connection.rows.add(state.order)


def test_runs_that_disturb_each_other_through_what_is_shared_are_told_from_a_fault_of_the_story() -> None:
    gateway = Gateway()
    message = difference(Inserting(gateway, Connection(), gateway), Storing.State(order="o-1"))
    assert message.startswith(
        "Inserting: two runs without an interruption came to different ends; "
        "all share connection, which cannot be copied\n"
    )
    failed: list[str] = []

    async def fail_once(state: Checkout.State) -> None:
        if not failed:
            failed.append(state.order)
            raise ValueError

    message = difference(Checkout(Pay(Gateway()), fail_once), Checkout.State(order="o-1"))
    assert message.startswith(
        "Checkout: two runs without an interruption came to different ends; something outside of it decides\n"
        "  it is completed, where it was undone (ship: ValueError)"
    )


def test_what_is_no_story_or_has_no_state_that_can_be_recorded_is_rejected() -> None:
    with pytest.raises(TypeError, match="a durable story is made of a story"):
        rehearsed(refuse, Checkout.State(order="o-1"))
    with pytest.raises(TypeError, match=r"write Checkout\(...\)"):
        rehearsed(Checkout, Checkout.State(order="o-1"))

    class Loose(Story):
        I.go

        class State(StoryState):
            anything: object = None

        def go(self, state: State) -> None: ...

    with pytest.raises(StoryNotRecordableError, match=r"Loose: .*anything: object may be anything"):
        rehearsed(Loose(), Loose.State())

    @dataclass
    class Untyped(Story):
        I.approval

        State = SimpleNamespace
        approval: Signal

    with pytest.raises(StoryNotRecordableError, match="Untyped: SimpleNamespace cannot be recorded"):
        rehearsed(Untyped(Signal("approval", into="approved")), SimpleNamespace())


_WITHOUT = """
import asyncio, sys
sys.modules |= {"dbos": None, "pydantic": None, "sqlalchemy": None}
from dddkit.exceptions import MissingDependencyError
from dddkit.stories import I, Story, StoryState
from dddkit.testing import rehearse

class Count(Story):
    I.go
    class State(StoryState):
        count: int = 0
    def go(self, state: State) -> None:
        state.count += 1

try:
    asyncio.run(rehearse(Count(), Count.State()))
except MissingDependencyError as error:
    print(error.package)
del sys.modules["pydantic"]
print(asyncio.run(rehearse(Count(), Count.State())))
"""


@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")
def test_it_needs_pydantic_and_neither_dbos_nor_a_database() -> None:
    ended = subprocess.run([sys.executable, "-c", _WITHOUT], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout.splitlines() == ["pydantic", "Count.State(count=1)"], ended.stderr


# A database, which the runs share.


class Sell(Story):
    I.take

    class State(StoryState):
        left: int = variable()

    def __init__(self, sold: dict[str, int]) -> None:
        self.sold: Callable[[], dict[str, int]] = lambda: sold  # a function is not copied

    def take(self, state: State) -> None:
        self.sold().setdefault(step_key(), 1)
        state.left = 7 - len(self.sold())


@needs_threads
def test_runs_that_share_a_world_have_keys_of_their_own() -> None:
    sold: dict[str, int] = {}
    assert rehearsed(Sell(sold), Sell.State()).left == 6
    assert list(sold)[:2] == ["Sell/rehearsal-1/take", "Sell/rehearsal-2/take"]
    assert len(sold) == 5


@needs_threads
def test_ft5_a_function_opens_a_world_for_each_run_and_sees_what_it_has_left() -> None:
    left: list[int] = []

    @asynccontextmanager
    async def open_sell() -> AsyncGenerator[Sell]:
        sold: dict[str, int] = {}
        yield Sell(sold)
        left.append(len(sold))

    assert rehearsed(open_sell, Sell.State()).left == 6
    assert left == [1] * 5


def test_a_function_that_opens_no_story_is_told_how_to() -> None:
    async def made() -> Sell:
        return Sell({})

    @contextmanager
    def opened() -> Generator[Sell]:
        yield Sell({})

    for wrong, gave in ((lambda: Sell({}), "a Sell"), (made, "a coroutine"), (opened, "a _GeneratorContextManager")):
        given: Any = wrong
        with pytest.raises(TypeError, match=f"gave {gave}; let it `yield` the story, under @asynccontextmanager"):
            rehearsed(given, Sell.State())


@needs_threads
def test_a_step_that_does_its_work_twice_is_found_in_a_world_of_its_own() -> None:
    class Twice(Sell):
        def take(self, state: Sell.State) -> None:
            self.sold()[str(uuid4())] = 1
            state.left = 7 - len(self.sold())

    @asynccontextmanager
    async def open_twice() -> AsyncGenerator[Twice]:
        yield Twice({})

    with pytest.raises(
        AssertionError, match=r"^Twice: the process ended when take had run[^\n]*\n  at state.left: 5 != 6$"
    ):
        rehearsed(open_twice, Twice.State())
