"""Pydantic entities validate assignments; a rejected assignment changes nothing."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest
from typing_extensions import Self

import dddkit.pydantic
from tests.blocks.flavours import Pydantic


class Window(dddkit.pydantic.Aggregate):
    model_config = pydantic.ConfigDict(extra="allow")

    class Moved(dddkit.pydantic.AggregateEvent):
        pass

    window_id: int
    start: int = 0
    end: int = 10
    _checks: int = pydantic.PrivateAttr(default=0)

    @pydantic.model_validator(mode="after")
    def start_comes_before_end(self) -> Self:
        self._checks += 1
        self.add_event(self.Moved())
        if self.start > self.end:
            raise ValueError("start > end")
        return self

    @property
    def checks(self) -> int:
        return self._checks

    @property
    def span(self) -> int:
        return self.end - self.start

    @span.setter
    def span(self, value: int) -> None:
        self.end = self.start + 1
        self.end = self.start + value


def everything(window: Window) -> tuple[Any, ...]:
    return window.model_dump(), window.model_fields_set, window.model_extra, window.checks, window.get_events()


def test_a8_assignment_is_validated() -> None:
    product: Any = Pydantic.Product(product_id=1)
    with pytest.raises(pydantic.ValidationError):
        product.name = 1
    assert product.name == ""
    product.name = "tea"
    assert product.name == "tea"


def test_a9_an_assignment_rejected_by_a_model_validator_leaves_the_object_as_it_was() -> None:
    window = Window(window_id=1)
    window.start = 5
    before = everything(window)
    with pytest.raises(pydantic.ValidationError, match="start > end"):
        window.start = 11
    assert everything(window) == before
    with pytest.raises(pydantic.ValidationError, match="start > end"):
        window.span = -1
    assert everything(window) == before
    window.end = 20
    window.start = 11
    assert (window.start, window.end) == (11, 20)


def test_a9_the_first_rejected_assignment_leaves_no_field_set() -> None:
    window = Window(window_id=1)
    with pytest.raises(pydantic.ValidationError):
        window.start = 11
    assert window.model_fields_set == {"window_id"}


def test_a9_where_nothing_was_recorded_before_nothing_is_after() -> None:
    window = Window.model_construct(window_id=1)
    with pytest.raises(pydantic.ValidationError):
        window.start = 11
    assert window.get_events() == []
    assert window.start == 0


def test_undeclared_and_private_attributes_behave_as_in_pydantic() -> None:
    product: Any = Pydantic.Product(product_id=1)
    with pytest.raises(ValueError, match="undeclared"):
        product.undeclared = 1
    window = Window(window_id=1)
    setattr(window, "extra", 1)  # noqa: B010 - checkers reject an assignment
    assert window.model_extra == {"extra": 1}


def test_an_object_made_without_init_can_be_given_its_fields() -> None:
    product: Any = Pydantic.Product.model_construct()
    product.product_id = 1
    assert product == Pydantic.Product(product_id=1)
