"""Undoing a durable run: when, in which order, what is recorded, what a repeated run does of it again."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import Any

import pytest

from dddkit.exceptions import CompensationError, RunCancelledError
from dddkit.stories import I, Story, StoryState, compensates, inject_hooks, step_key
from dddkit.stories.durable import RunStatus
from dddkit.stories.durable._replay import first_entry_to_repeat, kept_entries
from dddkit.testing._journal import Crash, Place
from tests.durable.running import ALL_PLACES, Running
from tests.stories.shop import Declined, finish


@dataclass(frozen=True)
class Pay(Story):
    """Its steps can be undone, and so can it as a whole in some stories."""

    I.authorize
    I.capture

    class State(StoryState):
        log: list[str] = []
        broken: list[str] = []

        def note(self, what: str) -> None:
            self.log.append(what)
            if what in self.broken:
                raise Declined(what)

    async def authorize(self, state: State) -> None:
        state.note("authorize")

    @compensates(authorize)
    async def release(self, state: State) -> None:
        state.note("release")

    async def capture(self, state: State) -> None:
        state.note("capture")

    @compensates(capture, even_if_failed=True)
    async def refund(self, state: State) -> None:
        state.note("refund")


@dataclass(frozen=True)
class Checkout(Story):
    I.reserve
    I.pay
    I.ship

    State = Pay.State
    pay: Any = field(default_factory=Pay)

    async def reserve(self, state: Pay.State) -> None:
        state.note("reserve")

    @compensates(reserve)
    async def free(self, state: Pay.State) -> None:
        state.note("free")

    async def ship(self, state: Pay.State) -> None:
        state.note("ship")


class Undone(Checkout):
    @compensates("pay", even_if_failed=True)
    async def pay_back(self, state: Pay.State) -> None:
        state.note("pay back")


def running(story: Story, *broken: str, **options: Any) -> Running[Pay.State]:
    return Running(story, Pay.State(broken=list(broken)), **options)


@pytest.mark.parametrize(
    ("story", "broken", "log"),
    [
        (Checkout(), "ship", "reserve authorize capture ship refund release free"),
        (Checkout(), "capture", "reserve authorize capture refund release free"),
        (Checkout(), "authorize", "reserve authorize free"),
        (Undone(), "ship", "reserve authorize capture ship pay back free"),
        (Undone(), "capture", "reserve authorize capture refund release pay back free"),
        (Undone(), "reserve", "reserve"),
    ],
    ids=range(6),
)
def test_a_failed_run_undoes_its_steps_and_those_of_its_stories_the_last_first(
    story: Story, broken: str, log: str
) -> None:
    for crashes in ((), ALL_PLACES):
        run = running(story, broken, crashes=crashes)
        with pytest.raises(Declined):
            run.to_the_end()
        assert " ".join(run.outcome["state"]["log"]) == log
        assert run.status == ("undone" if run.outcome["undone"] else "failed")


def test_the_record_names_what_was_undone() -> None:
    run = running(Undone(), "ship")
    with pytest.raises(Declined):
        run.once()
    assert run.recorded[-2:] == ["undo:pay", "undo:reserve"]
    assert run.outcome["undone"] == ["pay", "reserve"]
    assert run.journal.told == [(RunStatus.UNDOING, "pay"), (RunStatus.UNDOING, "reserve")]


def test_an_undoing_that_is_recorded_is_not_told_of_again() -> None:
    run = running(Undone(), "ship", crashes=[Place(4, "after record")])
    with pytest.raises(Declined):
        run.to_the_end()
    assert run.journal.told == [(RunStatus.UNDOING, "pay"), (RunStatus.UNDOING, "reserve")]


def test_a_step_whose_hook_refused_it_is_not_undone_even_if_it_says_so() -> None:
    class Guarded(Pay):
        pass

    class Guard:
        def before(self, context: Any, step: Any) -> None:
            if step.step_name == "capture":
                raise PermissionError

    inject_hooks(Guarded, [Guard()])
    for crashes in ((), ALL_PLACES):
        run = running(Undone(Guarded()), crashes=crashes)
        with pytest.raises(PermissionError):
            run.to_the_end()
        assert run.outcome["state"]["log"] == ["reserve", "authorize", "release", "pay back", "free"]


def test_a_story_whose_first_step_a_hook_refused_had_begun_as_in_a_plain_run() -> None:
    class Guarded(Pay):
        pass

    class Guard:
        def before(self, context: Any, step: Any) -> None:
            raise PermissionError

    inject_hooks(Guarded, [Guard()])
    plain = Pay.State()
    with pytest.raises(PermissionError):
        finish(Undone(Guarded())(plain))
    for crashes in ((), ALL_PLACES):
        run = running(Undone(Guarded()), crashes=crashes)
        with pytest.raises(PermissionError):
            run.to_the_end()
        assert run.outcome["state"]["log"] == plain.log == ["reserve", "pay back", "free"]


def test_a_story_that_a_hook_refuses_is_not_undone_as_a_whole_unless_it_had_begun_before_a_crash() -> None:
    refusing = [False]

    class Guarded(Undone):
        pass

    class Guard:
        def before(self, context: Any, step: Any) -> None:
            if step.step_name == "pay" and refusing[0]:
                raise PermissionError

    inject_hooks(Guarded, [Guard()])
    refusing[0] = True
    run = running(Guarded())
    with pytest.raises(PermissionError):
        run.once()
    assert run.outcome["undone"] == ["reserve"]

    refusing[0] = False
    begun = running(Guarded(), crashes=[Place(1, "after record")])
    with pytest.raises(Crash):
        begun.once()
    refusing[0] = True
    begun.journal.begin()
    with pytest.raises(PermissionError):
        begun.once()
    assert begun.outcome["undone"] == ["pay.authorize", "pay", "reserve"]


def test_a_hook_that_fails_after_a_step_stops_the_run_and_the_step_is_undone() -> None:
    class Hooked(Checkout):
        pass

    class Hook:
        def after(self, context: Any, step: Any) -> None:
            if step.step_name == "reserve":
                raise ArithmeticError("hook")

    inject_hooks(Hooked, [Hook()])
    for crashes in ((), ALL_PLACES):
        run = running(Hooked(), crashes=crashes)
        with pytest.raises(ArithmeticError):
            run.to_the_end()
        assert run.recorded == ["reserve", "undo:reserve"]


def test_a_hook_that_fails_after_the_last_step_undoes_nothing_since_the_operation_is_done() -> None:
    class Hooked(Checkout):
        pass

    class Hook:
        def after(self, context: Any, step: Any) -> None:
            if step.step_name == "ship":
                raise ArithmeticError("hook")

    inject_hooks(Hooked, [Hook()])
    run = running(Hooked(), crashes=ALL_PLACES)
    with pytest.raises(ArithmeticError):
        run.to_the_end()
    assert run.recorded == ["reserve", "pay.authorize", "pay.capture", "ship"]
    assert (run.status, run.outcome["undone"]) == ("failed", [])


# Cancelling


def cancelled_after(run: Running[Pay.State], step: str) -> None:
    run.journal.cancelled = lambda: step in run.recorded  # type: ignore[method-assign]  # somebody calls cancel() then


def test_a_run_is_cancelled_between_two_steps_and_undone() -> None:
    run = running(Undone())
    cancelled_after(run, "pay.authorize")
    with pytest.raises(RunCancelledError) as caught:
        run.once()
    assert run.outcome["state"]["log"] == ["reserve", "authorize", "release", "pay back", "free"]
    assert caught.value.undone == ("pay.authorize", "pay", "reserve")
    assert (caught.value.story, caught.value.run_id, run.status) == ("checkout", "order-1", "cancelled")


def test_a_run_that_is_cancelled_before_it_begins_does_nothing() -> None:
    run = running(Checkout())
    run.journal.cancel()
    with pytest.raises(RunCancelledError):
        run.once()
    assert (run.recorded, run.status) == ([], "cancelled")


def test_a_run_whose_steps_are_all_done_completes_though_it_is_cancelled() -> None:
    run = running(Checkout())
    cancelled_after(run, "ship")
    assert run.once().log == ["reserve", "authorize", "capture", "ship"]
    assert run.status == "completed"


def test_a_cancelled_run_goes_on_undoing_wherever_it_crashes() -> None:
    run = running(Undone(), crashes=ALL_PLACES)
    cancelled_after(run, "pay.authorize")
    with pytest.raises(RunCancelledError):
        run.to_the_end()
    # The step after it may have begun in the execution that was cut off.
    assert run.outcome["undone"] == ["pay.capture", "pay.authorize", "pay", "reserve"]


def test_a_step_that_was_cut_off_before_a_run_was_cancelled_is_undone_if_it_says_so() -> None:
    run = running(Checkout(), crashes=[Place(2, "after body"), Place(4, "after record")])
    with pytest.raises(Crash):
        run.once()
    run.journal.begin().cancel()
    with pytest.raises(RunCancelledError) as caught:
        run.to_the_end()
    assert caught.value.undone == ("pay.capture", "pay.authorize", "reserve")
    assert run.executions == 3


def test_a_step_that_certainly_had_not_begun_when_a_resumed_run_was_cancelled_is_not_undone() -> None:
    run = running(Checkout(), crashes=[Place(0, "after record")])
    with pytest.raises(Crash):
        run.once()
    run.journal.begin()
    cancelled_after(run, "pay.authorize")  # which this execution has run; refund would be for an interrupted capture
    with pytest.raises(RunCancelledError) as caught:
        run.once()
    assert caught.value.undone == ("pay.authorize", "reserve")


def test_a_cancelled_run_that_cannot_be_undone_is_a_compensation_error() -> None:
    run = running(Checkout(), "free")
    cancelled_after(run, "reserve")
    with pytest.raises(CompensationError) as caught:
        run.once()
    assert type(caught.value.__cause__) is RunCancelledError
    assert run.status == "undo_failed"


# Repeating


def test_a_failed_run_is_repeated_from_the_step_that_has_failed() -> None:
    class Failing(Story):
        I.one
        I.two
        I.three

        class State(StoryState):
            log: list[str] = []

        broken = True

        def one(self, state: State) -> None:
            state.log.append("one")

        def two(self, state: State) -> None:
            state.log.append("two")
            if self.broken:
                raise Declined

        def three(self, state: State) -> None:
            state.log.append("three")

    run = Running(Failing(), Failing.State())
    with pytest.raises(Declined):
        run.once()
    entries = run.journal.recorded
    index = first_entry_to_repeat(entries, run.plan)
    assert (index, kept_entries(entries, index)) == (1, {})
    Failing.broken = False
    again = Running(Failing(), Failing.State(), entries=entries[:index])
    assert again.once().log == ["one", "two", "three"]
    assert again.journal.bodies == ["two", "three"]


def test_a_failed_undoing_is_continued_and_what_was_undone_after_it_is_not_undone_again() -> None:
    run = running(Checkout(), "ship", "release")
    with pytest.raises(CompensationError):
        run.once()
    entries = run.journal.recorded
    index = first_entry_to_repeat(entries, run.plan)
    assert entries[index].name == "undo:pay.authorize"
    kept = kept_entries(entries, index)
    assert list(kept) == ["undo:reserve"]

    class Repaired(Pay):
        async def release(self, state: Pay.State) -> None:
            state.note("released at last")

    again = running(Checkout(Repaired()), "ship", "release", entries=entries[:index], kept=kept, crashes=ALL_PLACES)
    with pytest.raises(Declined):
        again.to_the_end()
    assert again.status == "undone"
    assert set(again.journal.bodies) == {"undo:pay.authorize", "undo:reserve"}
    assert again.outcome["state"]["log"].count("free") == 1
    assert again.outcome["undone"] == ["pay.capture", "pay.authorize", "reserve"]


def test_a_step_after_which_a_hook_has_failed_is_not_run_again_by_a_repeated_run() -> None:
    failing = [True]

    class Hooked(Pay):
        pass

    class Hook:
        def after(self, context: Any, step: Any) -> None:
            if failing and step.step_name == "capture":
                raise ArithmeticError

    inject_hooks(Hooked, [Hook()])
    run = running(Hooked())
    with pytest.raises(ArithmeticError):
        run.once()
    entries = run.journal.recorded
    index = first_entry_to_repeat(entries, run.plan)
    failing.clear()
    again = running(Hooked(), entries=entries[:index], kept=kept_entries(entries, index))
    assert again.once().log == ["authorize", "capture"]


def test_a_wait_that_was_too_long_is_repeated_with_all_its_time() -> None:
    from tests.durable.test_waiting import waiting

    run = waiting()
    with pytest.raises(TimeoutError):
        run.once()
    entries = run.journal.recorded
    index = first_entry_to_repeat(entries, run.plan)
    assert entries[index].name == "wait:approval"


def test_there_is_nothing_to_repeat_in_a_run_in_which_nothing_has_failed() -> None:
    run = running(Checkout())
    run.once()
    with pytest.raises(ValueError, match="nothing to repeat"):
        first_entry_to_repeat(run.journal.recorded, run.plan)


def test_new_keys_are_those_of_the_steps_from_there_on() -> None:
    keys: list[str] = []

    class Keyed(Pay):
        async def capture(self, state: Pay.State) -> None:
            keys.append(step_key())

    running(Keyed(), keys="checkout/order-1~2").once()
    assert keys == ["checkout/order-1~2/capture"]


def test_a_compensation_that_fails_is_logged_when_it_fails_and_not_again_when_it_is_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = running(Checkout(), "ship", "release", crashes=ALL_PLACES[15:])
    with caplog.at_level(logging.ERROR), pytest.raises(CompensationError):
        run.to_the_end()
    messages = [record.getMessage() for record in caplog.records if record.name == "dddkit.stories.compensation"]
    assert messages == ["checkout/order-1: pay.authorize is not undone: its compensation release failed"] * 2
    assert run.journal.bodies.count("undo:pay.authorize") == 2


def test_what_an_undoing_has_changed_is_recorded() -> None:
    run = running(Checkout(), "ship")
    with pytest.raises(Declined):
        run.once()
    texts = {name: json.loads(text) for name, text in run.journal.recorded}
    assert texts["undo:reserve"]["set"] == {"log": run.outcome["state"]["log"]}
