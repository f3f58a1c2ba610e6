"""A test module: fixtures, parametrised stories, monkeypatched steps, expected errors, doubles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import AsyncMock, Mock, create_autospec

import pytest

from dddkit.exceptions import StoryStateError
from dddkit.stories import I, Story, StoryState, variable


@dataclass(frozen=True)
class Transfer(Story):
    I.withdraw
    I.deposit

    class State(StoryState):
        cents: int
        receipt: str = variable()

    withdraw: Callable[[Transfer.State], None]
    prefix: str = "r"

    def deposit(self, state: State) -> None:
        state.receipt = f"{self.prefix}{state.cents}"


@pytest.fixture
def withdraw() -> Mock:
    return Mock(spec=lambda state: None, return_value=None)


@pytest.fixture
def transfer(withdraw: Mock) -> Iterator[Transfer]:
    yield Transfer(withdraw)


@pytest.mark.parametrize(("cents", "receipt"), [(1, "r1"), (2, "r2")])
def test_receipt(transfer: Transfer, withdraw: Mock, cents: int, receipt: str) -> None:
    state = transfer.State(cents=cents)
    transfer(state)
    withdraw.assert_called_once_with(state)
    assert state.receipt == receipt


def test_other_prefix(transfer: Transfer) -> None:
    other = replace(transfer, prefix="x")
    other(state := Transfer.State(cents=3))
    assert state.receipt == "x3"


def test_not_set(transfer: Transfer) -> None:
    state = Transfer.State(cents=1)
    with pytest.raises(StoryStateError, match="receipt"):
        print(state.receipt)
    with pytest.raises(TypeError):
        Transfer.State(cent=1)  # type: ignore[call-arg]


def test_patched(monkeypatch: pytest.MonkeyPatch, withdraw: Mock) -> None:
    monkeypatch.setattr(Transfer, "deposit", lambda self, state: setattr(state, "receipt", "patched"))
    Transfer(withdraw)(state := Transfer.State(cents=1))
    assert state.receipt == "patched"


def test_doubles() -> None:
    double: Any = create_autospec(Transfer, instance=True)
    double(Transfer.State(cents=1))
    assert AsyncMock() is not double


for test in (test_receipt, test_other_prefix, test_not_set, test_patched, test_doubles):
    assert callable(test)
mock = Mock(return_value=None)
test_other_prefix(Transfer(mock))
test_not_set(Transfer(mock))
test_receipt(Transfer(one := Mock(return_value=None)), one, 1, "r1")
test_doubles()
