"""For any story, wherever it fails and crashes: a durable run ends as the plain one does."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dddkit.exceptions import CompensationError
from dddkit.stories import (
    I,
    StepExecutionInfo,
    StepStatus,
    Story,
    StoryExecutionContext,
    StoryState,
    compensates,
    inject_hooks,
)
from dddkit.testing._journal import Place
from tests.durable.running import Running
from tests.stories.shop import Declined, finish, listed


@dataclass(frozen=True)
class MadeStep:
    """A step of a story to make; one with parts is a story itself."""

    is_async: bool
    compensation: bool
    even_if_failed: bool
    parts: Sequence[MadeStep] = ()
    is_listed_twice: bool = False


Spec: TypeAlias = Sequence[MadeStep]
_FLAGS = st.booleans()
_SPECS: Any = st.recursive(
    st.lists(st.builds(MadeStep, _FLAGS, _FLAGS, _FLAGS), min_size=1, max_size=4),
    lambda inner: st.lists(
        st.builds(MadeStep, _FLAGS, _FLAGS, _FLAGS, inner | st.just(()), _FLAGS), min_size=1, max_size=3
    ),
    max_leaves=6,
)


class State(StoryState):
    """Notes what has happened, and fails where it is told to."""

    failing_steps: frozenset[int]
    failing_undos: frozenset[int]
    refused: str = ""
    stopped_after: str = ""
    happened: list[str] = []
    undone: list[str] = []

    def step(self, label: str) -> None:
        self.happened.append(label)
        if len(self.happened) - 1 in self.failing_steps:
            raise Declined(label)

    def undo(self, label: str) -> None:
        self.undone.append(label)
        if len(self.undone) - 1 in self.failing_undos:
            raise ArithmeticError(label)


def method(kind: str, label: str, is_async: bool) -> Any:
    def call(self: Story, state: State) -> None:
        getattr(state, kind)(label)

    async def call_async(self: Story, state: State) -> None:
        getattr(state, kind)(label)

    return call_async if is_async else call


class Refusing:
    """Refuses a step, or stops the run after one, where the state says so."""

    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        if context.state.refused == cast("Any", context.story).path + step.step_name:
            raise PermissionError(step.step_name)

    def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        completed = step.status is StepStatus.COMPLETED
        if completed and context.state.stopped_after == cast("Any", context.story).path + step.step_name:
            raise LookupError(step.step_name)


def story_of(spec: Spec, prefix: str = "", *, hooks: bool = False) -> Any:
    class Made(Story):
        for _index, _step in enumerate(spec):
            _name = f"s{_index}"
            listed(I, _name)
            if _step.is_listed_twice:
                listed(I, _name)
            if _step.parts:
                locals()[_name] = story_of(_step.parts, f"{prefix}{_name}.", hooks=hooks)
            else:
                locals()[_name] = method("step", prefix + _name, _step.is_async)
            if _step.compensation:
                undo = method("undo", prefix + _name, _step.is_async)
                locals()[f"undo_{_name}"] = compensates(_name, even_if_failed=_step.even_if_failed)(undo)

        path = prefix

    if hooks:
        inject_hooks(Made)
        inject_hooks(Made, [Refusing()])
    return Made()


def ended(run: Any) -> tuple[str, object]:
    """Return how a run has ended, as far as the caller sees it."""
    try:
        run()
    except CompensationError as error:
        failures = [(label, repr(own)) for label, own in error.failures]
        return "undo failed", (failures, error.undone, error.left, repr(error.__cause__))
    except Exception as error:
        return "failed", repr(error)
    return "completed", None


_PATHS: Any = st.just("") | st.lists(st.sampled_from(["s0", "s1", "s2"]), min_size=1, max_size=3).map(".".join)
_RUNS: Any = {
    "spec": _SPECS,
    "failing": st.frozensets(st.integers(0, 8), max_size=2),
    "not_undone": st.frozensets(st.integers(0, 4), max_size=2),
    "hooks": _FLAGS,
    "refused": _PATHS,
    "stopped_after": _PATHS,
    "crashes": st.frozensets(
        st.builds(Place, st.integers(0, 12), st.sampled_from(["before", "after body", "after record"])), max_size=5
    ),
}


@settings(max_examples=12)
@given(**_RUNS)
def test_a_durable_run_ends_as_the_plain_one_wherever_it_crashes(**given: Any) -> None:
    check(**given)


@pytest.mark.slow
@settings(max_examples=400)
@given(**_RUNS)
def test_durable_runs_of_many_stories_end_as_the_plain_ones(**given: Any) -> None:
    check(**given)


def check(
    spec: Spec,
    failing: frozenset[int],
    not_undone: frozenset[int],
    hooks: bool,
    refused: str,
    stopped_after: str,
    crashes: frozenset[Place],
) -> None:
    state = State(failing_steps=failing, failing_undos=not_undone, refused=refused, stopped_after=stopped_after)
    plain = copy.deepcopy(state)
    expected = ended(lambda: finish(story_of(spec, hooks=hooks)(plain)))

    running = Running(story_of(spec, hooks=hooks), state, crashes=crashes)
    found = ended(running.to_the_end)

    assert without_occurrences(found) == expected
    left = running.codec.load(running.outcome["state"])
    assert (left.happened, left.undone) == (plain.happened, plain.undone)
    crashed = Counter(running.recorded)
    bodies = Counter(running.journal.bodies)
    assert crashed.keys() == bodies.keys()
    assert all(count == 1 for count in crashed.values()), "an entry is recorded once"
    assert sum(bodies.values()) - len(bodies) <= len(crashes), "only interrupted steps run again"


def without_occurrences(found: Any) -> Any:
    """The labels of a plain run do not tell the occurrences of a step apart."""
    kind, seen = found
    if kind != "undo failed":
        return found
    failures, undone, left, cause = seen
    plain = [(label.partition("#")[0], own) for label, own in failures]
    return kind, (
        plain,
        tuple(one.partition("#")[0] for one in undone),
        tuple(one.partition("#")[0] for one in left),
        cause,
    )
