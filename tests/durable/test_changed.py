"""Code that has changed between a crash and the next execution: what continues, and what waits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from dddkit.exceptions import StoryChangedError
from dddkit.stories import I, Story, StoryState, compensates, variable
from dddkit.stories.durable import Delay, RunStatus
from dddkit.stories.durable._journal import Entry
from dddkit.stories.durable._outcome import outcome_of
from dddkit.testing._journal import Crash, Place
from tests.durable.running import Running
from tests.stories.shop import Declined, listed

STEPS = ("one", "two", "three", "four")


class State(StoryState):
    log: list[str] = []
    broken: str = ""


def story_of(*steps: str, undone: tuple[str, ...] = ()) -> Story:
    def method(name: str) -> Callable[[Any, State], None]:
        def call(self: Any, state: State) -> None:
            state.log.append(name)
            if name == state.broken:
                raise Declined(name)

        return call

    class Made(Story):
        for _name in steps:
            listed(I, _name)
            locals()[_name] = method(_name)
        for _name in undone:
            locals()[f"undo_{_name}"] = compensates(_name)(method(f"undo {_name}"))

    return Made()


def crashed(story: Story, place: Place, **state: Any) -> Running[State]:
    run = Running(story, State(**state), crashes=[place])
    with pytest.raises(Crash):
        run.once()
    return run


def resumed(run: Running[State], story: Story) -> Running[State]:
    again = Running(story, State(), entries=run.journal.recorded)
    again.start = run.start
    return again


AFTER_TWO = Place(1, "after record")
"""Two of four steps are recorded."""

INSIDE_THREE = Place(2, "after body")
"""The third one has run, and nobody knows."""


@pytest.mark.parametrize("place", [AFTER_TWO, INSIDE_THREE], ids=["between", "inside"])
@pytest.mark.parametrize(
    "steps",
    [
        ("one", "two", "three", "four"),
        ("one", "two", "three", "four", "five"),
        ("one", "two", "new", "three", "four"),
        ("one", "two", "four"),
        ("one", "two", "four", "three"),
        ("one", "two", "renamed", "four"),
        ("one", "two"),
        ("one", "two", "two"),
    ],
    ids="-".join,
)
def test_a_run_continues_where_the_recorded_steps_are_the_first_ones(steps: tuple[str, ...], place: Place) -> None:
    run = crashed(story_of(*STEPS), place)
    again = resumed(run, story_of(*steps))
    assert again.once().log == [*steps]
    assert again.journal.bodies == [name if name != "two" else "two#2" for name in steps[2:]]


@pytest.mark.parametrize("place", [AFTER_TWO, INSIDE_THREE], ids=["between", "inside"])
@pytest.mark.parametrize(
    ("steps", "step"),
    [
        (("new", "one", "two", "three"), "one"),
        (("one", "new", "two", "three"), "two"),
        (("two", "one", "three", "four"), "one"),
        (("one", "renamed", "three", "four"), "two"),
        (("one", "three", "four"), "two"),
        (("one",), "two"),
    ],
    ids=range(6),
)
def test_any_other_run_waits_untouched_and_says_which_step_is_in_the_way(
    steps: tuple[str, ...], step: str, place: Place
) -> None:
    run = crashed(story_of(*STEPS), place)
    again = resumed(run, story_of(*steps))
    before = [*again.journal.recorded]
    with pytest.raises(StoryChangedError, match="where the first steps are one, two") as caught:
        again.once()
    error = caught.value
    assert (error.story, error.run_id, error.step) == ("checkout", "order-1", step)
    assert again.journal.recorded == before
    assert again.journal.bodies == []
    assert again.journal.told == [(RunStatus.CHANGED, step)]


def test_a_run_that_could_not_continue_is_continued_by_code_that_fits() -> None:
    run = crashed(story_of(*STEPS), AFTER_TWO)
    with pytest.raises(StoryChangedError):
        resumed(run, story_of("three", "four")).once()
    assert resumed(run, story_of(*STEPS)).once().log == [*STEPS]


def test_a_nested_story_counts_by_its_steps() -> None:
    @dataclass(frozen=True)
    class Outer(Story):
        I.inner
        inner: Any

    run = crashed(Outer(story_of(*STEPS)), AFTER_TWO)
    assert resumed(run, Outer(story_of("one", "two", "five"))).once().log == ["one", "two", "five"]
    with pytest.raises(
        StoryChangedError, match=r"'inner\.one' is recorded as done, at place 1, and the story has 'one'"
    ):
        resumed(run, story_of(*STEPS)).once()


@pytest.mark.parametrize(
    ("undone", "continues"),
    [
        (("one", "three"), True),  # as it was
        (("one", "two", "three"), True),  # a further step to undo, after the one that is undone
        (("three",), True),
        (("one",), False),  # what is recorded as undone is nothing to undo any more
    ],
    ids=range(4),
)
def test_an_undoing_continues_where_what_was_undone_comes_first(undone: tuple[str, ...], continues: bool) -> None:
    run = crashed(story_of(*STEPS, undone=("one", "three")), Place(4, "after record"), broken="four")
    assert run.recorded[-1] == "undo:three"
    again = resumed(run, story_of(*STEPS, undone=undone))
    if continues:
        with pytest.raises(Declined):
            again.once()
        assert again.outcome["undone"] == [*reversed(undone)]
    else:
        with pytest.raises(StoryChangedError, match="'three' is recorded as undone"):
            again.once()


class Older(StoryState):
    total: int
    note: str = ""


class Newer(StoryState):
    total: int
    tip: int = 5
    note: str = "none"
    charged: int = variable()


class Stricter(StoryState):
    total: int
    customer: str


class Otherwise(StoryState):
    total: list[int]


def of_state(state_class: Any) -> Any:
    class Made(Story):
        I.one
        I.two
        State = state_class

        def one(self, state: Any) -> None: ...
        def two(self, state: Any) -> None: ...

    return Made()


def with_state(entries: list[Entry], state: Any, start: str) -> Running[Any]:
    again = Running(of_state(type(state)), state, entries=entries)
    again.start = start
    return again


def test_a_run_continues_with_a_state_that_has_new_fields_with_defaults() -> None:
    run = Running(of_state(Older), Older(total=3), crashes=[Place(0, "after record")])
    with pytest.raises(Crash):
        run.once()
    again = with_state(run.journal.recorded, Newer(total=0), run.start)
    ended = again.once()
    assert (ended.total, ended.tip, ended.note) == (3, 5, "")
    assert json.loads(again.journal.recorded[-1].text)["set"] == {"tip": 5}


@pytest.mark.parametrize("state", [Stricter(total=0, customer=""), Otherwise(total=[])], ids=["required", "type"])
def test_a_run_waits_where_its_state_does_not_fit(state: Any) -> None:
    run = Running(of_state(Older), Older(total=3), crashes=[Place(0, "after record")])
    with pytest.raises(Crash):
        run.once()
    again = with_state(run.journal.recorded, state, run.start)
    with pytest.raises(StoryChangedError, match="its State does not fit") as caught:
        again.once()
    assert caught.value.step is None
    assert again.journal.told == [(RunStatus.CHANGED, None)]


def test_a_result_that_does_not_fit_the_state_any_more_is_no_result() -> None:
    run = Running(of_state(Older), Older(total=3))
    run.once()
    text = json.dumps(run.outcome)
    newer = Running(of_state(Newer), Newer(total=0))
    assert outcome_of(text, newer.plan, newer.codec, "order-1").tip == 5
    stricter = Running(of_state(Stricter), Stricter(total=0, customer=""))
    with pytest.raises(StoryChangedError, match="it has completed, and the State does not fit"):
        outcome_of(text, stricter.plan, stricter.codec, "order-1")


@dataclass(frozen=True)
class Pausing(Story):
    I.one
    I.pause
    I.two

    pause: Any

    def one(self, state: Any) -> None:
        state.log.append("one")

    def two(self, state: Any) -> None:
        state.log.append("two")


def stopped(state: State) -> None:
    state.log.append("function")


def test_a_wait_that_has_begun_may_become_a_plain_step_or_go_or_come() -> None:
    run = crashed(Pausing(Delay(5)), Place(1, "after record"))
    assert run.recorded == ["one", "wait:pause"]
    assert resumed(run, Pausing(stopped)).once().log == ["one", "function", "two"]
    assert resumed(run, story_of("one", "two")).once().log == ["one", "two"]
    plain = crashed(Pausing(stopped), Place(0, "after record"))
    assert resumed(plain, Pausing(Delay(5))).once().log == ["one", "two"]
