"""given, when, then: what an aggregate decides, and what it refuses."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pydantic
import pytest

import dddkit.dataclasses
import dddkit.pydantic
from dddkit.testing import assert_events, given
from tests.blocks.flavours import Flavour, in_both_flavours


class FullError(Exception):
    pass


class ClosedError(FullError):
    pass


@dataclass(frozen=True, kw_only=True)
class Parked(dddkit.dataclasses.AggregateEvent):
    plate: str


@dataclass(kw_only=True)
class Level(dddkit.dataclasses.Entity):
    id: int
    plates: list[str] = field(default_factory=list[str])


@dataclass(kw_only=True)
class Garage(dddkit.dataclasses.Aggregate):
    garage_id: int
    levels: dict[int, Level] = field(default_factory=dict[int, Level])
    _notes: list[str] = field(default_factory=list[str])

    def park(self, plate: str, *, level: int = 0) -> str:
        if plate == "full":
            raise FullError("no place is free")
        self.levels.setdefault(level, Level(id=level)).plates.append(plate)
        self.add_event(Parked(plate=plate))
        return plate

    def spoil(self, what: str) -> None:
        """Change something, and refuse then."""
        if what == "entity":
            self.levels[1].plates.append("B")
        elif what == "new":
            self.levels[2] = Level(id=2)
        elif what == "private":
            self._notes.append("came")
        elif what == "undeclared":
            self.__dict__["open"] = False
        elif what == "event":
            self.add_event(Parked(plate="B"))
        elif what == "cleared":
            self.clear_events()
        raise ClosedError

    def forget(self) -> None:
        self.clear_events()

    @classmethod
    def build(cls) -> Garage:
        return cls(garage_id=2)

    async def wash(self) -> None: ...

    def look(self) -> Iterator[str]:
        yield from self._notes

    async def watch(self) -> AsyncIterator[str]:
        yield ""


class Book(dddkit.pydantic.Aggregate):
    model_config = pydantic.ConfigDict(extra="allow")

    book_id: int
    lent_to: str | None = None
    _history: list[str] = pydantic.PrivateAttr(default_factory=list)

    class Lent(dddkit.pydantic.AggregateEvent):
        reader: str

    def lend(self, reader: str) -> None:
        if self.lent_to is not None:
            raise FullError
        self.lent_to = reader
        self.add_event(self.Lent(reader=reader))

    def spoil(self, what: str) -> None:
        if what == "field":
            self.lent_to = "Ann"
        elif what == "private":
            self._history.append("Ann")
        elif what == "extra":
            self.__pydantic_extra__ = {"colour": "red"}
        raise FullError


def garage() -> Garage:
    return Garage(garage_id=1, levels={1: Level(id=1, plates=["A"])})


def text(failing: Any) -> list[str]:
    with pytest.raises(AssertionError) as error:
        failing()
    return str(error.value).splitlines()


# then


def test_the_events_that_a_method_records_are_expected() -> None:
    given(garage()).when(Garage.park, "B", level=1).then(Parked(plate="B"))
    given(Book(book_id=1)).when(Book.lend, "Ann").then(Book.Lent(reader="Ann"))
    given(garage()).when(Garage.forget).then()


def test_other_events_fail() -> None:
    assert text(lambda: given(garage()).when(Garage.park, "B").then(Parked(plate="C"))) == [
        "Garage.park: the events are not as expected",
        "  at events[0].plate: 'B' != 'C'",
    ]
    assert text(lambda: given(garage()).when(Garage.park, "B").then()) == [
        "Garage.park: 1 event, expected 0",
        "  at events[0]: unexpected Parked(plate='B')",
    ]


@in_both_flavours
def test_a_function_that_takes_the_aggregate_first_does_as_well(flavour: type[Flavour]) -> None:
    def add_both(basket: Any, one: str, other: str) -> None:
        basket.add(one)
        basket.add(other)

    added = flavour.Basket.ItemAdded
    given(flavour.Basket(basket_id=1)).when(add_both, "fig", other="yew").then(added(item="fig"), added(item="yew"))


@in_both_flavours
def test_it_runs_on_the_object_itself(flavour: type[Flavour]) -> None:
    basket = flavour.Basket(basket_id=1)
    given(basket).when(flavour.Basket.add, "fig").then(flavour.Basket.ItemAdded(item="fig"))
    assert basket.items == ["fig"]


@in_both_flavours
def test_events_that_were_pending_before_do_not_count_and_stay(flavour: type[Flavour]) -> None:
    basket, added = flavour.Basket(basket_id=1), flavour.Basket.ItemAdded
    basket.add("fig")
    given(basket).when(flavour.Basket.add, "fig").then(added(item="fig"))
    assert_events(basket.get_events(), added(item="fig"), added(item="fig"))


def test_a_method_that_clears_what_was_pending_fails() -> None:
    place = garage()
    place.park("B")
    assert text(lambda: given(place).when(Garage.forget).then()) == [
        "Garage.forget has cleared events that were pending before: [Parked(plate='B')]"
    ]


def test_what_the_method_raises_comes_out_of_then() -> None:
    outcome = given(garage()).when(Garage.park, "full")
    with pytest.raises(FullError, match="no place is free") as error:
        outcome.then(Parked(plate="full"))
    assert [entry.name for entry in error.traceback][-1] == "park"


# then_refused


def test_a_refusal_that_changes_nothing_is_expected_and_returned() -> None:
    error = given(garage()).when(Garage.park, "full").then_refused(FullError)
    assert str(error) == "no place is free"
    assert type(given(garage()).when(Garage.spoil, "").then_refused(FullError)) is ClosedError
    given(garage()).when(Garage.spoil, "").then_refused((LookupError, ClosedError))
    given(Book(book_id=1, lent_to="Ann")).when(Book.lend, "Bob").then_refused(FullError)


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("entity", "garage.levels[1].plates[1]: new: 'B'"),
        ("new", "garage.levels[2]: new: Level(id=2, plates=[])"),
        ("private", "garage._notes[0]: new: 'came'"),
        ("undeclared", "garage.open: new: False"),
    ],
)
def test_ft1_a_refusal_that_has_changed_a_field_fails(what: str, line: str) -> None:
    assert text(lambda: given(garage()).when(Garage.spoil, what).then_refused(ClosedError)) == [
        "Garage.spoil has raised ClosedError, but has changed the aggregate before",
        f"  at {line}",
    ]


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("field", "book.lent_to: was None, is 'Ann'"),
        ("private", "book._history[0]: new: 'Ann'"),
        ("extra", "book.colour: new: 'red'"),
    ],
)
def test_a_refusal_that_has_changed_a_model_fails(what: str, line: str) -> None:
    assert text(lambda: given(Book(book_id=1)).when(Book.spoil, what).then_refused(FullError))[1:] == [f"  at {line}"]


def test_a_refusal_that_has_recorded_or_cleared_an_event_fails() -> None:
    assert "  at garage.get_events()[0]: new: Parked(" in "\n".join(
        text(lambda: given(garage()).when(Garage.spoil, "event").then_refused(ClosedError))
    )
    place = garage()
    place.park("B")
    assert "  at garage.get_events()[0]: gone: Parked(" in "\n".join(
        text(lambda: given(place).when(Garage.spoil, "cleared").then_refused(ClosedError))
    )


def test_a_refusal_in_a_nested_aggregate_has_recorded_an_event_there() -> None:
    @dataclass(kw_only=True)
    class Street(dddkit.dataclasses.Aggregate):
        street_id: int
        garages: list[Garage]

        def fill(self) -> None:
            self.garages[0].add_event(Parked(plate="B"))
            raise FullError

    street = Street(street_id=1, garages=[garage()])
    lines = text(lambda: given(street).when(Street.fill).then_refused(FullError))
    assert lines[1].startswith("  at street.garages[0].get_events()[0]: new: Parked(")


def test_ft4_a_mock_that_was_asked_is_no_change() -> None:
    garage_ = garage()
    garage_.__dict__["gate"] = gate = mock.MagicMock()

    def refuse(asked: Garage) -> None:
        asked.__dict__["gate"].close()
        raise FullError

    given(garage_).when(refuse).then_refused(FullError)
    gate.close.assert_called_once_with()


def test_the_failure_names_the_refusal_as_its_cause() -> None:
    with pytest.raises(AssertionError) as error:
        given(garage()).when(Garage.spoil, "new").then_refused(ClosedError)
    assert type(error.value.__cause__) is ClosedError


def test_a_method_that_does_not_refuse_fails() -> None:
    assert text(lambda: given(garage()).when(Garage.park, "B").then_refused(FullError)) == [
        "Garage.park did not raise FullError; it has recorded [Parked(plate='B')]"
    ]
    assert text(lambda: given(garage()).when(Garage.forget).then_refused((FullError, KeyError))) == [
        "Garage.forget did not raise FullError or KeyError; it has recorded nothing"
    ]


def test_another_error_comes_out_as_it_is() -> None:
    outcome = given(garage()).when(Garage.park, "full")
    with pytest.raises(FullError) as error:
        outcome.then_refused(ClosedError)
    assert error.value.__cause__ is None


def test_an_interrupt_comes_out_at_once() -> None:
    def interrupt(_: Garage) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        given(garage()).when(interrupt)


# What is rejected


def test_an_async_method_is_rejected_by_name() -> None:
    with pytest.raises(TypeError, match=r"Garage\.wash is async, and given.*; await it in the test"):
        given(garage()).when(Garage.wash)

    def wash(place: Garage) -> Any:
        return place.wash()

    with pytest.raises(TypeError, match=r"wash is async"):
        given(garage()).when(wash)


@pytest.mark.parametrize("method", [Garage.look, Garage.watch])
def test_a_method_that_yields_is_rejected_as_nothing_has_run(method: Any) -> None:
    with pytest.raises(TypeError, match=f"{method.__qualname__} yields, so calling it does nothing"):
        given(garage()).when(method)


def test_what_is_no_aggregate_is_rejected() -> None:
    for wrong in (None, Garage, Level(id=1)):
        any_aggregate: Any = wrong
        with pytest.raises(TypeError, match="given takes an aggregate, and got"):
            given(any_aggregate)


def test_who_tests_what_creates_an_aggregate_is_told_what_to_write() -> None:
    nothing: Any = ()
    build: Any = Garage.build
    with pytest.raises(TypeError, match=r"got nothing; .*write assert_events\(.*\.get_events\(\), \.\.\.\)"):
        given(*nothing)
    with pytest.raises(
        TypeError, match=r"creates an aggregate, write assert_events\(Garage\.build\(\.\.\.\)\.get_events\("
    ):
        given(garage()).when(build)
    keywords: Any = {"aggregates": garage()}
    with pytest.raises(TypeError, match="unexpected keyword argument 'aggregates'"):
        given(**keywords)


def test_what_is_no_method_of_the_class_is_rejected() -> None:
    place: Any = garage()
    name: Any = "park"
    build: Any = Garage.build
    error: Any = FullError()
    with pytest.raises(TypeError, match=r"got a method of an object; write when\(Garage\.park, \.\.\.\)"):
        given(place).when(place.park, "B")
    with pytest.raises(
        TypeError, match=r"method of a class; .*else when\(lambda aggregate: aggregate\.build\(\.\.\.\)\)$"
    ):
        given(place).when(build)
    with pytest.raises(TypeError, match=r"takes a method such as Garage\.rename, and got a str"):
        given(place).when(name, "B")
    with pytest.raises(TypeError, match=r"then_refused takes the class of an error, and got a FullError"):
        given(place).when(Garage.park, "B").then_refused(error)
    with pytest.raises(TypeError, match=r"then takes events, and got the class Parked; write Parked\(\.\.\.\)"):
        given(place).when(Garage.park, "B").then(Parked)


untyped_given: Any = given


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: untyped_given(Garage),
        lambda: untyped_given(garage()).when(garage().park, "B"),
        lambda: untyped_given(garage()).when("park", "B"),
        lambda: untyped_given(garage()).when(Garage.wash),
        lambda: untyped_given(garage()).when(Garage.park, "B").then(Parked),
        lambda: untyped_given(garage()).when(Garage.park, "B").then_refused(FullError()),
        lambda: assert_events([], Parked),
    ],
)
def test_pytest_shows_the_line_of_a_misuse_and_none_of_the_kit(misuse: Any) -> None:
    with pytest.raises(TypeError) as error:
        misuse()
    assert [entry.name for entry in error.traceback.filter(error)][1:] == ["<lambda>"]


def test_a_test_that_expects_nothing_is_warned_of() -> None:
    with pytest.warns(RuntimeWarning, match=r"nothing was expected of Garage\.park: end given.*with then") as warned:
        given(garage()).when(Garage.park, "B")
    assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError):
            given(garage()).when(Garage.wash)
        given(garage()).when(Garage.park, "B").then(Parked(plate="B"))


def test_a_refusal_leaves_no_cycle_behind() -> None:
    place = garage()
    alive = weakref.ref(place)
    gc.collect()
    gc.disable()
    try:
        given(place).when(Garage.park, "full").then_refused(FullError)
        del place
        assert alive() is None
    finally:
        gc.enable()
