"""Undoing where the step that was stopped is a story itself."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from dddkit.exceptions import CompensationError
from dddkit.stories import I, Story, compensates
from tests.stories.shop import Declined, Mode, Notes, both_modes, finish
from tests.stories.test_undoing import fail, shop


class Plain(Story):
    """A story in which nothing can be undone."""

    I.look
    I.refuse

    def look(self, state: Notes) -> None:
        state.take("look")

    def refuse(self, state: Notes) -> None:
        state.take("refuse")


@dataclass(frozen=True)
class Unlucky(Story):
    I.reserve
    I.inner

    inner: Story

    def reserve(self, state: Notes) -> None:
        state.take("reserve")

    @compensates(reserve)
    def release(self, state: Notes) -> None:
        state.take("release")


@both_modes
def test_a_run_never_takes_what_an_earlier_one_has_undone_for_its_own(mode: Mode) -> None:
    error = Declined("an object that is raised again")
    fail(shop(mode), ship=error)
    state = Notes(refuse=error, release=ConnectionError())
    with pytest.raises(CompensationError) as caught:
        finish(Unlucky(Plain())(state))
    assert (caught.value.undone, caught.value.left) == ((), ("reserve",))
    with pytest.raises(CompensationError) as caught:
        finish(Unlucky(shop(mode)())(Notes(ship=error, release=ConnectionError())))
    assert (caught.value.undone, caught.value.left) == (("inner.charge",), ("inner.reserve", "reserve"))
