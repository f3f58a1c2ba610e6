"""A durable run over its journal: what is recorded, what the caller gets, what is the same as in a plain run."""

from __future__ import annotations

import asyncio
import json
import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import pytest

from dddkit.exceptions import CompensationError, StoryDefinitionError, StoryNotRecordableError
from dddkit.stories import I, Story, StoryState, compensates, variable
from dddkit.stories.durable import RunStatus, StepFailedError
from dddkit.stories.durable._steps import plan_of
from dddkit.testing._journal import Place
from tests.durable.running import ALL_PLACES, Running
from tests.stories.shop import Declined, listed, needs_threads


class Pay(Story):
    I.authorize
    I.capture

    class State(StoryState):
        total: int
        authorized: int = variable()
        paid: list[int] = []

    async def authorize(self, state: State) -> None:
        state.authorized = state.total

    async def capture(self, state: State) -> None:
        state.paid.append(state.authorized)


@dataclass(frozen=True)
class Checkout(Story):
    I.reserve
    I.pay
    I.ship
    I.pay

    class State(Pay.State):
        reserved: bool = False
        shipped: int = variable()

    pay: Any = field(default_factory=Pay)

    def reserve(self, state: State) -> None:
        state.reserved = True

    async def ship(self, state: State) -> None:
        state.shipped = sum(state.paid)


def test_a_story_that_is_a_step_is_recorded_step_by_step_and_a_repeated_step_has_its_number() -> None:
    running = Running(Checkout(), Checkout.State(total=3))
    ended = running.once()
    assert running.recorded == [
        *("reserve", "pay.authorize", "pay.capture", "ship", "pay.authorize#2", "pay.capture#2"),
    ]
    assert (ended.reserved, ended.authorized, ended.paid, ended.shipped) == (True, 3, [3, 3], 3)


def test_an_entry_says_what_a_step_has_changed_and_no_more() -> None:
    running = Running(Checkout(), Checkout.State(total=3))
    running.once()
    texts = {name: json.loads(text) for name, text in running.journal.recorded}
    assert {name: text["set"] for name, text in texts.items()} == {
        "reserve": {"reserved": True},
        "pay.authorize": {"authorized": 3},
        "pay.capture": {"paid": [3]},
        "ship": {"shipped": 3},
        "pay.authorize#2": {},
        "pay.capture#2": {"paid": [3, 3]},
    }


def test_wherever_a_run_crashes_each_step_is_recorded_once_and_its_end_is_the_same() -> None:
    undisturbed = Running(Checkout(), Checkout.State(total=3)).once()
    for place in ALL_PLACES[:18]:
        running = Running(Checkout(), Checkout.State(total=3), crashes=[place])
        assert running.to_the_end() == undisturbed
        assert running.executions == 2, place
        again = [name for name in running.recorded if running.journal.bodies.count(name) > 1]
        assert again == ([running.journal.crashed_at] if place.when == "after body" else [])


def test_crashing_at_every_place_changes_nothing() -> None:
    running = Running(Checkout(), Checkout.State(total=3), crashes=ALL_PLACES)
    assert running.to_the_end() == Running(Checkout(), Checkout.State(total=3)).once()
    assert running.executions == 19


def test_a_step_that_has_crashed_begins_with_the_state_as_it_was_recorded() -> None:
    seen: list[list[int]] = []

    class Counting(Story):
        I.first
        I.second

        class State(StoryState):
            counted: list[int] = []

        def first(self, state: State) -> None:
            state.counted.append(1)

        def second(self, state: State) -> None:
            seen.append([*state.counted])
            state.counted.append(2)

    running = Running(Counting(), Counting.State(), crashes=[Place(1, "after body")])
    assert running.to_the_end().counted == [1, 2]
    assert seen == [[1], [1]]


def test_every_step_gets_the_state_as_recorded_also_in_a_run_that_nothing_interrupts() -> None:
    class Sharing(Story):
        I.share
        I.change

        class State(StoryState):
            one: list[int] = []
            other: list[int] = variable()

        def share(self, state: State) -> None:
            state.other = state.one

        def change(self, state: State) -> None:
            state.one.append(1)

    expected = Running(Sharing(), Sharing.State(), crashes=ALL_PLACES).to_the_end()
    ended = Running(Sharing(), Sharing.State()).once()
    assert (ended.one, ended.other) == (expected.one, expected.other) == ([1], [])


def test_the_caller_gets_the_exception_of_the_step_made_again() -> None:
    class Declining(Story):
        I.charge

        class State(StoryState):
            pass

        def charge(self, state: State) -> None:
            raise Declined("card")

    running = Running(Declining(), Declining.State(), crashes=ALL_PLACES)
    with pytest.raises(Declined) as caught:
        running.to_the_end()
    assert caught.value.args == ("card",)
    assert running.status == "failed"
    assert running.journal.bodies == ["charge", "charge"]  # the first one crashed after the body


def test_an_exception_that_cannot_be_made_again_is_a_step_failed_error_that_says_which_step() -> None:
    class Local(Exception):
        pass

    class Failing(Story):
        I.charge

        class State(StoryState):
            pass

        def charge(self, state: State) -> None:
            raise Local("no money")

    with pytest.raises(StepFailedError) as caught:
        Running(Failing(), Failing.State()).once()
    assert (caught.value.step, caught.value.text) == ("charge", "no money")


class Worker(Story):
    I.work

    class State(StoryState):
        thread: str = variable()
        context: str = variable()

    def work(self, state: State) -> None:
        state.thread = threading.current_thread().name
        state.context = IN_CONTEXT.get()
        if state.context == "stop":
            raise StopIteration


IN_CONTEXT: ContextVar[str] = ContextVar("in_context", default="none")


@needs_threads
def test_a_sync_story_runs_in_threads_with_the_context_of_the_caller() -> None:
    token = IN_CONTEXT.set("given")
    try:
        ended = Running(Worker(), Worker.State(), in_threads=None).once()
    finally:
        IN_CONTEXT.reset(token)
    assert ended.thread != threading.current_thread().name
    assert ended.context == "given"


@needs_threads
def test_a_stop_iteration_of_a_step_in_a_thread_fails_the_step() -> None:
    running = Running(Worker(), Worker.State(), in_threads=None)
    token = IN_CONTEXT.set("stop")
    try:
        with pytest.raises(RuntimeError, match="StopIteration"):  # as it leaves the coroutine of this test
            running.once()
    finally:
        IN_CONTEXT.reset(token)
    assert running.status == "failed"


def test_a_sync_step_of_a_sync_story_that_returns_an_awaitable_is_rejected_as_in_a_plain_run() -> None:
    class Returning(Story):
        I.work

        class State(StoryState):
            pass

        def work(self, state: State) -> Any:
            return asyncio.sleep(0)

    with pytest.raises(TypeError, match="step work returned an awaitable"):
        Running(Returning(), Returning.State()).once()


@pytest.mark.parametrize("ending", [KeyboardInterrupt, asyncio.CancelledError, SystemExit])
def test_a_process_that_ends_undoes_nothing_and_records_nothing(ending: type[BaseException]) -> None:
    undone: list[str] = []
    endings = [ending()]

    class Ending(Story):
        I.reserve
        I.charge

        class State(StoryState):
            pass

        async def reserve(self, state: State) -> None: ...

        @compensates(reserve)
        async def release(self, state: State) -> None:
            undone.append("reserve")

        async def charge(self, state: State) -> None:
            if endings:
                raise endings.pop()

    running = Running(Ending(), Ending.State())

    async def run_twice() -> None:
        try:
            await running.execute()
        except ending:
            pass
        else:
            raise AssertionError("it ended")
        assert running.recorded == ["reserve"]
        running.journal.begin()
        await running.execute()

    asyncio.run(run_twice())
    assert undone == []
    assert running.recorded == ["reserve", "charge"]
    assert running.journal.bodies == ["reserve", "charge", "charge"]


class Holder(Story):
    I.take
    I.ship

    class State(StoryState):
        name: str = "none"
        held: str = variable()

    undone: list[tuple[str, bool]] = []

    async def take(self, state: State) -> None:
        state.name = "taken"
        state.held = Evil("x")  # reads back as a plain str

    @compensates(take)
    async def give_back(self, state: State) -> None:
        Holder.undone.append((state.name, hasattr(state, "held")))

    async def ship(self, state: State) -> None:
        raise AssertionError("the run has failed before")


class Evil(str):
    __slots__ = ()


@pytest.mark.parametrize("crashes", [(), ALL_PLACES])
def test_a_value_that_does_not_read_back_fails_the_run_and_its_step_is_undone(crashes: Any) -> None:
    Holder.undone.clear()
    running = Running(Holder(), Holder.State(), crashes=crashes)
    with pytest.raises(StoryNotRecordableError, match="as take has left it"):
        running.to_the_end()
    assert running.status == "undone"
    assert {name for name, _ in Holder.undone} == {"taken"}
    assert running.recorded == ["take", "undo:take"]


def test_a_field_whose_new_value_does_not_read_back_keeps_the_recorded_one_for_what_comes_after_a_crash() -> None:
    seen: list[str] = []

    class Twice(Story):
        I.good
        I.bad

        class State(StoryState):
            held: str = variable()

        def good(self, state: State) -> None:
            state.held = "good"

        @compensates(good)
        def undo(self, state: State) -> None:
            seen.append(str.__str__(state.held))

        def bad(self, state: State) -> None:
            state.held = Evil("bad")

    running = Running(Twice(), Twice.State(), crashes=[Place(1, "after record")])
    with pytest.raises(StoryNotRecordableError):
        running.to_the_end()
    assert seen == ["good"]


def test_a_variable_that_a_step_has_deleted_is_unset_after_a_crash() -> None:
    class Deleting(Story):
        I.set
        I.delete
        I.look

        class State(StoryState):
            value: int = variable()
            seen: bool = variable()

        def set(self, state: State) -> None:
            state.value = 1

        def delete(self, state: State) -> None:
            del state.value

        def look(self, state: State) -> None:
            state.seen = hasattr(state, "value")

    for crashes in ((), ALL_PLACES):
        assert not Running(Deleting(), Deleting.State(), crashes=crashes).to_the_end().seen


def test_a_story_is_async_also_where_only_a_compensation_is() -> None:
    undone: list[str] = []

    class Sync(Story):
        I.one
        I.two

        class State(StoryState):
            pass

        def one(self, state: State) -> None: ...

        @compensates(one)
        async def undo(self, state: State) -> None:
            undone.append("one")

        def two(self, state: State) -> None:
            raise Declined

    running = Running(Sync(), Sync.State(), in_threads=None)
    assert running.plan.is_async
    with pytest.raises(Declined):
        running.once()
    assert undone == ["one"]


def test_a_status_is_the_word_of_dashboards_and_knows_whether_the_run_has_ended() -> None:
    assert {str(status) for status in RunStatus if status.is_finished} == {
        *("completed", "failed", "undone", "undo_failed", "cancelled")
    }


def test_a_resumed_run_says_that_it_is_running() -> None:
    running = Running(Checkout(), Checkout.State(total=3), crashes=[Place(2, "after record")])
    running.to_the_end()
    assert running.journal.told == [(RunStatus.RUNNING, None)]


def test_a_value_of_the_last_step_that_does_not_read_back_undoes_the_run() -> None:
    class Last(Story):
        I.take

        State = Holder.State
        take = Holder.take
        give_back = compensates("take")(Holder.give_back)

    running = Running(Last(), Holder.State())
    with pytest.raises(StoryNotRecordableError):
        running.once()
    assert running.recorded == ["take", "undo:take"]


def test_stories_nested_deeply_are_recorded_under_their_paths() -> None:
    class Leaf(Story):
        I.work

        class State(StoryState):
            done: int = 0

        async def work(self, state: State) -> None:
            state.done += 1

    story: Any = Leaf()
    for _ in range(40):
        story = wrapped(story)
    running = Running(story, Leaf.State(), crashes=ALL_PLACES)
    assert running.to_the_end().done == 1
    assert running.recorded == ["inner." * 40 + "work"]


def wrapped(story: Any) -> Any:
    @dataclass(frozen=True)
    class Outer(Story):
        I.inner

        inner: Any

    return Outer(story)


def test_a_story_of_a_thousand_steps_runs_and_resumes() -> None:
    class Long(Story):
        for _number in range(1000):
            listed(I, "step")

        class State(StoryState):
            done: int = 0

        def step(self, state: State) -> None:
            state.done += 1

    running = Running(Long(), Long.State(), crashes=[Place(500, "after body"), Place(999, "before")])
    assert running.to_the_end().done == 1000
    assert running.recorded[-1] == "step#1000"
    assert len(running.journal.bodies) == 1001


def test_a_story_with_a_call_of_its_own_is_one_opaque_step_and_no_durable_story() -> None:
    class Own(Story):
        I.work

        class State(StoryState):
            done: int = 0

        def work(self, state: State) -> None:
            state.done += 1

        def __call__(self, state: State) -> None:
            self.work(state)
            self.work(state)

    running = Running(wrapped(Own()), Own.State())
    assert running.once().done == 2
    assert running.recorded == ["inner"]
    with pytest.raises(ValueError, match="has a __call__ of its own"):
        Running(Own(), Own.State())


class NoStory:
    pass


@pytest.mark.parametrize(
    ("story", "message"), [(Checkout, "write Checkout"), (NoStory(), "not of a NoStory")], ids=["class", "no story"]
)
def test_what_is_no_story_object_is_rejected_by_name(story: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        plan_of(story, "checkout", Checkout.State)


def test_what_a_plain_call_rejects_is_rejected_when_it_is_made() -> None:
    with pytest.raises(StoryDefinitionError, match="is no callable"):
        plan_of(Checkout(pay=3), "checkout", Checkout.State)


def test_a_story_inside_itself_is_rejected() -> None:
    class Loop(Story):
        I.again

        class State(StoryState):
            pass

        again: Any

    loop = Loop.__new__(Loop)
    loop.again = loop
    with pytest.raises(StoryDefinitionError, match="reaches itself through its step again"):
        plan_of(loop, "loop", Loop.State)


def test_a_step_whose_name_is_no_identifier_is_rejected() -> None:
    class Odd(Story):
        listed(I, "a.b")
        locals()["a.b"] = Pay.authorize

        class State(StoryState):
            pass

    with pytest.raises(ValueError, match=r"'a\.b' is no identifier"):
        plan_of(Odd(), "odd", Odd.State)


def test_the_error_of_a_failed_undoing_names_what_failed_what_was_undone_and_what_is_left() -> None:
    class Failing(Story):
        I.one
        I.two
        I.three

        class State(StoryState):
            pass

        def one(self, state: State) -> None: ...
        def two(self, state: State) -> None: ...
        def three(self, state: State) -> None:
            raise Declined("three")

        @compensates(one)
        def undo_one(self, state: State) -> None: ...

        @compensates(two)
        def undo_two(self, state: State) -> None:
            raise ArithmeticError("two")

    running = Running(Failing(), Failing.State(), crashes=ALL_PLACES)
    with pytest.raises(CompensationError) as caught:
        running.to_the_end()
    assert running.status == "undo_failed"
    assert [(step, repr(error)) for step, error in caught.value.failures] == [("two", "ArithmeticError('two')")]
    assert (caught.value.undone, caught.value.left) == (("one",), ("two",))
    assert repr(caught.value.__cause__) == "Declined('three')"
