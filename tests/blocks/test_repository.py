"""The repository protocols, with the implementation in memory."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Coroutine
from types import new_class
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dddkit.dataclasses
import dddkit.pydantic
from dddkit.dataclasses import (
    Aggregate,
    EventBroker,
    InMemoryRepository,
    Repository,
    SyncInMemoryRepository,
    SyncRepository,
)
from dddkit.exceptions import ConcurrencyError, UnhandledEventError
from tests.blocks.flavours import FLAVOURS, Dataclasses, Flavour, Pydantic, in_both_flavours, needs_threads

T = TypeVar("T")

# Any: the flavour of the aggregates is chosen at run time.
Baskets: Any = InMemoryRepository
SyncBaskets: Any = SyncInMemoryRepository


def method(self: object, _: object) -> None:
    """A method that does nothing, sync or async."""


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


# The protocols


def test_there_is_one_of_each_for_both_flavours() -> None:
    for name in ("Repository", "SyncRepository", "InMemoryRepository", "SyncInMemoryRepository"):
        assert getattr(dddkit.dataclasses, name) is getattr(dddkit.pydantic, name)


@pytest.mark.parametrize("missing", ["save", "get", "delete"])
@pytest.mark.parametrize("protocol", [Repository, SyncRepository], ids=["async", "sync"])
def test_c5_a_repository_that_leaves_a_method_out_can_be_declared_but_not_made(protocol: Any, missing: str) -> None:
    methods = {name: method for name in ("save", "get", "delete") if name != missing}
    declared: Any = new_class("Baskets", (protocol[Aggregate, int],), {}, lambda body: body.update(methods))
    with pytest.raises(TypeError, match=missing):
        declared()
    complete: Any = type("Baskets", (declared,), {missing: method})
    assert type(complete()).__mro__[2] is protocol


def test_a_repository_by_hand_works() -> None:
    class Baskets(SyncRepository[Any, int]):
        def __init__(self) -> None:
            self.stored: dict[int, Any] = {}

        def save(self, aggregate: Any) -> None:
            self.stored[aggregate.basket_id] = aggregate

        def get(self, aggregate_id: int) -> Any:
            return self.stored.get(aggregate_id)

        def delete(self, aggregate: Any) -> None:
            del self.stored[aggregate.basket_id]

    baskets, basket = Baskets(), Dataclasses.Basket(basket_id=1)
    baskets.save(basket)
    assert baskets.get(1) is basket
    baskets.delete(basket)
    assert baskets.get(1) is None


# In memory


@in_both_flavours
def test_what_was_saved_can_be_read(flavour: type[Flavour]) -> None:
    async def main() -> None:
        baskets = Baskets()
        assert await baskets.get(1) is None
        await baskets.save(flavour.Basket(basket_id=1, items=["tea"]))
        await baskets.save(flavour.Basket(basket_id=2))
        read = await baskets.get(aggregate_id=1)
        assert (read.basket_id, read.items) == (1, ["tea"])
        assert (await baskets.get(2)).items == []
        assert await baskets.get(3) is None

    run(main())


@in_both_flavours
def test_changing_an_object_does_not_change_what_is_stored(flavour: type[Flavour]) -> None:
    async def main() -> None:
        baskets, basket = Baskets(), flavour.Basket(basket_id=1, items=["tea"])
        await baskets.save(basket)
        basket.items.append("milk")
        read = await baskets.get(1)
        assert read.items == ["tea"]
        read.items.append("sugar")
        assert (await baskets.get(1)).items == ["tea"]

    run(main())


@in_both_flavours
def test_the_object_that_was_saved_or_read_can_be_saved_again(flavour: type[Flavour]) -> None:
    async def main() -> None:
        baskets, basket = Baskets(), flavour.Basket(basket_id=1)
        for item in ("tea", "milk"):
            basket.add(item)
            await baskets.save(basket)
        for item in ("sugar", "rum"):
            basket = await baskets.get(1)
            basket.add(item)
            await baskets.save(basket)
        await baskets.save(basket)
        assert (await baskets.get(1)).items == ["tea", "milk", "sugar", "rum"]

    run(main())


@in_both_flavours
def test_saving_from_an_older_version_is_refused(flavour: type[Flavour]) -> None:
    async def main() -> None:
        baskets = Baskets()
        await baskets.save(flavour.Basket(basket_id=1))
        mine, theirs = await baskets.get(1), await baskets.get(1)
        theirs.add("tea")
        await baskets.save(theirs)
        mine.add("milk")
        with pytest.raises(ConcurrencyError) as error:
            await baskets.save(mine)
        refused: Any = error.value.aggregate
        assert refused is mine
        assert (error.value.expected, error.value.found) == (1, 2)
        assert "was read at version 1, but version 2 is stored now; read it again" in str(error.value)
        assert (await baskets.get(1)).items == ["tea"]
        assert len(mine.get_events()) == 1

    run(main())


@in_both_flavours
def test_a_new_object_whose_identity_exists_is_refused(flavour: type[Flavour]) -> None:
    async def main() -> None:
        baskets = Baskets()
        await baskets.save(flavour.Basket(basket_id=1))
        with pytest.raises(ConcurrencyError) as error:
            await baskets.save(flavour.Basket(basket_id=1))
        assert (error.value.expected, error.value.found) == (None, 1)
        assert "is new, but one with its identity is stored already (version 1); read the" in str(error.value)

    run(main())


@in_both_flavours
def test_what_was_deleted_cannot_be_saved_again(flavour: type[Flavour]) -> None:
    async def main() -> None:
        baskets = Baskets()
        await baskets.save(flavour.Basket(basket_id=1))
        mine, theirs = await baskets.get(1), await baskets.get(1)
        await baskets.delete(theirs)
        assert await baskets.get(1) is None
        with pytest.raises(ConcurrencyError) as error:
            await baskets.save(mine)
        assert (error.value.expected, error.value.found) == (1, None)
        assert "was read at version 1, but has been deleted since" in str(error.value)
        await baskets.save(flavour.Basket(basket_id=1))
        with pytest.raises(ConcurrencyError) as error:  # a version is never used twice
            await baskets.save(mine)
        assert (error.value.expected, error.value.found) == (1, 2)

    run(main())


@in_both_flavours
def test_deleting_an_unknown_one_is_no_error(flavour: type[Flavour]) -> None:
    async def main() -> None:
        baskets, basket = Baskets(), flavour.Basket(basket_id=1)
        await baskets.delete(basket)
        await baskets.save(basket)
        await baskets.delete(flavour.Basket(basket_id=2))
        await baskets.delete(flavour.Basket.__new__(flavour.Basket))
        assert await baskets.get(1) == basket

    run(main())


@in_both_flavours
def test_a_copy_keeps_the_version(flavour: type[Flavour]) -> None:
    async def main() -> None:
        baskets, basket = Baskets(), flavour.Basket(basket_id=1)
        await baskets.save(copy.deepcopy(basket))
        for way in (copy.copy, copy.deepcopy):
            await baskets.save(way(await baskets.get(1)))
        stale = copy.copy(await baskets.get(1))
        await baskets.save(await baskets.get(1))
        with pytest.raises(ConcurrencyError):
            await baskets.save(stale)
        if flavour is Pydantic:
            await baskets.save((await baskets.get(1)).model_copy(update={"items": ["tea"]}))
            assert (await baskets.get(1)).items == ["tea"]

    run(main())


@in_both_flavours
def test_an_aggregate_without_identity_is_refused(flavour: type[Flavour]) -> None:
    note = flavour.declare("Aggregate", "Note", text=str)
    with pytest.raises(TypeError, match=r"Note has no identity to be stored under; .*Identity\[\.\.\.\]"):
        run(Baskets().save(note(text="a")))


@given(
    st.sampled_from(FLAVOURS),
    st.lists(st.tuples(st.sampled_from(["save", "read", "delete"]), st.integers(0, 2), st.integers(0, 2)), max_size=15),
)
def test_a_save_succeeds_exactly_when_nothing_was_saved_meanwhile(
    flavour: type[Flavour], steps: list[tuple[str, int, int]]
) -> None:
    async def main() -> None:
        baskets = Baskets()
        held: dict[int, tuple[Any, int | None]] = {}
        current: dict[int, int] = {}
        saves = 0
        for step, who, which in steps:
            if step == "read":
                read = await baskets.get(which)
                assert (read is None) is (which not in current)
                held[who] = (flavour.Basket(basket_id=which), None) if read is None else (read, current[which])
            elif step == "delete":
                if (read := await baskets.get(which)) is not None:
                    await baskets.delete(read)
                current.pop(which, None)
            elif who in held:
                basket, version = held[who]
                if version == current.get(basket.basket_id):
                    await baskets.save(basket)
                    saves += 1
                    current[basket.basket_id] = saves
                    held[who] = (basket, saves)
                else:
                    with pytest.raises(ConcurrencyError):
                        await baskets.save(basket)

    run(main())


# Events


@in_both_flavours
def test_without_a_broker_the_events_stay_pending_on_the_callers_object(flavour: type[Flavour]) -> None:
    async def main() -> None:
        baskets, basket = Baskets(), flavour.Basket(basket_id=1)
        basket.add("tea")
        await baskets.save(basket)
        assert len(basket.get_events()) == 1
        assert (await baskets.get(1)).get_events() == []

    run(main())


@in_both_flavours
def test_with_a_broker_a_save_stores_clears_then_publishes(flavour: type[Flavour]) -> None:
    broker, seen = EventBroker(), list[Any]()
    baskets, basket = Baskets(broker), flavour.Basket(basket_id=1)

    @broker.handle(flavour.Basket.ItemAdded)
    async def handler(event: Any) -> None:
        seen.append((event.item, basket.get_events(), (await baskets.get(1)).items))

    async def main() -> None:
        basket.add_event(flavour.Basket.Created())  # allowed: it has no handler
        basket.add("tea")
        basket.add("milk")
        await baskets.save(basket)
        assert seen == [("tea", [], ["tea", "milk"]), ("milk", [], ["tea", "milk"])]
        await baskets.save(basket)
        assert len(seen) == 2

    run(main())


@in_both_flavours
def test_a_handlers_error_reaches_the_caller_and_leaves_the_aggregate_saved(flavour: type[Flavour]) -> None:
    broker, seen = EventBroker(), list[str]()
    baskets, basket = Baskets(broker=broker), flavour.Basket(basket_id=1)

    @broker.handle(flavour.Basket.ItemAdded)
    def handler(event: Any) -> None:
        seen.append(event.item)
        if event.item == "poison":
            basket.add("antidote")
            raise LookupError

    async def main() -> None:
        for item in ("tea", "poison", "milk"):
            basket.add(item)
        with pytest.raises(LookupError):
            await baskets.save(basket)
        assert (await baskets.get(1)).items == ["tea", "poison", "milk"]
        assert seen == ["tea", "poison"]
        # The events that were not published are pending again.
        assert [event.item for event in basket.get_events()] == ["milk", "antidote"]
        await baskets.save(basket)
        assert seen == ["tea", "poison", "milk", "antidote"]

    run(main())


@in_both_flavours
def test_an_unhandled_event_inside_a_handler_is_an_error_of_the_handler(flavour: type[Flavour]) -> None:
    broker, elsewhere = EventBroker(), EventBroker()
    broker.subscribe(flavour.Basket.ItemAdded, elsewhere)

    async def main() -> None:
        basket = flavour.Basket(basket_id=1)
        basket.add("tea")
        with pytest.raises(UnhandledEventError):
            await Baskets(broker).save(basket)

    run(main())


@in_both_flavours
def test_a_refused_save_publishes_nothing(flavour: type[Flavour]) -> None:
    broker, seen = EventBroker(), list[object]()
    broker.subscribe(object, seen.append)

    async def main() -> None:
        baskets, basket = Baskets(broker), flavour.Basket(basket_id=1)
        await baskets.save(flavour.Basket(basket_id=1))
        basket.add("tea")
        with pytest.raises(ConcurrencyError):
            await baskets.save(basket)
        assert seen == []
        assert len(basket.get_events()) == 1

    run(main())


@needs_threads
@in_both_flavours
def test_of_several_threads_that_save_the_same_version_one_wins(flavour: type[Flavour]) -> None:
    baskets = Baskets()
    run(baskets.save(flavour.Basket(basket_id=1)))
    outcomes: list[str] = []
    for _ in range(20):
        read = [run(baskets.get(1)) for _ in range(4)]
        meeting = threading.Barrier(4)

        def save(basket: Any, meeting: threading.Barrier = meeting) -> None:
            meeting.wait()
            try:
                run(baskets.save(basket))
            except ConcurrencyError:
                outcomes.append("lost")
            else:
                outcomes.append("won")

        threads = [threading.Thread(target=save, args=[basket]) for basket in read]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (outcomes.count("won"), outcomes.count("lost")) == (20, 60)


def test_what_is_no_broker_is_rejected_when_the_repository_is_made() -> None:
    broker: Any = Flavour  # a class
    with pytest.raises(TypeError, match="takes the broker that publishes the events, not the class Flavour"):
        InMemoryRepository[Any, Any](broker)


# All that is stored


class AsAsync:
    """The sync repository behind async methods, so that one test serves both."""

    def __init__(self, broker: EventBroker | None = None) -> None:
        self.sync: SyncInMemoryRepository[Any, Any] = SyncInMemoryRepository(broker)

    async def save(self, aggregate: Any) -> None:
        self.sync.save(aggregate)

    async def get(self, aggregate_id: Any) -> Any:
        return self.sync.get(aggregate_id)

    async def delete(self, aggregate: Any) -> None:
        self.sync.delete(aggregate)

    async def all(self) -> list[Any]:
        return self.sync.all()


in_both_repositories = pytest.mark.parametrize("make", [InMemoryRepository, AsAsync], ids=["async", "sync"])


@in_both_repositories
@in_both_flavours
def test_all_that_is_stored_can_be_read_in_the_order_in_which_it_was_stored(flavour: type[Flavour], make: Any) -> None:
    async def main() -> None:
        baskets = make()
        assert await baskets.all() == []
        saved = [flavour.Basket(basket_id=number, items=["tea"]) for number in (3, 1, 2)]
        for basket in saved:
            await baskets.save(basket)
        await baskets.delete(saved[1])
        saved[0].add("milk")
        await baskets.save(saved[0])
        read = await baskets.all()
        assert [(basket.basket_id, basket.items) for basket in read] == [(3, ["tea", "milk"]), (2, ["tea"])]
        assert [basket.get_events() for basket in read] == [[], []]

    run(main())


@in_both_repositories
@in_both_flavours
def test_copies_of_all_that_is_stored_know_their_versions(flavour: type[Flavour], make: Any) -> None:
    async def main() -> None:
        baskets = make()
        await baskets.save(flavour.Basket(basket_id=1))
        [mine], [theirs] = await baskets.all(), await baskets.all()
        mine.items.append("tea")
        assert (await baskets.all())[0].items == []
        await baskets.save(mine)
        with pytest.raises(ConcurrencyError):
            await baskets.save(theirs)

    run(main())


# The sync repository


@in_both_flavours
def test_the_sync_repository_stores_copies_and_compares_versions(flavour: type[Flavour]) -> None:
    baskets = SyncBaskets()
    assert SyncRepository in type(baskets).__mro__
    assert baskets.get(1) is None
    basket = flavour.Basket(basket_id=1, items=["tea"])
    baskets.save(basket)
    basket.items.append("milk")
    mine, theirs = baskets.get(1), baskets.get(1)
    assert mine.items == ["tea"]
    baskets.save(mine)
    for stale in (baskets.save, baskets.delete):
        with pytest.raises(ConcurrencyError):
            stale(theirs)
    baskets.delete(mine)
    baskets.delete(flavour.Basket(basket_id=2))
    assert baskets.get(1) is None
    with pytest.raises(TypeError, match="save takes an aggregate, and got None"):
        baskets.save(None)
    with pytest.raises(TypeError, match="delete takes an aggregate, and got None"):
        baskets.delete(None)


@in_both_flavours
def test_the_sync_repository_publishes_after_it_has_stored(flavour: type[Flavour]) -> None:
    broker, seen = EventBroker(), list[Any]()
    baskets = SyncBaskets(broker)
    basket = flavour.Basket(basket_id=1)

    @broker.handle(flavour.Basket.ItemAdded)
    def handler(event: Any) -> None:
        seen.append((event.item, basket.get_events(), baskets.get(1).items))
        if event.item == "poison":
            basket.add("antidote")
            raise LookupError

    basket.add_event(flavour.Basket.Created())  # allowed: it has no handler
    for item in ("tea", "poison", "milk"):
        basket.add(item)
    with pytest.raises(LookupError):
        baskets.save(basket)
    assert seen == [(item, [], ["tea", "poison", "milk"]) for item in ("tea", "poison")]
    assert [event.item for event in basket.get_events()] == ["milk", "antidote"]
    baskets.save(basket)
    assert [item for item, *_ in seen] == ["tea", "poison", "milk", "antidote"]


def is_milk(event: Any) -> bool:
    return getattr(event, "item", "") == "milk"


def fails(event: object) -> bool:
    raise LookupError


@pytest.mark.parametrize("options", [{}, {"on_error": "continue"}, {"unhandled": "ignore"}], ids=str)
@pytest.mark.parametrize("by_class", [True, False])
@in_both_flavours
def test_the_sync_repository_refuses_an_async_handler_before_it_stores(
    flavour: type[Flavour], by_class: bool, options: Any
) -> None:
    broker, seen = EventBroker(**options), list[object]()
    baskets = SyncBaskets(broker)
    broker.subscribe(object, seen.append)

    async def notify(event: Any) -> None: ...

    subscription = broker.subscribe(flavour.Basket.ItemAdded if by_class else is_milk, notify)
    basket = flavour.Basket(basket_id=1)
    basket.add_event(flavour.Basket.Created())
    basket.add("milk")
    name = r"test_the_sync_repository_refuses.*notify"
    with pytest.raises(TypeError, match=f"{name} is async, and SyncInMemoryRepository .* nothing was stored"):
        baskets.save(basket)
    assert (baskets.get(1), baskets.all(), seen, len(basket.get_events())) == (None, [], [], 2)
    subscription.cancel()
    baskets.save(basket)
    assert len(seen) == 2


def test_a_predicate_that_raises_is_an_error_of_the_publish_and_not_of_the_check() -> None:
    broker = EventBroker()
    baskets = SyncBaskets(broker)

    async def notify(event: Any) -> None: ...

    broker.subscribe(fails, notify)
    basket = Dataclasses.Basket(basket_id=1)
    basket.add("tea")
    with pytest.raises(LookupError):
        baskets.save(basket)
    assert baskets.get(1).items == ["tea"]


def test_a_handler_that_turns_out_to_be_async_is_refused_when_it_is_called() -> None:
    broker = EventBroker()
    baskets = SyncBaskets(broker)

    async def notify(event: Any) -> None: ...

    broker.subscribe(object, lambda event: notify(event))
    basket = Dataclasses.Basket(basket_id=1)
    basket.add("tea")
    with pytest.raises(TypeError, match="is async"):
        baskets.save(basket)


def test_what_is_no_broker_is_rejected_by_the_sync_repository_too() -> None:
    broker: Any = EventBroker
    with pytest.raises(TypeError, match=r"not its class; write SyncInMemoryRepository\(EventBroker\(\)\)"):
        SyncInMemoryRepository[Any, Any](broker)
