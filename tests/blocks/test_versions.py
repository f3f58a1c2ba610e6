"""A version counts for one store and one identity; stale objects neither overwrite nor delete."""

from __future__ import annotations

import asyncio
import copy
import dataclasses as stdlib
import gc
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule

import dddkit.dataclasses
import dddkit.pydantic
from dddkit.dataclasses import EventBroker, InMemoryRepository
from dddkit.exceptions import ConcurrencyError
from tests.blocks.flavours import Flavour, Pydantic, in_both_flavours, needs_threads

T = TypeVar("T")

# Any: the flavour of the aggregates is chosen at run time.
Baskets: Any = InMemoryRepository


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def stored(flavour: type[Flavour], number: int = 1) -> tuple[Any, Any]:
    """Return a repository with one basket, and the basket as it was read."""
    baskets = Baskets()
    run(baskets.save(flavour.Basket(basket_id=number)))
    return baskets, run(baskets.get(number))


def refusal(work: Coroutine[Any, Any, Any]) -> tuple[int | None, int | None]:
    with pytest.raises(ConcurrencyError) as error:
        run(work)
    return error.value.expected, error.value.found


def moved(original: T) -> T:
    twin: T = pickle.loads(pickle.dumps(original))
    return twin


COPIES: dict[str, Callable[[Any], Any]] = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": moved}
of_every_copy = pytest.mark.parametrize("way", COPIES.values(), ids=COPIES)


# Which object is new


@of_every_copy
@in_both_flavours
def test_fd4_a_copy_under_another_identity_is_new(flavour: type[Flavour], way: Any) -> None:
    baskets, basket = stored(flavour)
    other = way(basket)
    other.basket_id = 2
    run(baskets.save(other))
    assert run(baskets.get(2)) == other
    run(baskets.save(other))
    third = way(basket)
    third.basket_id = 2
    assert refusal(baskets.save(third)) == (None, 2)
    run(baskets.save(way(basket)))


def test_fd4_a_model_copy_under_another_identity_is_new() -> None:
    baskets, basket = stored(Pydantic)
    run(baskets.save(basket.model_copy(update={"basket_id": 2})))
    if sys.version_info >= (3, 13):
        run(baskets.save(copy.replace(basket, basket_id=3)))
    run(baskets.save(basket.model_copy(update={"items": ["tea"]})))


@in_both_flavours
def test_fd4_an_object_that_gets_its_identity_back_has_its_version_again(flavour: type[Flavour]) -> None:
    baskets, basket = stored(flavour)
    basket.basket_id = 2
    basket.basket_id = 1
    run(baskets.save(basket))
    assert run(baskets.get(2)) is None


@of_every_copy
@in_both_flavours
def test_fd4_an_object_of_another_repository_is_new(flavour: type[Flavour], way: Any) -> None:
    first, basket = stored(flavour)
    second = Baskets()
    run(second.save(way(basket)))
    run(first.save(way(basket)))
    assert refusal(second.save(way(basket))) == (None, 1)
    assert refusal(second.delete(way(basket))) == (None, 1)


@of_every_copy
@in_both_flavours
def test_fd4_an_object_keeps_a_version_for_each_repository(flavour: type[Flavour], way: Any) -> None:
    repositories = [Baskets() for _ in range(3)]
    basket = flavour.Basket(basket_id=1)
    for _ in range(3):
        for repository in repositories:
            run(repository.save(basket))
            basket = way(basket)
    stale = copy.copy(basket)
    run(repositories[0].save(basket))
    assert refusal(repositories[0].save(stale)) == (3, 4)
    run(repositories[1].save(stale))


@in_both_flavours
def test_fd4_what_is_read_has_the_version_of_its_repository_alone(flavour: type[Flavour]) -> None:
    first, basket = stored(flavour)
    second = Baskets()
    run(second.save(basket))
    read = run(second.get(1))
    run(second.save(read))
    assert refusal(first.save(read)) == (None, 1)


@in_both_flavours
def test_fd4_a_repository_that_is_gone_leaves_nothing_with_an_object(flavour: type[Flavour]) -> None:
    basket = flavour.Basket(basket_id=1)
    sizes = set[int]()
    for _ in range(5):
        run(Baskets().save(basket))
        gc.collect()
        sizes.add(len(pickle.dumps(basket)))
    assert len(sizes) == 1


@in_both_flavours
def test_fd4_a_deep_copy_of_a_repository_is_another_one(flavour: type[Flavour]) -> None:
    baskets, basket = stored(flavour)
    for snapshot in (copy.deepcopy(baskets), moved(baskets)):
        assert refusal(snapshot.save(copy.copy(basket))) == (None, 1)
        run(snapshot.save(run(snapshot.get(1))))
        assert refusal(baskets.save(run(snapshot.get(1)))) == (None, 1)
    run(baskets.save(basket))


@in_both_flavours
def test_fd4_what_is_read_can_be_saved_whatever_the_identity(flavour: type[Flavour]) -> None:
    order = flavour.declare("Aggregate", "Order", order_id=Any)
    for identity in (True, "a", (1, "a"), frozenset([1])):
        baskets = Baskets()
        run(baskets.save(order(order_id=identity)))
        read = run(baskets.get(identity))
        run(baskets.save(read))
        run(baskets.delete(read))


# Deleting


@in_both_flavours
def test_fr19_deleting_a_stale_object_is_refused(flavour: type[Flavour]) -> None:
    baskets, mine = stored(flavour)
    theirs = run(baskets.get(1))
    theirs.add("tea")
    run(baskets.save(theirs))
    assert refusal(baskets.delete(mine)) == (1, 2)
    assert run(baskets.get(1)).items == ["tea"]
    run(baskets.delete(run(baskets.get(1))))
    assert run(baskets.get(1)) is None


@in_both_flavours
def test_fr19_deleting_a_new_object_whose_identity_is_stored_is_refused(flavour: type[Flavour]) -> None:
    baskets, _ = stored(flavour)
    with pytest.raises(ConcurrencyError, match="Basket with the identity 1 is new, but one with its identity"):
        run(baskets.delete(flavour.Basket(basket_id=1)))
    assert run(baskets.get(1)) is not None


@in_both_flavours
def test_fr19_deleting_what_somebody_has_deleted_since_is_refused(flavour: type[Flavour]) -> None:
    baskets, mine = stored(flavour)
    run(baskets.delete(run(baskets.get(1))))
    assert refusal(baskets.delete(mine)) == (1, None)
    run(baskets.delete(flavour.Basket(basket_id=1)))  # new, and none is stored
    run(baskets.save(flavour.Basket(basket_id=1)))
    assert refusal(baskets.delete(mine)) == (1, 2)


@in_both_flavours
def test_fr19_an_object_of_another_repository_deletes_nothing(flavour: type[Flavour]) -> None:
    first, basket = stored(flavour)
    second, _ = stored(flavour)
    assert refusal(second.delete(basket)) == (None, 1)
    run(Baskets().delete(basket))
    assert run(second.get(1)) is not None
    run(first.delete(basket))


# The law: two repositories, several objects, whatever is done with them


@stdlib.dataclass(kw_only=True)
class Order(dddkit.dataclasses.Aggregate):
    id: int
    changes: int = 0


@stdlib.dataclass(kw_only=True, frozen=True, slots=True)
class FrozenOrder(dddkit.dataclasses.Aggregate):
    id: int
    changes: int = 0


class OrderModel(dddkit.pydantic.Aggregate):
    id: int
    changes: int = 0


EVOLVE: dict[Any, Any] = {
    Order: dddkit.dataclasses.evolve,
    FrozenOrder: dddkit.dataclasses.evolve,
    OrderModel: dddkit.pydantic.evolve,
}
IDS = st.integers(1, 2)
WHICH = st.integers(0, 1)


class Stores(RuleBasedStateMachine):
    """A save or delete succeeds exactly when the object's version for this repository and identity is stored.

    The model of an object is a dict: repository to (identity, version). The model of a repository: identity to version.
    """

    objects: Bundle[Any] = Bundle("objects")

    @initialize(kind=st.sampled_from(list(EVOLVE)))
    def start(self, kind: Any) -> None:
        self.kind = kind
        self.repositories = [Baskets(), Baskets()]
        self.stored: list[dict[int, int]] = [{}, {}]
        self.last: list[dict[int, int]] = [{}, {}]

    @rule(target=objects, number=IDS)
    def make(self, number: int) -> Any:
        return self.kind(id=number), {}

    @rule(target=objects, which=WHICH, number=IDS)
    def get(self, which: int, number: int) -> Any:
        read = run(self.repositories[which].get(number))
        version = self.stored[which].get(number)
        assert (read is None) is (version is None)
        if read is None:
            nothing: Any = multiple()  # pyright: ignore[reportUnknownVariableType]  # hypothesis leaves it open
            return nothing
        return read, {which: (number, version)}

    @rule(target=objects, original=objects, way=st.sampled_from(list(COPIES.values())))
    def copy(self, original: Any, way: Any) -> Any:
        return way(original[0]), dict(original[1])

    @rule(target=objects, original=objects)
    def evolve(self, original: Any) -> Any:
        one, versions = original
        return EVOLVE[self.kind](one, changes=one.changes + 1), dict(versions)

    @rule(target=objects, original=objects)
    def copy_under_the_other_identity(self, original: Any) -> Any:
        one, versions = original
        twin = copy.copy(one)
        object.__setattr__(twin, "id", 3 - one.id)
        return twin, dict(versions)

    @rule(one=objects, which=WHICH)
    def save(self, one: Any, which: int) -> None:
        aggregate, versions = one
        expected, found = self.expected_and_found(one, which)
        if expected != found:
            assert refusal(self.repositories[which].save(aggregate)) == (expected, found)
            return
        run(self.repositories[which].save(aggregate))
        version = self.last[which].get(aggregate.id, 0) + 1
        self.stored[which][aggregate.id] = self.last[which][aggregate.id] = version
        versions[which] = (aggregate.id, version)
        assert run(self.repositories[which].get(aggregate.id)).changes == aggregate.changes

    @rule(one=objects, which=WHICH)
    def delete(self, one: Any, which: int) -> None:
        expected, found = self.expected_and_found(one, which)
        if expected != found:
            assert refusal(self.repositories[which].delete(one[0])) == (expected, found)
            return
        run(self.repositories[which].delete(one[0]))
        self.stored[which].pop(one[0].id, None)

    def expected_and_found(self, one: Any, which: int) -> tuple[int | None, int | None]:
        aggregate, versions = one
        identity, version = versions.get(which, (None, None))
        return version if identity == aggregate.id else None, self.stored[which].get(aggregate.id)


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


# Threads, signal handlers, finalizers, forks


@needs_threads
@in_both_flavours
def test_fr19_of_several_threads_that_save_or_delete_the_same_version_one_wins(flavour: type[Flavour]) -> None:
    for round_ in range(20):
        baskets, _ = stored(flavour)
        read = [run(baskets.get(1)) for _ in range(4)]
        meeting, won = threading.Barrier(4), list[str]()

        def act(basket: Any, deletes: bool, meeting: Any = meeting, won: Any = won, baskets: Any = baskets) -> None:
            meeting.wait()
            try:
                run(baskets.delete(basket) if deletes else baskets.save(basket))
            except ConcurrencyError:
                return
            won.append("delete" if deletes else "save")

        threads = [
            threading.Thread(target=act, args=[basket, (number + round_) % 2 == 0])
            for number, basket in enumerate(read)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert (run(baskets.get(1)) is None) is (won == ["delete"])


@needs_threads
@in_both_flavours
def test_fd4_no_change_is_lost_when_threads_repeat_a_refused_save(flavour: type[Flavour]) -> None:
    baskets, _ = stored(flavour)

    async def add(item: str) -> None:
        while True:
            basket = await baskets.get(1)
            basket.add(item)
            try:
                await baskets.save(basket)
            except ConcurrencyError:
                continue
            return

    def add_twenty(name: str) -> None:
        for number in range(20):
            run(add(f"{name}{number}"))

    threads = [threading.Thread(target=add_twenty, args=[name]) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run(baskets.get(1)).items) == sorted(f"{name}{number}" for name in "abcd" for number in range(20))


class Id:
    """An identity whose comparison runs code of the user's, in the middle of what a repository does."""

    meanwhile: ClassVar[Any] = None

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        return hash(self.number)

    def __eq__(self, other: object) -> bool:
        Id.meanwhile, meanwhile = None, Id.meanwhile
        if meanwhile is not None:
            meanwhile()
        return isinstance(other, Id) and self.number == other.number


def step(work: Coroutine[Any, Any, T]) -> T:
    """Run what never waits, without an event loop."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waits")


@pytest.mark.parametrize("skip", range(6))
@in_both_flavours
def test_fr2_fs8_a_save_in_the_middle_of_a_save_neither_hangs_nor_gets_lost(flavour: type[Flavour], skip: int) -> None:
    order = flavour.declare("Aggregate", "Order", order_id=Any, note=(str, ""))
    baskets = Baskets()
    step(baskets.save(order(order_id=Id(1))))
    mine, theirs = step(baskets.get(Id(1))), step(baskets.get(Id(1)))
    mine.note, theirs.note = "mine", "theirs"
    happened: list[str] = []

    def meanwhile() -> None:
        nonlocal skip
        if skip:
            skip -= 1
            Id.meanwhile = meanwhile
            return
        save(theirs)

    def save(basket: Any) -> None:
        try:
            step(baskets.save(basket))
        except ConcurrencyError:
            return
        happened.append(basket.note)

    Id.meanwhile = meanwhile
    save(mine)
    Id.meanwhile = None
    assert [step(baskets.get(Id(1))).note] == happened


class SlowId(int):
    """Takes its time, so that most signals come while a repository looks it up."""

    def __hash__(self) -> int:
        return sum(range(3_000)) % 7


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that interrupt")
@in_both_flavours
def test_fr2_fs8_signal_handlers_that_save_lose_no_change(flavour: type[Flavour]) -> None:
    order = flavour.declare("Aggregate", "Order", order_id=Any, items=list[str])
    number, baskets = SlowId(1), Baskets()
    step(baskets.save(order(order_id=number, items=[])))
    counts = {"outside": 0, "inside": 0}

    def add(where: str) -> None:
        async def main() -> None:
            order = await baskets.get(number)
            order.items.append(where)
            await baskets.save(order)

        try:
            step(main())
        except ConcurrencyError:
            return
        counts[where] += 1

    def on_alarm(*_: object) -> None:
        add("inside")
        signal.setitimer(signal.ITIMER_REAL, 0.0005)  # not before: on a busy machine, handlers would nest without end

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.0005)
    try:
        while counts["inside"] < 20 or counts["outside"] < 20:
            add("outside")
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    items = step(baskets.get(number)).items
    assert {where: items.count(where) for where in counts} == counts


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks")
@needs_threads
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@in_both_flavours
def test_fs8_a_process_that_is_forked_while_threads_save_can_go_on_saving(flavour: type[Flavour]) -> None:
    baskets, _ = stored(flavour)
    done = threading.Event()

    def busy() -> None:
        while not done.is_set():
            basket = step(baskets.get(1))
            try:
                step(baskets.save(basket))
            except ConcurrencyError:
                continue

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            child = os.fork()
            if not child:
                signal.alarm(10)
                try:
                    step(baskets.save(step(baskets.get(1))))
                    os._exit(0)
                finally:
                    os._exit(1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        done.set()
        for thread in threads:
            thread.join()


# What a message shows


SECRET = "s3cr3t"


@in_both_flavours
def test_fr9_a_concurrency_error_shows_class_and_identity_and_no_other_field(flavour: type[Flavour]) -> None:
    account = flavour.declare("Aggregate", "Account", account_id=int, password=str)
    baskets = Baskets(EventBroker())
    run(baskets.save(account(account_id=1, password=SECRET)))
    mine, theirs = run(baskets.get(1)), run(baskets.get(1))
    with pytest.raises(ConcurrencyError) as new:
        run(baskets.save(account(account_id=1, password=SECRET)))
    run(baskets.save(theirs))
    with pytest.raises(ConcurrencyError) as stale:
        run(baskets.save(mine))
    run(baskets.delete(theirs))
    with pytest.raises(ConcurrencyError) as deleted:
        run(baskets.delete(mine))
    for error in (new, stale, deleted):
        assert str(error.value).startswith("Account with the identity 1 ")
        assert SECRET not in str(error.value)
    unidentified = flavour.declare("Aggregate", "Note", text=str)
    with pytest.raises(TypeError, match="Note has no identity to be stored under") as nameless:
        run(baskets.save(unidentified(text=SECRET)))
    assert SECRET not in str(nameless.value)


class Unreadable:
    @property
    def password(self) -> str:
        return SECRET

    def __repr__(self) -> str:
        raise LookupError


@in_both_flavours
def test_fr9_a_concurrency_error_always_has_a_message(flavour: type[Flavour]) -> None:
    order = flavour.declare("Aggregate", "Order", order_id=Any)
    assert str(ConcurrencyError(order(order_id=Unreadable()), 1, 2)).startswith("Order was read at version 1, but")
    assert str(ConcurrencyError(order(order_id=None), 1, 2)).startswith("Order was read at version 1, but")
    assert (
        str(ConcurrencyError(SECRET, 1, None))
        == "str was read at version 1, but has been deleted since; treat it as not found"
    )
    assert str(ConcurrencyError(order, 1, None)).endswith(
        "was read at version 1, but has been deleted since; treat it as not found"
    )
