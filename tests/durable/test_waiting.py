"""Signals and delays: in a durable run, in a plain one, and what is rejected of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter, time
from typing import Any, Final, cast

import pytest

from dddkit.exceptions import RunCancelledError, SignalTimeoutError, StoryDefinitionError
from dddkit.stories import I, Story, StoryState, compensates, inject_hooks, variable
from dddkit.stories.durable import Delay, RunStatus, Signal
from dddkit.stories.durable._journal import Entry
from dddkit.testing._journal import Place
from tests.durable.running import ALL_PLACES, Running
from tests.stories.recording import Recorder


@dataclass(frozen=True)
class Checkout(Story):
    I.reserve
    I.approval
    I.ship

    class State(StoryState):
        log: list[str] = []
        approved: bool = variable()

    approval: Callable[[State], Any]

    async def reserve(self, state: State) -> None:
        state.log.append("reserve")

    @compensates(reserve)
    async def release(self, state: State) -> None:
        state.log.append("release")

    async def ship(self, state: State) -> None:
        state.log.append(f"ship {state.approved}")


def waiting(within: float | None = 60.0, **options: Any) -> Running[Checkout.State]:
    signal = Signal("approval", into="approved", within=within)
    return Running(Checkout(signal), Checkout.State(), **options)


def test_a_signal_that_comes_early_is_not_waited_for() -> None:
    running = waiting(signals={"approval": True})
    assert running.once().log == ["reserve", "ship True"]
    assert running.recorded == ["reserve", "wait:approval", "approval", "ship"]


def test_a_signal_wakes_a_run_that_waits_and_only_its_first_value_counts() -> None:
    running = waiting(skips_time=False)

    async def send_later() -> Checkout.State:
        run = asyncio.ensure_future(running.execute())
        while (RunStatus.WAITING, "approval") not in running.journal.told:
            await asyncio.sleep(0)
        assert running.recorded == ["reserve", "wait:approval"]
        assert running.journal.send("approval", False)
        assert not running.journal.send("approval", True)
        return await run

    assert asyncio.run(send_later()).log == ["reserve", "ship False"]
    assert running.journal.told == [(RunStatus.WAITING, "approval"), (RunStatus.RUNNING, None)]


@pytest.mark.parametrize("crashes", [(), ALL_PLACES], ids=["calm", "crashing"])
def test_a_signal_that_does_not_come_in_time_fails_its_step_and_what_was_done_is_undone(crashes: Any) -> None:
    running = waiting(crashes=crashes)
    with pytest.raises(SignalTimeoutError) as caught:
        running.to_the_end()
    error = caught.value
    assert (error.story, error.step, error.signal, error.seconds) == ("checkout", "approval", "approval", 60.0)
    assert running.status == "undone"
    assert running.recorded == ["reserve", "wait:approval", "approval", "undo:reserve"]
    assert running.outcome["state"]["log"] == ["reserve", "release"]


def test_a_crash_does_not_make_the_time_to_wait_longer() -> None:
    until: list[float | None] = []
    running = waiting(within=0.05, skips_time=False, crashes=[Place(1, "after record")])
    wait = running.journal.wait

    async def noted(signal: str | None, ends: float | None) -> str | None:
        until.append(ends)
        return await wait(signal, ends)

    cast("Any", running.journal).wait = noted  # to see what the run waits for
    with pytest.raises(SignalTimeoutError):
        running.to_the_end()
    (recorded,) = [json.loads(text)["until"] for name, text in running.journal.recorded if name == "wait:approval"]
    assert until == [recorded]


def test_a_signal_without_a_time_is_waited_for_until_it_comes() -> None:
    running = waiting(within=None, skips_time=False)

    async def cancel_later() -> None:
        run = asyncio.ensure_future(running.execute())
        await asyncio.sleep(0.01)
        assert not run.done()
        running.journal.cancel()
        with pytest.raises(RunCancelledError):
            await run

    asyncio.run(cancel_later())
    assert json.loads(running.journal.recorded[1].text)["until"] is None


def test_a_run_that_is_cancelled_while_it_waits_is_undone() -> None:
    running = waiting()
    running.journal.cancelled = lambda: "wait:approval" in running.recorded  # type: ignore[method-assign]  # by then
    with pytest.raises(RunCancelledError) as caught:
        running.once()
    assert caught.value.undone == ("reserve",)
    assert running.recorded == ["reserve", "wait:approval", "undo:reserve"]
    assert running.status == "cancelled"


def test_hooks_see_a_wait_as_one_step_that_took_as_long_as_it_waited() -> None:
    class Waiting(Checkout):
        pass

    log: list[str] = []
    steps: list[tuple[str, float]] = []

    class Seconds:
        def after(self, context: Any, step: Any) -> None:
            steps.append((step.step_name, step.duration))

    inject_hooks(Waiting, [Recorder("hook", log), Seconds()])
    running = Running(
        Waiting(Signal("approval", into="approved", within=60.0)),
        Waiting.State(),
        signals={"approval": True},
        entries=[
            Entry("reserve", json.dumps({"at": time() - 60, "took": 1.0, "set": {"log": ["reserve"]}, "unset": []})),
            Entry("wait:approval", json.dumps({"at": time() - 50, "until": time() + 10})),
        ],
    )
    running.once()
    assert [line for line in log if "approval" in line] == [
        *("hook enter approval", "hook before approval", "hook after approval", "hook leave approval"),
    ]
    assert 45 < dict(steps)["approval"] < 300


def test_a_guard_of_a_wait_is_called_before_it_waits_and_can_refuse() -> None:
    class Guarded(Checkout):
        pass

    class Guard:
        def before(self, context: Any, step: Any) -> None:
            if step.step_name == "approval":
                raise PermissionError("not here")

    inject_hooks(Guarded, [Guard()])
    running = Running(Guarded(Signal("approval", into="approved")), Guarded.State())
    with pytest.raises(PermissionError):
        running.once()
    assert running.recorded == ["reserve", "wait:approval", "approval", "undo:reserve"]


@dataclass(frozen=True)
class Pausing(Story):
    I.pause
    I.go

    class State(StoryState):
        gone: bool = False

    pause: Callable[[State], Any]

    def go(self, state: State) -> None:
        state.gone = True


@dataclass(frozen=True)
class PausingAsync(Pausing):
    async def go(self, state: Pausing.State) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the same, async
        state.gone = True


@pytest.mark.parametrize("story", [Pausing, PausingAsync])
def test_a_delay_is_recorded_with_its_end_and_is_over_then(story: Any) -> None:
    running = Running(story(Delay(0.01)), story.State(), skips_time=False, crashes=ALL_PLACES)
    began = time()
    assert running.to_the_end().gone
    assert running.recorded == ["wait:pause", "pause", "go"]
    assert json.loads(running.journal.recorded[0].text)["until"] >= began + 0.01
    assert time() >= began + 0.01


def test_a_delay_waits_in_a_plain_run_whether_it_is_sync_or_async() -> None:
    for story in (Pausing(Delay(milliseconds=10)), PausingAsync(Delay(0.01))):
        state = Pausing.State()
        began = perf_counter()
        running = story(state)
        if isinstance(story, PausingAsync):
            asyncio.run(running)
        assert state.gone
        assert perf_counter() - began >= 0.009


def test_a_delay_waits_under_trio() -> None:
    trio = pytest.importorskip("trio")
    state = Pausing.State()
    trio.run(PausingAsync(Delay(0.001)), state)
    assert state.gone


def test_a_signal_is_rejected_in_a_plain_run_before_its_first_step() -> None:
    state = Checkout.State()
    with pytest.raises(StoryDefinitionError, match=r"I\.approval is a Signal, .*inject a function instead"):
        asyncio.run(Checkout(Signal("approval", into="approved"))(state))
    assert state.log == []


class Asked(Story):
    I.first
    I.approval

    class State(StoryState):
        steps: int = 0
        approved: bool = variable()

    approval = Signal("approval", into="approved")

    async def first(self, state: State) -> None:
        state.steps += 1


def test_a_signal_may_be_an_attribute_of_the_class() -> None:
    run = Running(Asked(), Asked.State(), signals={"approval": True})
    assert run.once().approved


def test_such_a_signal_is_rejected_in_a_plain_run_before_its_first_step_too() -> None:
    state = Asked.State()
    with pytest.raises(StoryDefinitionError, match=r"Asked: I\.approval is a Signal, which only a durable run"):
        asyncio.run(Asked()(state))
    assert state.steps == 0


class Other(StoryState):
    approved: bool = variable()
    fixed: Final[bool] = True


class TwoSignals(Story):
    I.one
    I.two
    I.work

    State = Other
    one: Any
    two: Any

    def __init__(self, one: Any, two: Any) -> None:
        self.one, self.two = one, two

    async def work(self, state: Other) -> None: ...


def of(one: str, other: str, into: str = "approved") -> TwoSignals:
    return TwoSignals(Signal(one, into=into), Signal(other, into="approved"))


@pytest.mark.parametrize(
    ("story", "message"),
    [
        (of("a", "b", into="aproved"), r"puts its value into 'aproved', .*did you mean \"approved\"\?"),
        (of("a", "b", into="fixed"), "'fixed', which is Final"),
        (of("a", "a"), "one and two both wait for the signal 'a'"),
        (Pausing(Signal("a", into="gone")), "is a Signal, and the story is sync"),
    ],
    ids=["no field", "final", "twice", "sync"],
)
def test_a_signal_that_cannot_work_is_rejected_by_name(story: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Running(story, story.State())


def test_signals_inside_nested_stories_are_known_by_name() -> None:
    @dataclass(frozen=True)
    class Outer(Story):
        I.inner
        inner: Any

    signal = Signal("approval", into="approved")
    running = Running(Outer(Checkout(signal)), Checkout.State(), signals={"approval": True})
    assert running.plan.signals == {"approval": signal}
    assert running.once().log == ["reserve", "ship True"]
    assert "wait:inner.approval" in running.recorded


of_any: Final[Any] = Signal
delay_of: Final[Any] = Delay


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Signal("", into="a"), ValueError),
        (lambda: Signal("a", into=""), ValueError),
        (lambda: Signal("x" * 301, into="a"), ValueError),
        (lambda: Signal("\ud800", into="a"), ValueError),
        (lambda: Signal("two\nlines", into="a"), ValueError),
        (lambda: of_any(3, into="a"), TypeError),
        (lambda: Signal("a", into="a", within=-1), ValueError),
        (lambda: Signal("a", into="a", within=float("nan")), ValueError),
        (lambda: of_any("a", into="a", within="5"), TypeError),
        (lambda: Delay(-1), ValueError),
        (lambda: Delay(True), TypeError),
        (lambda: delay_of("5"), TypeError),
        (lambda: Delay(float("inf")), ValueError),
    ],
    ids=range(13),
)
def test_arguments_that_cannot_be_meant_are_rejected(make: Callable[[], object], error: type[Exception]) -> None:
    with pytest.raises(error):
        make()


def test_times_are_seconds_or_what_timedelta_takes() -> None:
    assert Delay(90).seconds == Delay(minutes=1.5).seconds == Delay(timedelta(seconds=90)).seconds == 90
    assert Delay(weeks=1, days=1, hours=1, milliseconds=500).seconds == timedelta(days=8, hours=1).total_seconds() + 0.5
    assert Signal("a", into="a", within=timedelta(hours=1)).within == 3600
    assert repr(Delay(1)) == "Delay(1.0)"
    assert repr(Signal("a", into="b")) == "Signal('a', into='b', within=None)"
