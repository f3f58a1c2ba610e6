"""The changes handler folds an aggregate's events into a typed result."""

from __future__ import annotations

import asyncio
import dataclasses as stdlib
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import singledispatchmethod
from typing import Any, NamedTuple, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dddkit.dataclasses
import dddkit.pydantic
from dddkit.dataclasses import ChangesHandler, EventBroker
from dddkit.exceptions import ChangesResultError, UnhandledEventError
from tests.blocks.flavours import FLAVOURS, Dataclasses, Flavour, Pydantic, in_both_flavours, needs_threads

# Any: the aggregates are of a flavour chosen at run time.


class Changes(NamedTuple):
    created: bool
    added: list[str]
    note: str = "none"


Created, ItemAdded = (tuple(getattr(flavour.Basket, name) for flavour in FLAVOURS) for name in ("Created", "ItemAdded"))


class BasketChanges(ChangesHandler[Any, Changes]):
    result_type = Changes

    def _clear_state(self) -> None:
        self.created = False
        self.added: list[str] = []

    @singledispatchmethod
    def handle_changes(self, event: object, aggregate: Any) -> None:
        raise NotImplementedError

    @handle_changes.register(Dataclasses.Basket.Created)
    @handle_changes.register(Pydantic.Basket.Created)
    def _(self, event: object, aggregate: Any) -> None:
        self.created = True

    @handle_changes.register(Dataclasses.Basket.ItemAdded)
    @handle_changes.register(Pydantic.Basket.ItemAdded)
    def _(self, event: Any, aggregate: Any) -> None:
        if event.item == "poison":
            raise ValueError("poison")
        self.added.append(event.item)


NOTHING = Changes(False, [])


def basket_with(flavour: type[Flavour], *items: str) -> Any:
    basket = flavour.Basket(basket_id=1)
    for item in items:
        basket.add(item)
    return basket


def pending(basket: Any) -> list[str]:
    return [event.item for event in basket.get_events()]


@in_both_flavours
def test_events_are_folded_in_order_into_the_result(flavour: type[Flavour]) -> None:
    basket = flavour.Basket(basket_id=1)
    basket.add_event(flavour.Basket.Created())
    basket.add("tea")
    basket.add("milk")
    changes = BasketChanges()(basket)
    assert changes == Changes(True, ["tea", "milk"])
    assert type(changes) is Changes


@in_both_flavours
def test_without_events_the_result_is_empty(flavour: type[Flavour]) -> None:
    assert BasketChanges()(flavour.Basket(basket_id=1)) == NOTHING


@in_both_flavours
def test_outside_a_block_events_are_cleared_at_once(flavour: type[Flavour]) -> None:
    basket = basket_with(flavour, "tea")
    BasketChanges()(basket)
    assert pending(basket) == []


@in_both_flavours
def test_a_failed_fold_clears_nothing(flavour: type[Flavour]) -> None:
    basket = basket_with(flavour, "tea", "poison")
    with pytest.raises(ValueError, match="poison"):
        BasketChanges()(basket)
    assert pending(basket) == ["tea", "poison"]


@in_both_flavours
def test_c1_two_calls_never_leak_into_each_other(flavour: type[Flavour]) -> None:
    handler = BasketChanges()
    first = handler(basket_with(flavour, "tea"))
    second = handler(basket_with(flavour, "milk"))
    assert (first, second) == (Changes(False, ["tea"]), Changes(False, ["milk"]))
    with pytest.raises(ValueError, match="poison"):
        handler(basket_with(flavour, "sugar", "poison"))
    assert handler(basket_with(flavour)) == NOTHING


class Total(NamedTuple):
    total: int


class SloppyTotal(ChangesHandler[Any, Total]):
    result_type = Total

    @singledispatchmethod
    def handle_changes(self, event: Any, aggregate: Any) -> None:
        self.total = len(event.item)


@in_both_flavours
def test_c1_what_a_call_has_set_is_unset_in_the_next(flavour: type[Flavour]) -> None:
    handler = SloppyTotal()
    for _ in range(2):
        assert handler(basket_with(flavour, "tea")) == Total(3)
        with pytest.raises(ChangesResultError):
            handler(basket_with(flavour))
    with handler as totals:
        assert totals(basket_with(flavour, "tea")) == Total(3)
        with pytest.raises(ChangesResultError):
            totals(basket_with(flavour))


@in_both_flavours
def test_c2_a_block_clears_its_events_when_it_ends_without_an_exception(flavour: type[Flavour]) -> None:
    basket, other = basket_with(flavour, "tea"), basket_with(flavour, "milk")
    with BasketChanges() as changes_of:
        assert changes_of(basket).added == ["tea"]
        assert changes_of(other).added == ["milk"]
        assert (pending(basket), pending(other)) == (["tea"], ["milk"])
    assert (pending(basket), pending(other)) == ([], [])


@in_both_flavours
def test_c2_a_block_that_raised_clears_nothing_so_a_retry_saves_everything(flavour: type[Flavour]) -> None:
    basket, handler = basket_with(flavour, "tea"), BasketChanges()

    def fails_to_commit() -> None:
        with handler as changes_of:
            changes_of(basket)
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - no other ValueError is possible
        fails_to_commit()
    assert pending(basket) == ["tea"]
    basket.add("milk")
    with handler as changes_of:
        assert changes_of(basket).added == ["tea", "milk"]
    assert pending(basket) == []


@in_both_flavours
def test_a_second_call_in_a_block_folds_only_what_is_new(flavour: type[Flavour]) -> None:
    basket = basket_with(flavour, "tea")
    with BasketChanges() as changes_of:
        assert changes_of(basket).added == ["tea"]
        assert changes_of(basket) == NOTHING
        basket.add("milk")
        assert changes_of(basket).added == ["milk"]
        basket.add("sugar")
    assert pending(basket) == ["sugar"]


@in_both_flavours
def test_an_event_recorded_twice_is_folded_twice(flavour: type[Flavour]) -> None:
    basket, event = flavour.Basket(basket_id=1), flavour.Basket.ItemAdded(item="tea")
    basket.add_event(event)
    with BasketChanges() as changes_of:
        assert changes_of(basket).added == ["tea"]
        basket.add_event(event)
        assert changes_of(basket).added == ["tea"]
        basket.add_event(event)
    assert pending(basket) == ["tea"]


@in_both_flavours
def test_events_pulled_by_other_code_meanwhile_stay_pulled(flavour: type[Flavour]) -> None:
    basket = basket_with(flavour, "tea")
    with BasketChanges() as changes_of:
        changes_of(basket)
        basket.pull_events()
        basket.add("milk")
        assert changes_of(basket).added == ["milk"]
        basket.add("sugar")
    assert pending(basket) == ["sugar"]


@in_both_flavours
def test_a_call_that_failed_in_a_block_has_folded_nothing(flavour: type[Flavour]) -> None:
    basket = basket_with(flavour, "poison")
    with BasketChanges() as changes_of, pytest.raises(ValueError, match="poison"):
        changes_of(basket)
    assert pending(basket) == ["poison"]


@in_both_flavours
def test_events_recorded_while_folding_are_left_for_the_next(flavour: type[Flavour]) -> None:
    class Echo(ChangesHandler[Any, Total]):
        result_type = Total

        def _clear_state(self) -> None:
            self.total = 0

        @singledispatchmethod
        def handle_changes(self, event: Any, aggregate: Any) -> None:
            self.total += 1
            aggregate.add("echo")

    basket = basket_with(flavour, "tea", "milk")
    assert Echo()(basket) == Total(2)
    assert pending(basket) == ["echo", "echo"]


@in_both_flavours
def test_in_its_block_the_handler_itself_is_the_copy(flavour: type[Flavour]) -> None:
    basket, handler = basket_with(flavour, "tea"), BasketChanges()
    with suppress(OSError), handler as changes_of:
        assert changes_of is not handler
        assert handler(basket).added == ["tea"]
        assert changes_of(basket) == handler(basket) == NOTHING
        raise OSError
    assert pending(basket) == ["tea"]


@in_both_flavours
def test_after_its_block_the_copy_is_a_handler_like_any_other(flavour: type[Flavour]) -> None:
    with BasketChanges() as changes_of:
        pass
    basket = basket_with(flavour, "tea")
    assert changes_of(basket).added == ["tea"]
    assert pending(basket) == []


@in_both_flavours
def test_blocks_nest(flavour: type[Flavour]) -> None:
    basket, handler = basket_with(flavour, "tea"), BasketChanges()
    with handler as outer:
        assert outer(basket).added == ["tea"]
        basket.add("milk")
        for inner_handler in (handler, outer):
            with suppress(OSError), inner_handler as inner:
                assert inner(basket).added == ["milk"]
                assert inner_handler(basket) == NOTHING
                raise OSError
        assert pending(basket) == ["tea", "milk"]
        with handler as inner:
            assert handler(basket).added == ["milk"]
        assert pending(basket) == ["tea"]
        assert outer(basket) == handler(basket) == NOTHING
    assert pending(basket) == []


@in_both_flavours
def test_blocks_of_different_handlers_do_not_mix(flavour: type[Flavour]) -> None:
    basket = basket_with(flavour, "tea")
    with BasketChanges() as one, BasketChanges() as other:
        assert one(basket).added == other(basket).added == ["tea"]
    assert pending(basket) == []
    with BasketChanges():
        other_handler = BasketChanges()
        loose = basket_with(flavour, "milk")
        assert other_handler(loose).added == ["milk"]
        assert pending(loose) == []


# Sharing


@in_both_flavours
def test_tasks_share_a_handler_and_each_has_its_own_block(flavour: type[Flavour]) -> None:
    handler = BasketChanges()

    async def work(number: int) -> list[str]:
        basket = basket_with(flavour, f"a{number}")
        with handler as changes_of:
            seen = changes_of(basket).added
            await asyncio.sleep(0)
            basket.add(f"b{number}")
            seen += handler(basket).added
            await asyncio.sleep(0)
            assert pending(basket) == [f"a{number}", f"b{number}"]
        assert pending(basket) == []
        return seen

    async def main() -> None:
        results = await asyncio.gather(*map(work, range(50)))
        assert results == [[f"a{number}", f"b{number}"] for number in range(50)]

    asyncio.run(main())


@in_both_flavours
def test_a_block_does_not_belong_to_the_tasks_it_starts(flavour: type[Flavour]) -> None:
    handler = BasketChanges()

    async def child() -> Any:
        basket = basket_with(flavour, "milk")
        assert handler(basket).added == ["milk"]
        assert pending(basket) == []
        with handler as changes_of:
            basket.add("sugar")
            assert changes_of(basket).added == ["sugar"]
            assert pending(basket) == ["sugar"]
        return pending(basket)

    async def main() -> None:
        basket = basket_with(flavour, "tea")
        with suppress(OSError), handler as changes_of:
            changes_of(basket)
            assert await asyncio.ensure_future(child()) == []
            assert pending(basket) == ["tea"]
            raise OSError
        assert pending(basket) == ["tea"]

    asyncio.run(main())


@in_both_flavours
def test_the_copy_belongs_to_its_block_in_other_tasks_too(flavour: type[Flavour]) -> None:
    basket = basket_with(flavour, "tea")

    async def child(changes_of: BasketChanges) -> None:
        assert changes_of(basket).added == ["tea"]
        assert pending(basket) == ["tea"]

    async def main() -> None:
        with suppress(OSError), BasketChanges() as changes_of:
            await asyncio.ensure_future(child(changes_of))
            raise OSError

    asyncio.run(main())
    assert pending(basket) == ["tea"]


def in_thread(work: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


@needs_threads
@in_both_flavours
def test_a_block_does_not_belong_to_other_threads(flavour: type[Flavour]) -> None:
    handler, basket = BasketChanges(), basket_with(flavour, "tea")

    def work() -> None:
        other = basket_with(flavour, "milk")
        assert handler(other).added == ["milk"]
        assert pending(other) == []

    with handler as changes_of:
        changes_of(basket)
        in_thread(work)
        in_thread(lambda: copy_context().run(work))
        context = copy_context()
        in_thread(lambda: context.run(work))
        assert pending(basket) == ["tea"]
    assert pending(basket) == []


@needs_threads
@in_both_flavours
def test_threads_share_a_handler(flavour: type[Flavour]) -> None:
    handler, results = BasketChanges(), list[list[str]]()

    def work(number: int) -> None:
        for turn in range(50):
            results.append(handler(basket_with(flavour, f"{number}.{turn}")).added)

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted([f"{number}.{turn}"] for number in range(4) for turn in range(50))


def test_without_asyncio_imported_blocks_belong_to_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "asyncio")
    basket, handler = basket_with(Dataclasses, "tea"), BasketChanges()
    with handler as changes_of:
        assert changes_of(basket) == Changes(False, ["tea"])
        assert handler(basket) == NOTHING
    assert pending(basket) == []


@given(
    st.sampled_from(FLAVOURS),
    st.lists(st.sampled_from(["add", "fold", "fail"]), max_size=10),
    st.booleans(),
)
def test_every_event_is_folded_exactly_once_by_blocks_without_an_exception(
    flavour: type[Flavour], steps: list[str], ends_well: bool
) -> None:
    basket, handler = flavour.Basket(basket_id=1), BasketChanges()
    added, folded = list[str](), list[str]()
    try:
        with handler as changes_of:
            for number, step in enumerate(steps):
                if step == "add":
                    basket.add(str(number))
                    added.append(str(number))
                else:
                    folded += changes_of(basket).added
            if not ends_well:
                raise OSError
    except OSError:
        assert pending(basket) == added
        folded = []
    assert folded + pending(basket) == added


# Results


@in_both_flavours
def test_c3_a_field_that_was_never_set_is_an_error(flavour: type[Flavour]) -> None:
    class TwoTotals(NamedTuple):
        total: int
        grand_total: int

    class Incomplete(ChangesHandler[Any, TwoTotals]):  # type: ignore[dddkit-changes-result]  # on purpose
        result_type = TwoTotals

        @singledispatchmethod
        def handle_changes(self, event: Any, aggregate: Any) -> None:
            self.total = 1

    basket = basket_with(flavour, "tea")
    with pytest.raises(ChangesResultError) as error:
        Incomplete()(basket)
    assert error.value.field == "grand_total"
    assert error.value.handler is Incomplete
    assert str(error.value) == (
        f"{Incomplete.__qualname__} never set 'grand_total' of its result; "
        "in _clear_state(self) write `self.grand_total: int = 0`"
    )
    assert pending(basket) == ["tea"]


class Entry(NamedTuple):
    text: str


Rows = NamedTuple(  # noqa: UP014  # evaluated, unlike the annotations of this module
    "Rows",
    [
        ("entries", list[Entry]),
        ("names", set[str]),
        ("first", Optional[Entry]),  # noqa: UP045  # the old spelling, on purpose
        ("last", str | None),
        ("ids", tuple[int, ...]),
        ("pair", tuple[int, int]),
        ("counts", dict[str, list[int]]),
        ("text", str),
        ("entry", Entry),
        ("either", int | str),
        ("anything", Any),
    ],
)


class UnsetRows(ChangesHandler[Any, Any]):
    result_type = Rows


class TextRows(NamedTuple):
    names: list[Entry]
    entry: Entry


class UnsetTextRows(ChangesHandler[Any, Any]):
    result_type = TextRows


@pytest.mark.parametrize(
    ("handler", "field", "advice"),
    [
        (UnsetRows, "entries", "write `self.entries: list[Entry] = []`"),
        (UnsetRows, "names", "write `self.names: set[str] = set()`"),
        (UnsetRows, "first", "write `self.first: Entry | None = None`"),
        (UnsetRows, "last", "write `self.last: str | None = None`"),
        (UnsetRows, "ids", "write `self.ids: tuple[int, ...] = ()`"),
        (UnsetRows, "pair", "set self.pair, of type tuple[int, int], to its value where there are no events"),
        (UnsetRows, "counts", "write `self.counts: dict[str, list[int]] = {}`"),
        (UnsetRows, "text", 'write `self.text: str = ""`'),
        (UnsetRows, "entry", "set self.entry, of type Entry, to its value where there are no events"),
        (UnsetRows, "either", "set self.either, of type int | str, to its value where there are no events"),
        (UnsetRows, "anything", "set self.anything to its value where there are no events"),
        (UnsetTextRows, "names", "write `self.names: list[Entry] = []`"),
        (UnsetTextRows, "entry", "set self.entry, of type Entry, to its value where there are no events"),
        (None, "names", "set self.names to its value where there are no events"),
    ],
)
def test_a_field_never_set_is_given_its_empty_value(handler: Any, field: str, advice: str) -> None:
    error = ChangesResultError(handler or ChangesHandler, field)

    assert (
        str(error) == f"{error.handler.__qualname__} never set {field!r} of its result; in _clear_state(self) {advice}"
    )


@in_both_flavours
def test_fields_with_defaults_properties_and_class_attributes_count_as_set(flavour: type[Flavour]) -> None:
    class Summary(NamedTuple):
        total: int
        doubled: int
        kind: str
        note: str = "none"

    class Summarize(ChangesHandler[Any, Summary]):
        result_type = Summary
        kind = "summary"

        def _clear_state(self) -> None:
            self.total = 0

        @property
        def doubled(self) -> int:
            return self.total * 2

        @singledispatchmethod
        def handle_changes(self, event: Any, aggregate: Any) -> None:
            self.total += 1

    assert Summarize()(basket_with(flavour, "tea")) == Summary(1, 2, "summary", "none")

    class Annotated(Summarize):
        def _clear_state(self) -> None:
            super()._clear_state()
            self.note = "annotated"

    assert Annotated()(basket_with(flavour, "tea")) == Summary(1, 2, "summary", "annotated")


def test_a_property_that_fails_fails_as_itself() -> None:
    class Broken(ChangesHandler[Any, Total]):
        result_type = Total

        @property
        def total(self) -> int:
            fields: Any = self
            total: int = fields.missing
            return total

        def handle_changes(self, event: object, aggregate: object) -> None: ...

    with pytest.raises(AttributeError, match="missing"):
        Broken()(Dataclasses.Basket(basket_id=1))


@pytest.mark.parametrize("wrong", [None, "basket", Dataclasses.Product(product_id=1)], ids=["None", "str", "entity"])
def test_only_an_aggregate_has_events_to_fold(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^a changes handler takes an aggregate, and got (None|a str|a .*Product)"):
        BasketChanges()(wrong)


def test_an_empty_result_is_a_result() -> None:
    class Empty(NamedTuple):
        pass

    class Count(ChangesHandler[Any, Empty]):
        result_type = Empty

        def handle_changes(self, event: object, aggregate: object) -> None: ...

    assert Count()(basket_with(Dataclasses, "tea")) == Empty()


@pytest.mark.parametrize("wrong", [tuple, dict, "Changes", Changes(False, [])], ids=str)
def test_a_result_type_that_is_no_named_tuple_is_refused_when_defined(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"Wrong has .* as its result_type; set result_type to the NamedTuple"):
        type("Wrong", (BasketChanges,), {"result_type": wrong})


def test_a_handler_without_result_type_or_handle_changes_says_so_when_called() -> None:
    class Base(ChangesHandler[Any, Total]):  # type: ignore[dddkit-changes-result]  # on purpose
        pass

    with pytest.raises(TypeError, match=r"Base has no result_type; set"):
        Base()(Dataclasses.Basket(basket_id=1))

    class Typed(Base):
        result_type = Total

    with pytest.raises(
        TypeError, match=r"Typed has no handle_changes .* def handle_changes\(self, event, aggregate\)$"
    ):
        Typed()(Dataclasses.Basket(basket_id=1))


# Events without a handler


class SingleMethod(ChangesHandler[Any, Total]):
    result_type = Total

    def _clear_state(self) -> None:
        self.total = 0

    def handle_changes(self, event: object, aggregate: object) -> None:
        if isinstance(event, (Dataclasses.Basket.Created, Pydantic.Basket.Created)):
            self.total += 1
        else:
            raise NotImplementedError


@pytest.mark.parametrize("handler", [BasketChanges(), SingleMethod()], ids=["singledispatch", "method"])
@in_both_flavours
def test_an_event_without_a_handler_is_a_named_error(flavour: type[Flavour], handler: Any) -> None:
    removed = flavour.declare("AggregateEvent", "Removed", item=str)
    basket = flavour.Basket(basket_id=1)
    basket.add_event(flavour.Basket.Created())
    basket.add_event(removed(item="tea"))
    with pytest.raises(UnhandledEventError) as error:
        handler(basket)
    assert error.value.event == basket.get_events()[1]
    owner: Any = error.value.aggregate
    assert owner is basket
    assert isinstance(error.value.__cause__, NotImplementedError)
    assert str(error.value).startswith("no handler for Removed recorded by ")
    assert len(basket.get_events()) == 2


@in_both_flavours
def test_a_handler_for_a_base_event_counts(flavour: type[Flavour]) -> None:
    special = flavour.declare(flavour.Basket.ItemAdded, "Special")
    basket = flavour.Basket(basket_id=1)
    basket.add_event(special(item="tea"))
    assert BasketChanges()(basket).added == ["tea"]


def test_not_implemented_in_a_registered_handler_is_its_own_error() -> None:
    class Unfinished(BasketChanges):
        @singledispatchmethod
        def handle_changes(self, event: object, aggregate: Any) -> None: ...

        @handle_changes.register(Dataclasses.Basket.ItemAdded)
        def _(self, event: object, aggregate: Any) -> None:
            raise NotImplementedError("later")

    with pytest.raises(NotImplementedError, match="later") as error:
        Unfinished()(basket_with(Dataclasses, "tea"))
    assert not isinstance(error.value, UnhandledEventError)


def test_a_default_that_does_something_handles_everything() -> None:
    class Count(SloppyTotal):
        pass

    assert Count()(basket_with(Dataclasses, "tea")) == Total(3)


def test_handlers_may_be_registered_late_and_be_any_kind_of_method() -> None:
    seen: list[str] = []

    class Late(ChangesHandler[Any, Total]):
        result_type = Total

        def _clear_state(self) -> None:
            self.total = 0

        @singledispatchmethod
        def handle_changes(self, event: object, aggregate: Any) -> None:
            self.total += 1

    handler = Late()
    assert handler(basket_with(Dataclasses, "tea")) == Total(1)
    late: Any = vars(Late)["handle_changes"]

    def added(event: Any, aggregate: Any) -> None:
        seen.append(event.item)

    late.register(Dataclasses.Basket.ItemAdded, staticmethod(added))
    assert handler(basket_with(Dataclasses, "milk")) == Total(0)
    assert seen == ["milk"]


def test_events_of_classes_not_seen_before_are_folded_once_and_in_order() -> None:
    class Ordered(ChangesHandler[Any, Changes]):
        result_type = Changes

        def _clear_state(self) -> None:
            self.created, self.added = False, list[str]()

        @singledispatchmethod
        def handle_changes(self, event: Any, aggregate: Any) -> None:
            self.added.append(type(event).__name__)

    handler, basket = Ordered(), Dataclasses.Basket(basket_id=1)
    first, second, third = (Dataclasses.declare("AggregateEvent", name) for name in ("First", "Second", "Third"))
    for classes in ([first, first], [first, second, first, third, second], [third, second, first]):
        for event_class in classes:
            basket.add_event(event_class())
        assert handler(basket).added == [event_class.__name__ for event_class in classes]


def test_a_key_error_of_a_handler_is_its_own() -> None:
    seen: list[str] = []

    class Looking(SloppyTotal):
        @singledispatchmethod
        def handle_changes(self, event: object, aggregate: Any) -> None: ...

        @handle_changes.register(Dataclasses.Basket.ItemAdded)
        def _(self, event: Any, aggregate: Any) -> None:
            seen.append(event.item)
            self.total = {"tea": 1}[event.item]

    handler = Looking()
    for _ in range(2):
        with pytest.raises(KeyError, match="milk"):
            handler(basket_with(Dataclasses, "tea", "milk", "tea"))
    assert seen == ["tea", "milk"] * 2


def test_a_subclass_folds_with_its_own_handlers_after_its_parent_has_folded() -> None:
    class Parent(BasketChanges): ...

    assert Parent()(basket_with(Dataclasses, "tea")) == Changes(False, ["tea"])

    class Child(Parent):
        def _clear_state(self) -> None:
            super()._clear_state()
            self.note = type(self).__name__

    assert Child()(basket_with(Dataclasses, "tea")) == Changes(False, ["tea"], "Child")
    assert Parent()(basket_with(Dataclasses, "tea")) == Changes(False, ["tea"])


def test_a_result_type_with_a_new_of_its_own_is_created_by_it() -> None:
    class Doubled(Total):
        def __new__(cls, total: int) -> Doubled:
            return super().__new__(cls, 2 * total)

    class Doubling(SloppyTotal):
        result_type = Doubled

    assert Doubling()(basket_with(Dataclasses, "tea")) == (6,)


def test_the_copy_to_fold_into_has_the_attributes_and_is_not_initialized_again() -> None:
    class Counting(SloppyTotal):
        made = 0

        def __init__(self) -> None:
            Counting.made += 1
            self.factor = 2

        @singledispatchmethod
        def handle_changes(self, event: Any, aggregate: Any) -> None:
            self.total = self.factor * len(event.item)

    class Bare(Counting):
        __init__ = object.__init__

    bare = Bare()
    bare.factor = 5
    for handler, total in ((Counting(), 6), (bare, 15)):
        assert handler(basket_with(Dataclasses, "tea")) == Total(total)
    assert Counting.made == 1


def test_a_subclass_may_replace_the_registry() -> None:
    class Louder(BasketChanges):
        @singledispatchmethod
        def handle_changes(self, event: Any, aggregate: Any) -> None:
            self.added.append(event.item.upper())

    assert BasketChanges()(basket_with(Dataclasses, "tea")).added == ["tea"]
    assert Louder()(basket_with(Dataclasses, "tea")).added == ["TEA"]
    assert BasketChanges()(basket_with(Dataclasses, "tea")).added == ["tea"]


def test_an_async_handler_is_refused_before_an_event_is_lost_in_it() -> None:
    class Async(BasketChanges):
        @singledispatchmethod
        def handle_changes(self, event: object, aggregate: Any) -> None: ...

        @handle_changes.register(Dataclasses.Basket.ItemAdded)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # at run time too
        async def _(self, event: object, aggregate: Any) -> None: ...

    basket = basket_with(Dataclasses, "tea")
    with pytest.raises(
        TypeError, match=r"Async: .*Async\._ \(.*, which handles .*ItemAdded, is async, so its body would not run"
    ):
        Async()(basket)
    assert pending(basket) == ["tea"]

    class AsyncMethod(ChangesHandler[Any, Total]):  # type: ignore[dddkit-changes-result]  # on purpose
        result_type = Total

        async def handle_changes(self, event: object, aggregate: object) -> None: ...

    with pytest.raises(TypeError, match="is async"):
        AsyncMethod()(basket)


# Collaborators


def test_collaborators_are_there_while_folding() -> None:
    broker, seen = EventBroker(), list[object]()
    broker.subscribe(object, seen.append)

    @stdlib.dataclass
    class Publishing(ChangesHandler[Any, Total]):
        broker: EventBroker
        result_type = Total

        def _clear_state(self) -> None:
            self.total = 0

        @singledispatchmethod
        def handle_changes(self, event: object, aggregate: Any) -> None:
            self.total += 1
            self.broker.publish(event)

    handler = Publishing(broker)
    assert handler(basket_with(Dataclasses, "tea")) == Total(1)
    with handler as changes_of:
        assert changes_of(basket_with(Dataclasses, "tea")) == Total(1)
    assert len(seen) == 2


def test_slotted_handlers_and_those_with_copying_of_their_own_work() -> None:
    @stdlib.dataclass(slots=True)
    class Slotted(ChangesHandler[Any, Total]):
        start: int
        total: int = 0
        result_type = Total

        def _clear_state(self) -> None:
            self.total = self.start

        @singledispatchmethod
        def handle_changes(self, event: object, aggregate: Any) -> None:
            self.total += 1

    class Copied(SloppyTotal):
        copies = 0

        def __copy__(self) -> Copied:
            Copied.copies += 1
            return Copied()

    assert not hasattr(Slotted(1), "__dict__")
    handlers: list[tuple[Any, int]] = [(Slotted(5), 6), (Copied(), 3)]
    for handler, total in handlers:
        basket = basket_with(Dataclasses, "tea")
        assert handler(basket) == Total(total)
        basket.add("tea")
        with handler as changes_of:
            assert changes_of(basket) == Total(total)
            assert pending(basket) == ["tea"]
        assert pending(basket) == []
    assert Copied.copies >= 2


def test_there_is_one_changes_handler_for_both_flavours() -> None:
    assert dddkit.dataclasses.ChangesHandler is dddkit.pydantic.ChangesHandler
