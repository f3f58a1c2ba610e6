"""For any story, any step that fails and any compensation that fails, what ran and what the caller gets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dddkit.exceptions import CompensationError
from dddkit.stories import I, Story, compensates, inject_hooks
from tests.stories.shop import Declined, finish, listed


@dataclass(frozen=True)
class PlainStep:
    """A step of a story to make; a nested story is a list of steps."""

    is_async: bool
    compensation: bool
    even_if_failed: bool


Spec: TypeAlias = "Sequence[PlainStep | Sequence[Any]]"

_STEPS = st.builds(PlainStep, st.booleans(), st.booleans(), st.booleans())
_SPECS: Any = st.recursive(
    st.lists(_STEPS, min_size=1, max_size=4),
    lambda inner: st.lists(_STEPS | inner, min_size=1, max_size=4),
    max_leaves=8,
)


@dataclass
class Journal:
    """A state that notes what ran, and fails where it is told to."""

    failing_step: str
    failing_compensations: frozenset[str]
    error: BaseException
    ran: list[str] = field(default_factory=list[str])

    def step(self, label: str) -> None:
        self.ran.append(label)
        if label == self.failing_step:
            raise self.error

    def undo(self, label: str) -> None:
        self.ran.append(f"undo {label}")
        if label in self.failing_compensations:
            raise ArithmeticError(label)


def story_of(spec: Spec, prefix: str = "", *, hooks: bool = False) -> Story:
    """Return a story with these steps, whose labels are those of the journal."""

    class Made(Story):
        for _index, _step in enumerate(spec):
            _name = f"s{_index}"
            listed(I, _name)
            if isinstance(_step, PlainStep):
                locals()[_name] = method("step", prefix + _name, _step.is_async)
                if _step.compensation:
                    undo = method("undo", prefix + _name, _step.is_async)
                    locals()[f"undo_{_name}"] = compensates(_name, even_if_failed=_step.even_if_failed)(undo)
            else:
                locals()[_name] = story_of(_step, f"{prefix}{_name}.", hooks=hooks)

    if hooks:
        inject_hooks(Made)
    return Made()


def method(kind: str, label: str, is_async: bool) -> Any:
    def call(self: Story, state: Journal) -> None:
        getattr(state, kind)(label)

    async def call_async(self: Story, state: Journal) -> None:
        await asyncio.sleep(0)
        getattr(state, kind)(label)

    return call_async if is_async else call


def labels(spec: Spec, prefix: str = "") -> list[tuple[str, PlainStep]]:
    """Return the steps as they run."""
    found: list[tuple[str, PlainStep]] = []
    for index, step in enumerate(spec):
        found += [(f"{prefix}s{index}", step)] if isinstance(step, PlainStep) else labels(step, f"{prefix}s{index}.")
    return found


@given(spec=_SPECS, data=st.data(), hooks=st.booleans(), is_fault=st.booleans())
def test_a_stopped_run_is_undone_in_reverse_and_the_caller_gets_what_the_page_says(
    spec: Spec, data: st.DataObject, hooks: bool, is_fault: bool
) -> None:
    steps = labels(spec)
    failing = data.draw(st.integers(0, len(steps) - 1))
    not_undone = data.draw(st.frozensets(st.sampled_from([label for label, _ in steps])))
    error = Declined("no") if is_fault else KeyboardInterrupt()
    state = Journal(steps[failing][0], not_undone, error)

    with pytest.raises(BaseException) as caught:  # noqa: PT011  # which one is asserted below
        finish(story_of(spec, hooks=hooks)(state))

    ran = [label for label, _ in steps[: failing + 1]]
    interrupted = steps[failing][1]
    undone = [label for label, step in reversed(steps[:failing]) if step.compensation]
    if interrupted.compensation and interrupted.even_if_failed:
        undone.insert(0, steps[failing][0])
    assert state.ran == [*ran, *[f"undo {label}" for label in undone]]
    failed = [label for label in undone if label in not_undone]
    if failed and is_fault:
        assert type(caught.value) is CompensationError
        assert caught.value.__cause__ is error
        assert [label for label, _ in caught.value.failures] == failed
        assert caught.value.undone == tuple([label for label in undone if label not in not_undone])
        assert caught.value.left == tuple([label for label in failed if label != steps[failing][0]])
    else:
        assert caught.value is error


@given(spec=_SPECS, hooks=st.booleans())
def test_a_run_that_completes_undoes_nothing(spec: Spec, hooks: bool) -> None:
    state = Journal("", frozenset(), Declined())
    finish(story_of(spec, hooks=hooks)(state))
    assert state.ran == [label for label, _ in labels(spec)]
