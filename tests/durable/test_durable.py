from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from dbos import DBOS
from sqlalchemy import MetaData

from dddkit.dataclasses import DomainEvent
from dddkit.exceptions import CompensationError
from dddkit.messages import EventCatalog
from dddkit.sqlalchemy import Consumer, Inbox, SyncUnitOfWork, UnitOfWork, embedded, sync_embedded
from dddkit.stories import I, Story, StoryState, compensates, step_key, variable
from dddkit.stories.dbos import DuplicateRunError, Durable, RunNotFoundError, RunStatusError
from dddkit.stories.durable import RunCancelledError, RunStatus, StepFailedError, StoryNotRecordableError
from tests.durable.launched import DATABASES, configured, logged_by_dbos, url_of


@dataclass
class World:
    """What the stories do something to."""

    done: list[str] = field(default_factory=list[str])
    fails: set[str] = field(default_factory=set[str])
    entered: threading.Event = field(default_factory=threading.Event)
    may_leave: threading.Event = field(default_factory=threading.Event)

    def do(self, step: str, run: str) -> None:
        if f"{run}:{step}" in self.fails:
            raise ConnectionError(step)
        self.done.append(step_key())

    def of(self, run: str) -> list[str]:
        return [key for key in self.done if f"/{run}" in key]


@dataclass(frozen=True)
class Checkout(Story):
    I.reserve
    I.charge

    class State(StoryState):
        order: str
        price: int = 1
        payment: str = variable()

    world: World

    async def reserve(self, state: State) -> None:
        self.world.do("reserve", state.order)

    async def charge(self, state: State) -> None:
        self.world.do("charge", state.order)
        state.payment = f"paid {state.price}"


class Undone(Checkout):
    I.reserve
    I.charge

    @compensates("reserve")
    async def release(self, state: Checkout.State) -> None:
        self.world.do("release", state.order)


@dataclass(frozen=True)
class Doubled(Story):
    I.add
    I.double

    class State(StoryState):
        number: int
        thread: str = ""

    def add(self, state: State) -> None:
        state.number += 1

    def double(self, state: State) -> None:
        state.number *= 2
        state.thread = threading.current_thread().name


@dataclass(frozen=True)
class Slow(Story):
    I.first
    I.second

    class State(StoryState):
        order: str

    world: World

    async def first(self, state: State) -> None:
        self.world.entered.set()
        while not self.world.may_leave.is_set():
            await asyncio.sleep(0.001)
        self.world.do("first", state.order)

    async def second(self, state: State) -> None:
        self.world.do("second", state.order)

    @compensates(first)
    async def undo_first(self, state: State) -> None:
        self.world.do("undo_first", state.order)


@dataclass(frozen=True)
class Local(Story):
    I.fail

    class State(StoryState):
        pass

    def fail(self, state: State) -> None:
        class Odd(Exception):
            pass

        raise Odd("secret")


@dataclass
class Outer(Story):
    I.start_inner

    class State(StoryState):
        order: str
        payment: str = variable()

    inner: list[Durable[Any]] = field(default_factory=list[Durable[Any]])

    def start_inner(self, state: State) -> None:
        (inner,) = self.inner
        inner.start(Checkout.State(order=state.order), id=f"inner-{state.order}")
        state.payment = inner.result(f"inner-{state.order}").payment


class Shop:
    """All stories of this module, as durable ones."""

    def __init__(self) -> None:
        self.world = World()
        self.checkout: Durable[Any] = Durable(Checkout(self.world), name="checkout")
        self.undone: Durable[Any] = Durable(Undone(self.world), name="undone")
        self.doubled: Durable[Any] = Durable(Doubled(), name="doubled")
        self.slow: Durable[Any] = Durable(Slow(self.world), name="slow")
        self.local: Durable[Any] = Durable(Local(), name="local")
        outer = Outer()
        self.outer: Durable[Any] = Durable(outer, name="outer")
        outer.inner.append(self.checkout)


@pytest.fixture(scope="module", params=DATABASES)
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with configured(url_of(request.param, tmp_path_factory)):
        shop = Shop()
        DBOS.launch()
        yield shop


def state(order: str, **others: Any) -> Checkout.State:
    return Checkout.State(order=order, **others)


def test_the_state_at_the_end_is_the_result(shop: Shop) -> None:
    assert shop.checkout.start(state("a", price=3), id="a") == "a"
    result = shop.checkout.result("a")
    assert type(result) is Checkout.State
    assert (result.order, result.price, result.payment) == ("a", 3, "paid 3")
    assert shop.checkout.status("a") is RunStatus.COMPLETED
    assert shop.world.of("a") == ["checkout/a/reserve", "checkout/a/charge"]


def test_every_call_has_a_twin_that_is_awaited(shop: Shop) -> None:
    async def main() -> None:
        checkout = shop.checkout
        assert await checkout.astart(state("twin"), id="twin") == "twin"
        assert (await checkout.aresult("twin", timeout=60)).payment == "paid 1"
        assert await checkout.astatus("twin") is RunStatus.COMPLETED
        assert [run.id for run in await checkout.aruns(RunStatus.COMPLETED, limit=1)] == ["twin"]
        for call in (checkout.aretry("twin"), checkout.aresume("twin"), checkout.acancel("twin", undo=True)):
            with pytest.raises(RunStatusError):
                await call
        with pytest.raises(ValueError, match="no step waits for a signal"):
            await checkout.asignal("twin", "approval", True)
        assert await checkout.apurge(timedelta(days=1)) == 0

    asyncio.run(main())


def test_the_sync_forms_say_what_to_await_where_a_loop_is_running(shop: Shop) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"checkout: start\(\) .*astart\("):
            shop.checkout.start(state("loop"), id="loop")
        with pytest.raises(RuntimeError, match=r"checkout: runs\(\) .*aruns\("):
            shop.checkout.runs()

    asyncio.run(main())


def test_the_same_id_and_state_is_the_same_run(shop: Shop) -> None:
    for _ in range(2):
        shop.checkout.start(state("same"), id="same")
        shop.checkout.result("same")
    assert len(shop.world.of("same")) == 2


def test_two_at_once_start_one_run(shop: Shop) -> None:
    async def main() -> None:
        await asyncio.gather(*(shop.checkout.astart(state("once"), id="once") for _ in range(5)))
        await shop.checkout.aresult("once")

    asyncio.run(main())
    assert len(shop.world.of("once")) == 2


def test_an_id_is_that_of_one_state_and_one_story(shop: Shop) -> None:
    shop.checkout.start(state("taken"), id="taken")
    with pytest.raises(DuplicateRunError, match="another state") as caught:
        shop.checkout.start(state("taken", price=2), id="taken")
    assert caught.value.args == ("checkout", "taken", "checkout")
    with pytest.raises(DuplicateRunError, match="'doubled-taken'") as caught:
        shop.doubled.start(Doubled.State(number=1), id="taken")
    assert caught.value.args == ("doubled", "taken", "checkout")
    shop.checkout.result("taken")


def test_without_an_id_each_start_is_a_run_of_its_own(shop: Shop) -> None:
    one, other = shop.doubled.start(Doubled.State(number=1)), shop.doubled.start(Doubled.State(number=1))
    assert one != other
    assert shop.doubled.result(one).number == shop.doubled.result(other).number == 4


def test_steps_of_a_sync_story_run_in_threads(shop: Shop) -> None:
    run_id = shop.doubled.start(Doubled.State(number=2))
    assert shop.doubled.result(run_id).thread.startswith("dddkit-step")


def test_the_run_gets_a_copy_of_the_state(shop: Shop) -> None:
    mine = Doubled.State(number=1)
    shop.doubled.result(shop.doubled.start(mine))
    assert mine.number == 1


CALLS: list[Callable[[Durable[Any], str], object]] = [
    lambda durable, run_id: durable.result(run_id),
    lambda durable, run_id: durable.status(run_id),
    lambda durable, run_id: durable.cancel(run_id, undo=True),
    lambda durable, run_id: durable.resume(run_id),
    lambda durable, run_id: durable.retry(run_id),
]


@pytest.mark.parametrize("call", CALLS, ids=["result", "status", "cancel", "resume", "retry"])
def test_an_id_that_is_not_of_this_story_is_not_found(shop: Shop, call: Callable[[Durable[Any], str], object]) -> None:
    with pytest.raises(RunNotFoundError, match="there is no run 'nobody'") as caught:
        call(shop.checkout, "nobody")
    assert caught.value.args == ("checkout", "nobody", None)
    shop.doubled.start(Doubled.State(number=1), id="a double")
    with pytest.raises(RunNotFoundError, match="is one of doubled"):
        call(shop.checkout, "a double")


@pytest.mark.parametrize(
    ("run_id", "told"),
    [("", "empty"), (" ", "empty"), ("a\0b", "NUL"), ("x" * 1001, "1001 bytes"), ("\ud800", "surrogate")],
    ids=["empty", "blank", "nul", "long", "surrogate"],
)
def test_an_id_that_no_database_keeps_is_rejected(shop: Shop, run_id: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        shop.checkout.start(state("id"), id=run_id)
    with pytest.raises(ValueError, match=told):
        shop.checkout.status(run_id)


@pytest.mark.parametrize("run_id", ["ä/ö #?%", "a/cancel", "x" * 1000, "'; drop", "line\nbreak", "💶"])
def test_any_other_text_is_an_id(shop: Shop, run_id: str) -> None:
    shop.doubled.start(Doubled.State(number=1), id=run_id)
    assert shop.doubled.result(run_id).number == 4


def test_an_id_is_a_str(shop: Shop) -> None:
    number: Any = 7
    with pytest.raises(TypeError, match="id of a run is a str"):
        shop.checkout.start(state("id"), id=number)


def test_a_state_that_cannot_be_recorded_starts_nothing(shop: Shop) -> None:
    odd: Any = object()
    with pytest.raises(StoryNotRecordableError):
        shop.checkout.start(state(odd), id="odd")
    with pytest.raises(StoryNotRecordableError, match=r"Doubled\.State"):
        shop.checkout.start(Doubled.State(number=1), id="odd")
    with pytest.raises(RunNotFoundError):
        shop.checkout.status("odd")


def test_a_failed_run_raises_what_its_step_has_raised(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.world.fails.add("failing:charge")
    with logged_by_dbos() as logged:
        shop.checkout.start(state("failing"), id="failing")
        with pytest.raises(ConnectionError) as caught:
            shop.checkout.result("failing")
        assert caught.value.args == ("charge",)
        assert shop.checkout.status("failing") is RunStatus.FAILED
    assert logged == [], "by DBOS"
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        f"{shop.checkout.name}/failing: the run of Checkout has stopped at the step charge with ConnectionError"
    ]


def test_an_exception_that_cannot_be_made_again_is_a_step_failed_error(shop: Shop) -> None:
    shop.local.start(Local.State(), id="local")
    with pytest.raises(StepFailedError) as caught:
        shop.local.result("local")
    assert (caught.value.story, caught.value.step) == ("local", "fail")


def test_what_was_done_is_undone(shop: Shop) -> None:
    shop.world.fails.add("undo:charge")
    shop.undone.start(state("undo"), id="undo")
    with pytest.raises(ConnectionError):
        shop.undone.result("undo")
    assert shop.undone.status("undo") is RunStatus.UNDONE
    assert shop.world.of("undo/") == ["undone/undo/reserve", "undone/undo/undo:reserve"]
    for call in (shop.undone.retry, shop.undone.resume):
        with pytest.raises(RunStatusError, match="undone"):
            call("undo")


def test_retry_goes_on_from_the_failed_step(shop: Shop) -> None:
    shop.world.fails.add("repaired:charge")
    shop.checkout.start(state("repaired"), id="repaired")
    with pytest.raises(ConnectionError):
        shop.checkout.result("repaired")
    with pytest.raises(RunStatusError, match="retry repeats it"):
        shop.checkout.resume("repaired")
    shop.world.fails.clear()
    shop.checkout.retry("repaired")
    assert shop.checkout.result("repaired").payment == "paid 1"
    assert shop.world.of("repaired") == ["checkout/repaired/reserve", "checkout/repaired/charge"]


@pytest.mark.slow  # a queue of DBOS is looked at once a second
def test_retry_gives_new_keys_where_it_is_told_to(shop: Shop) -> None:
    shop.world.fails.add("keys:charge")
    shop.checkout.start(state("keys"), id="keys")
    with pytest.raises(ConnectionError):
        shop.checkout.result("keys")
    shop.world.fails.clear()
    shop.checkout.retry("keys", new_keys=True)
    shop.checkout.result("keys")
    assert shop.world.of("keys") == ["checkout/keys/reserve", "checkout/keys~2/charge"]


@pytest.mark.slow  # a queue of DBOS is looked at once a second
def test_retry_continues_an_undoing_that_failed(shop: Shop) -> None:
    shop.world.fails |= {"stuck:charge", "stuck:release"}
    shop.undone.start(state("stuck"), id="stuck")
    with pytest.raises(CompensationError) as caught:
        shop.undone.result("stuck")
    assert [step for step, _ in caught.value.failures] == ["reserve"]
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert shop.undone.status("stuck") is RunStatus.UNDO_FAILED
    shop.world.fails.clear()
    shop.undone.retry("stuck")
    with pytest.raises(ConnectionError):
        shop.undone.result("stuck")
    assert shop.undone.status("stuck") is RunStatus.UNDONE
    assert shop.world.of("stuck") == ["undone/stuck/reserve", "undone/stuck/undo:reserve"]


def begun(shop: Shop, run_id: str) -> None:
    """Start a run whose first step is under way, and stays so until it may leave."""
    shop.world.entered.clear()
    shop.world.may_leave.clear()
    shop.slow.start(Slow.State(order=run_id), id=run_id)
    assert shop.world.entered.wait(60)


def test_a_cancelled_run_finishes_its_step_and_undoes_it(shop: Shop) -> None:
    begun(shop, "cancel")
    assert shop.slow.status("cancel") is RunStatus.RUNNING
    with pytest.raises(TimeoutError, match="is running after 0 s"):
        shop.slow.result("cancel", timeout=0)
    shop.slow.cancel("cancel", undo=True)
    shop.slow.cancel("cancel", undo=True)
    shop.world.may_leave.set()
    with pytest.raises(RunCancelledError) as caught:
        shop.slow.result("cancel")
    assert caught.value.undone == ("first",)
    assert shop.slow.status("cancel") is RunStatus.CANCELLED
    assert shop.world.of("cancel/") == ["slow/cancel/first", "slow/cancel/undo:first"]
    for call in (shop.slow.resume, shop.slow.retry):
        with pytest.raises(RunStatusError):
            call("cancel")


@pytest.mark.slow  # a queue of DBOS is looked at once a second
def test_a_run_that_was_cancelled_without_undoing_can_be_resumed(shop: Shop) -> None:
    begun(shop, "stop")
    for _ in range(2):
        shop.slow.cancel("stop", undo=False)
    assert shop.slow.status("stop") is RunStatus.CANCELLED
    with pytest.raises(RunCancelledError):
        shop.slow.result("stop")
    with pytest.raises(RunStatusError, match="resume it first"):
        shop.slow.cancel("stop", undo=True)
    with pytest.raises(RunStatusError, match="resume continues it"):
        shop.slow.retry("stop")
    shop.world.may_leave.set()
    shop.slow.resume("stop")
    shop.slow.result("stop")
    begun(shop, "on")
    shop.slow.resume("on")  # it is going on: nothing happens
    shop.world.may_leave.set()
    shop.slow.result("on")
    assert shop.world.of("stop/")[-2:] == ["slow/stop/first", "slow/stop/second"]


@pytest.mark.slow  # a queue of DBOS is looked at once a second
def test_a_run_that_is_resumed_forgets_that_it_was_to_be_undone(shop: Shop) -> None:
    begun(shop, "both")
    shop.slow.cancel("both", undo=True)
    shop.slow.cancel("both", undo=False)
    shop.world.may_leave.set()
    shop.slow.resume("both")
    shop.slow.result("both")
    assert shop.world.of("both/")[-2:] == ["slow/both/first", "slow/both/second"]


def test_a_finished_run_is_not_cancelled(shop: Shop) -> None:
    shop.doubled.start(Doubled.State(number=1), id="finished")
    shop.doubled.result("finished")
    with pytest.raises(RunStatusError, match=r"is completed: cancel\(undo=True\) undoes no run that has ended"):
        shop.doubled.cancel("finished", undo=True)
    with pytest.raises(RunStatusError, match="it has ended"):
        shop.doubled.cancel("finished", undo=False)


def test_runs_are_listed_by_status_the_newest_first(shop: Shop) -> None:
    shop.world.fails.add("listed-2:charge")
    for number in range(3):
        shop.checkout.start(state(f"listed-{number}"), id=f"listed-{number}")
    for number in (0, 1):
        shop.checkout.result(f"listed-{number}")
    with pytest.raises(ConnectionError):
        shop.checkout.result("listed-2")
    found = shop.checkout.runs(RunStatus.FAILED)
    assert found[0].id == "listed-2" or "listed-2" in {run.id for run in found}
    assert {run.status for run in found} == {RunStatus.FAILED}
    assert len(shop.checkout.runs(limit=2)) == 2
    assert shop.checkout.runs(RunStatus.CHANGED) == []
    assert found[0].started <= found[0].updated
    checkout: Any = shop.checkout
    for wrong in (0, True, "1"):
        with pytest.raises(ValueError, match="limit is a number"):
            checkout.runs(limit=wrong)
    with pytest.raises(TypeError, match=r"RunStatus\.FAILED"):
        checkout.runs("failed")


def test_a_step_may_start_another_story_and_wait_for_it(shop: Shop) -> None:
    shop.outer.start(Outer.State(order="outer"), id="outer")
    assert shop.outer.result("outer").payment == "paid 1"


METADATA = MetaData()
INBOX = Inbox(METADATA)


class AUnit(UnitOfWork):
    inbox = INBOX


class ASyncUnit(SyncUnitOfWork):
    inbox = INBOX


def test_no_run_is_started_inside_of_a_unit_of_work(shop: Shop) -> None:
    async def main() -> None:
        engine = embedded(":memory:", METADATA)
        async with AUnit(engine) as unit:
            with pytest.raises(RuntimeError, match="inside of the block of AUnit"):
                await shop.doubled.astart(Doubled.State(number=1), id="in a unit")
            async with AUnit(engine) as inner:
                await inner.rollback()
            with pytest.raises(RuntimeError, match="inside of the block of AUnit"):
                await shop.doubled.astart(Doubled.State(number=1), id="in a unit")
            await unit.rollback()
            await shop.doubled.astart(Doubled.State(number=1), id="after a unit")
        await engine.dispose()

    asyncio.run(main())
    with pytest.raises(RunNotFoundError):
        shop.doubled.status("in a unit")


def test_no_run_is_started_inside_of_a_sync_unit_of_work(shop: Shop) -> None:
    engine = sync_embedded(":memory:", METADATA)
    with ASyncUnit(engine), pytest.raises(RuntimeError, match="inside of the block of ASyncUnit"):
        shop.doubled.start(Doubled.State(number=1), id="in a sync unit")
    shop.doubled.start(Doubled.State(number=1), id="after a sync unit")
    engine.dispose()


@dataclass(frozen=True, kw_only=True)
class Ordered(DomainEvent):
    order: str


CATALOG = EventCatalog(source="/tests")
CATALOG.add(Ordered, "tests.ordered")


def test_a_consumer_starts_a_run_by_the_id_of_its_event(shop: Shop) -> None:
    consumer = Consumer("starter", CATALOG, lambda: AUnit(engine))

    @consumer.on(Ordered)
    async def start(event: Ordered, unit: AUnit) -> None:
        await shop.checkout.astart(state(event.order), id=str(event.id))

    async def main() -> None:
        for _ in range(2):  # it may come again
            await consumer.receive(CATALOG.encode(event))
        await shop.checkout.aresult(str(event.id))
        await engine.dispose()

    engine, event = embedded(":memory:", METADATA), Ordered(order="ordered")
    asyncio.run(main())
    assert len([key for key in shop.world.done if str(event.id) in key]) == 2


def test_runs_that_have_ended_are_purged(shop: Shop) -> None:
    shop.doubled.start(Doubled.State(number=1), id="old")
    shop.doubled.result("old")
    assert shop.doubled.purge(timedelta.max) == shop.doubled.purge(timedelta(hours=1)) == 0
    assert shop.doubled.purge(timedelta(0)) >= 1
    with pytest.raises(RunNotFoundError, match="has been purged"):
        shop.doubled.result("old")
    wrong: Any = 30
    with pytest.raises(TypeError, match="timedelta"):
        shop.doubled.purge(wrong)


def test_a_durable_story_is_made_before_dbos_is_launched(shop: Shop) -> None:
    with pytest.raises(RuntimeError, match=r"late: DBOS was launched already.*before DBOS.launch\(\)"):
        Durable(Doubled(), name="late")
