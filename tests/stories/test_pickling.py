"""Stories and their errors are copied and pickled like other objects."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import attrs
import pydantic.dataclasses
import pytest

from dddkit.exceptions import StoryDefinitionError, StoryStateError
from dddkit.stories import I, Story, StoryState, variable


class Priced(Story):  # type: ignore[dddkit-undecorated-class]
    I.note

    price: int

    class State(StoryState):
        payment: str = variable()
        prices: list[int] = []

    def note(self, state: State) -> None:
        state.prices.append(self.price)


@dataclass
class AsDataclass(Priced):
    price: int


@dataclass(frozen=True, slots=True)
class AsSlots(Priced):
    price: int


@attrs.define
class AsAttrs(Priced):
    price: int


@attrs.define(slots=False)
class AsAttrsDict(Priced):
    price: int


@pydantic.dataclasses.dataclass
class AsPydantic(Priced):
    price: int


class ByHand(Priced):
    def __init__(self, price: int) -> None:
        self.price = price

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByHand) and self.price == other.price

    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # mutable


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


every_way = pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickled])


@every_way
@pytest.mark.parametrize("story", [AsDataclass, AsSlots, AsAttrs, AsAttrsDict, AsPydantic, ByHand])
def test_a_story_is_equal_to_its_copy_which_runs(way: Callable[[Any], Any], story: Callable[[int], Any]) -> None:
    original = story(3)
    made = way(original)
    assert made == original
    assert made is not original
    state = Priced.State()
    made(state)
    assert state.prices == [3]


@every_way
def test_a_story_class_and_its_steps_are_copied(way: Callable[[Any], Any]) -> None:
    assert way(AsSlots) is AsSlots
    steps = way(AsSlots.I)
    assert steps.__steps__ == ["note"]
    with pytest.raises(AttributeError):
        _ = steps.other


@every_way
def test_a_state_error_keeps_its_subject(way: Callable[[Any], Any]) -> None:
    with pytest.raises(StoryStateError) as caught:
        _ = Priced.State().payment
    made = way(caught.value)
    assert type(made) is StoryStateError
    assert (made.story, made.attribute, str(made)) == ("Priced", "payment", str(caught.value))


@every_way
def test_a_definition_error_keeps_its_subject(way: Callable[[Any], Any]) -> None:
    class House(Story):
        pass

    with pytest.raises(StoryDefinitionError) as caught:
        House()(None)
    made = way(caught.value)
    assert type(made) is StoryDefinitionError
    assert (made.story, made.step, str(made)) == ("House", None, str(caught.value))
