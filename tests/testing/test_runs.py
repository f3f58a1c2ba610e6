"""`run_until` and `run_failing`: a run that stops at a step, and one in which a step fails."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import pytest

from dddkit._awaitables import FINISHED
from dddkit.exceptions import CompensationError, StoryDefinitionError
from dddkit.stories import I, StepStatus, Story, compensates, inject_hooks
from dddkit.stories._engine.call import source_of
from dddkit.stories._engine.replacement import OPEN
from dddkit.testing import run_failing, run_until
from tests.stories.shop import finish

# Any: the stories here are sync or async by parameter, and their states plain objects.
Model = Any
STEPS = ("fuel", "arm", "ignite")


class Flight:
    """The state: what has been done, and what fails by itself."""

    def __init__(self, **errors: BaseException) -> None:
        self.log: list[str] = []
        self.errors = errors

    def do(self, name: str) -> None:
        self.log.append(name)
        if name in self.errors:
            raise self.errors[name]


@dataclass(frozen=True, slots=True)
class Launch(Story):
    """A rocket: frozen and slotted, as stories are."""

    I.fuel
    I.arm
    I.ignite

    def fuel(self, state: Flight) -> None:
        state.do("fuel")

    @compensates(fuel)
    def drain(self, state: Flight) -> None:
        state.do("drain")

    def arm(self, state: Flight) -> None:
        state.do("arm")

    @compensates(arm, even_if_failed=True)
    def disarm(self, state: Flight) -> None:
        state.do("disarm")

    def ignite(self, state: Flight) -> None:
        state.do("ignite")


@dataclass(frozen=True, slots=True)
class AsyncLaunch(Story):
    I.fuel
    I.arm
    I.ignite

    async def fuel(self, state: Flight) -> None:
        await asyncio.sleep(0)
        state.do("fuel")

    @compensates(fuel)
    async def drain(self, state: Flight) -> None:
        await asyncio.sleep(0)
        state.do("drain")

    async def arm(self, state: Flight) -> None:
        state.do("arm")

    @compensates(arm, even_if_failed=True)
    def disarm(self, state: Flight) -> None:
        state.do("disarm")

    def ignite(self, state: Flight) -> None:
        state.do("ignite")


def injected(state: Flight) -> None:
    state.do("ignite")


@dataclass(frozen=True, slots=True)
class InjectedLaunch(Launch):
    """Its last step is a field, so only the object knows it."""

    ignite: Callable[[Flight], None] = injected  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride]  # on purpose


@dataclass(frozen=True, slots=True)
class WatchedLaunch(AsyncLaunch):
    """Its `__call__` is handwritten."""

    async def __call__(self, state: Flight, /) -> None:
        state.do("<")
        try:
            await AsyncLaunch.__call__(self, state)
        finally:
            state.do(">")


class Hooks:
    """Every kind of hook; notes what it is told."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.runs: list[Any] = []

    def around_story(self, context: Any) -> Iterator[None]:
        self.runs.append(context)
        try:
            yield
        except BaseException:
            self.seen.append(f"story {context.status.name}")
            raise

    def around_step(self, context: Any, step: Any) -> Iterator[None]:
        self.seen.append(f"({step.step_name}")
        try:
            yield
        finally:
            self.seen.append(f"{step.step_name})")

    def before(self, context: Any, step: Any) -> None:
        self.seen.append(f"before {step.step_name}")

    def after(self, context: Any, step: Any) -> None:
        self.seen.append(f"after {step.step_name} {step.status.name}")

    def error(self, context: Any, step: Any) -> None:
        self.seen.append(f"error {step.step_name}")


class Watching:
    """Only what surrounds a story: the default hooks beside it stay deferred."""

    around_story = Hooks.around_story

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.runs: list[Any] = []


class Simple(Watching):
    before, after, error = Hooks.before, Hooks.after, Hooks.error


HOOKS: dict[str, list[Callable[[], Any]]] = {
    "no hooks": [],
    "all hooks": [Hooks],
    "hooks before and after": [Simple, Simple],
    "deferred hooks": [Watching],
}
every_launch = pytest.mark.parametrize("launch", [Launch, AsyncLaunch, InjectedLaunch, WatchedLaunch])
every_hook = pytest.mark.parametrize("hooks", HOOKS)
both_launches = pytest.mark.parametrize("launch", [Launch, AsyncLaunch])


def fresh(story: Model, hooks: str = "no hooks") -> tuple[Model, list[Any]]:
    """Return an object of a child class of the story with these hooks, and the hooks."""
    made = [make() for make in HOOKS[hooks]]
    child: Model = type(story.__name__, (story,), {"__slots__": (), "__module__": __name__})
    if hooks == "deferred hooks":
        inject_hooks(child)
    inject_hooks(child, made)
    return child(), made


def steps_in(flight: Flight) -> list[str]:
    return [name for name in flight.log if name not in ("<", ">")]


def statuses(run: Any) -> list[str]:
    return [step.status.name for step in run.steps]


# run_until


@every_hook
@every_launch
@pytest.mark.parametrize("index", range(3))
def test_it_stops_before_the_step_and_undoes_nothing(
    launch: Model, hooks: str, index: int, caplog: pytest.LogCaptureFixture
) -> None:
    story, made = fresh(launch, hooks)
    for _ in range(2):  # before the class was prepared, and after
        flight = Flight()
        finish(run_until(story, flight, STEPS[index]))
        assert steps_in(flight) == [*STEPS[:index]]
        finish(story(Flight()))
    for hook in made:
        for run in hook.runs[::2]:
            assert run.status is StepStatus.CANCELLED
            assert statuses(run) == ["COMPLETED"] * index + ["PENDING"] * (3 - index)
        told = " ".join(hook.seen).replace("story CANCELLED", "")
        assert not [status for status in ("PENDING", "CANCELLED", "FAILED") if status in told]
        assert hook.seen.count("story CANCELLED") == 2
    assert caplog.records == []


@both_launches
def test_no_hook_is_called_for_the_step_it_stops_before(launch: Model) -> None:
    story, [hooks] = fresh(launch, "all hooks")
    finish(run_until(story, Flight(), "arm"))
    assert hooks.seen == ["(fuel", "before fuel", "after fuel COMPLETED", "fuel)", "story CANCELLED"]


@both_launches
def test_what_a_step_before_it_raises_comes_out_and_is_undone(launch: Model) -> None:
    flight = Flight(arm=ConnectionError("no signal"))
    with pytest.raises(ConnectionError, match="no signal"):
        finish(run_until(launch(), flight, "ignite"))
    assert flight.log == ["fuel", "arm", "disarm", "drain"]


# run_failing


class Broken:
    """The same steps, of which one fails by itself: what `run_failing` shall not differ from."""

    @staticmethod
    def run(story: Model, at: str, error: BaseException) -> Flight:
        flight = Flight(**{at: error})
        with pytest.raises(type(error)):
            finish(story(flight))
        flight.log.remove(at)  # the body of the failing step
        return flight


@every_hook
@every_launch
@pytest.mark.parametrize("error", [TimeoutError("no answer"), asyncio.CancelledError()], ids=["fails", "is cancelled"])
@pytest.mark.parametrize("at", STEPS)
def test_a_run_goes_as_if_the_step_itself_had_raised_the_error(
    launch: Model, hooks: str, at: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    story, made = fresh(launch, hooks)
    right, right_hooks = fresh(launch, hooks)
    expected = Broken.run(right, at, error)
    logged = [record.getMessage().split(" ")[0] for record in caplog.records]
    caplog.clear()
    for _ in range(2):
        flight = Flight()
        finish(run_failing(story, flight, at=at, error=error))
        assert flight.log == expected.log
    assert [record.getMessage().split(" ")[0] for record in caplog.records] == logged * 2
    for hook, other in zip(made, right_hooks, strict=True):
        assert hook.seen == other.seen * 2
        for run in hook.runs:
            assert run.status is other.runs[0].status
            assert statuses(run) == statuses(other.runs[0])
            assert run.steps[STEPS.index(at)].error is error
            assert [step.compensated for step in run.steps] == [step.compensated for step in other.runs[0].steps]


@both_launches
def test_another_error_comes_out(launch: Model) -> None:
    lost, late = ConnectionError(), TimeoutError()
    with pytest.raises(ConnectionError) as caught:
        finish(run_failing(launch(), Flight(fuel=lost), at="ignite", error=late))
    assert caught.value is lost
    equal = TimeoutError()
    with pytest.raises(TimeoutError) as other:  # an error of its own is not the one that was asked for
        finish(run_failing(launch(), Flight(fuel=equal), at="ignite", error=late))
    assert other.value is equal


@both_launches
def test_an_undoing_that_fails_comes_out(launch: Model, caplog: pytest.LogCaptureFixture) -> None:
    late = TimeoutError()
    with pytest.raises(CompensationError) as caught:
        finish(run_failing(launch(), Flight(drain=ConnectionError()), at="ignite", error=late))
    assert caught.value.__cause__ is late
    assert (caught.value.undone, caught.value.left) == (("arm",), ("fuel",))
    assert "its compensation drain failed" in caplog.text


@pytest.mark.parametrize("error", [TimeoutError, "late", None])
def test_only_an_exception_object_can_be_raised(error: Any) -> None:
    flight = Flight()
    with pytest.raises(TypeError, match=r"run_failing takes an exception object, as in error=TimeoutError\(\), not "):
        run_failing(Launch(), flight, at="arm", error=error)
    assert flight.log == []


# Which step


class Twice(Story):
    I.fuel
    I.arm
    I.fuel

    fuel, arm = Launch.fuel, Launch.arm


def test_of_a_step_listed_twice_it_is_the_first() -> None:
    flight = Flight()
    run_until(Twice(), flight, "fuel")
    assert flight.log == []
    run_failing(Twice(), flight, at="fuel", error=TimeoutError())
    assert flight.log == []


@dataclass(frozen=True, slots=True)
class Mission(Story):
    I.brief
    I.launch
    I.land

    launch: Any  # a story

    def brief(self, state: Flight) -> None:
        state.do("brief")

    @compensates(brief)
    def dismiss(self, state: Flight) -> None:
        state.do("dismiss")

    def land(self, state: Flight) -> None:
        state.do("land")


@dataclass(frozen=True, slots=True)
class Programme(Story):
    I.mission

    @property
    def mission(self) -> Mission:
        """A new object at each reading."""
        return Mission(AsyncLaunch())


@pytest.mark.parametrize(
    ("mission", "prefix"),
    [
        (Mission(Launch()), "launch."),
        (Mission(AsyncLaunch()), "launch."),
        (Mission(InjectedLaunch()), "launch."),
        (Mission(WatchedLaunch()), "launch."),
        (Mission(partial(AsyncLaunch())), "launch."),
        (Mission(Launch().__call__), "launch."),
        (Programme(), "mission.launch."),
    ],
    ids=["sync", "async", "injected", "handwritten", "partial", "bound call", "of a property"],
)
def test_a_step_of_a_nested_story_is_named_with_dots(mission: Model, prefix: str) -> None:
    flight = Flight()
    finish(run_until(mission, flight, f"{prefix}ignite"))
    assert steps_in(flight) == ["brief", "fuel", "arm"]
    flight = Flight()
    finish(run_failing(mission, flight, at=f"{prefix}ignite", error=TimeoutError()))
    assert steps_in(flight) == ["brief", "fuel", "arm", "disarm", "drain", "dismiss"]
    flight = Flight()
    finish(run_failing(mission, flight, at=prefix[:-1], error=TimeoutError()))
    assert steps_in(flight) == ["brief", "dismiss"]
    flight = Flight()
    finish(run_until(mission, flight, prefix[:-1]))
    assert steps_in(flight) == ["brief"]


def test_the_step_that_a_nested_run_is_stopped_in_is_cancelled() -> None:
    story, [outer] = fresh(Launch, "all hooks")
    inner = Hooks()
    mission = type("Mission", (Mission,), {"__slots__": ()})
    with inject_hooks(mission, [inner]):
        run_until(mission(story), Flight(), "launch.arm")
    [run] = inner.runs
    assert statuses(run) == ["COMPLETED", "CANCELLED", "PENDING"]
    assert statuses(outer.runs[0]) == ["COMPLETED", "PENDING", "PENDING"]
    assert [nested.status for nested in run.steps[1].nested] == [StepStatus.CANCELLED]
    assert inner.seen[-3:] == ["after launch CANCELLED", "launch)", "story CANCELLED"]


@pytest.mark.parametrize(
    ("story", "step", "message"),
    [
        (Launch(), "ignit", """Launch has no step 'ignit'; did you mean "ignite"?"""),
        (AsyncLaunch(), "", "AsyncLaunch has no step ''; it lists fuel, arm, ignite"),
        (Launch(), "drain", "Launch has no step 'drain'; it lists fuel, arm, ignite"),
        (Mission(Launch()), "launch.amr", """Launch has no step 'amr'; did you mean "arm"?"""),
        (
            Mission(Launch()),
            "brief.crew",
            """the step 'brief' of Mission is no story, and has no step 'crew'; write "brief" for the whole step""",
        ),
        (Mission(Launch()), "launch.", "Launch has no step ''; it lists fuel, arm, ignite"),
        (Mission(Launch()), "lunch.arm", """Mission has no step 'lunch'; did you mean "launch"?"""),
    ],
)
def test_an_unknown_step_is_refused_before_anything_runs(story: Model, step: str, message: str) -> None:
    flight = Flight()
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole text is compared
        run_until(story, flight, step)  # and before it is awaited
    assert str(caught.value) == f'run_until(..., "{step}"): {message}'
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        run_failing(story, flight, at=step, error=TimeoutError())
    assert str(caught.value) == f'run_failing(..., at="{step}"): {message}'
    assert flight.log == []


@pytest.mark.parametrize("story", [Launch, Launch().fuel, len])
def test_only_a_story_object_can_be_run(story: Any) -> None:
    with pytest.raises(TypeError, match=r"takes a story object, as in Checkout\(gateway\), not "):
        run_until(story, Flight(), "fuel")


def test_only_a_step_by_its_name_can_be_asked_for() -> None:
    step: Any = Launch.arm
    with pytest.raises(
        TypeError, match=r"^run_until\(\.\.\., \.\.\.\) takes the name of a step, as in .*, not a function$"
    ) as error:
        run_until(Launch(), Flight(), step)
    assert len(error.traceback.filter(error)) == 1
    with pytest.raises(TypeError, match=r"^run_failing\(\.\.\., at=\.\.\.\) takes the name of a step, "):
        run_failing(Launch(), Flight(), at=step, error=KeyError())


def test_what_no_run_could_do_is_refused_as_ever() -> None:
    class Lacking(Story):
        I.fuel
        I.arm

        arm: Callable[[Flight], None]

        def __init__(self) -> None: ...

        def fuel(self, state: Flight) -> None:
            state.do("fuel")

    flight = Flight()
    with pytest.raises(StoryDefinitionError, match=r"I\.arm is declared, but this Lacking has no value"):
        run_until(Lacking(), flight, "arm")
    assert flight.log == []


def test_the_name_of_a_step_may_have_a_dot_in_it() -> None:
    class Odd(Story):
        for name in ("one.two", "one"):
            getattr(I, name)
            locals()[name] = Launch.fuel

    flight = Flight()
    run_until(Odd(), flight, "one.two")
    assert flight.log == []
    run_until(Odd(), flight, "one")
    assert flight.log == ["fuel"]


# A handwritten `__call__`


class Careless(Story):
    """Its `__call__` leaves the steps out, or catches what they raise."""

    I.fuel
    I.arm

    fuel, arm = Launch.fuel, Launch.arm
    runs: ClassVar[int] = 1

    def __call__(self, state: Flight, /) -> None:
        for _ in range(self.runs):
            try:
                super().__call__(state)
            except BaseException:
                state.do("caught")


def test_a_story_that_goes_on_as_if_nothing_had_happened_is_a_failed_assertion() -> None:
    class Skipping(Careless):
        runs = 0

    for story, how in (
        (Careless(), "something has caught what was raised there"),
        (Skipping(), "it was never reached"),
    ):
        for run, given in (
            (partial(run_until, story, Flight(), "arm"), '(..., "arm")'),
            (partial(run_failing, story, Flight(), at="arm", error=KeyError()), '(..., at="arm")'),
        ):
            with pytest.raises(AssertionError) as caught:
                run()
            assert str(caught.value).endswith(f"{given}: the story ended as if nothing had happened there; {how}")


def test_an_async_story_that_goes_on_is_a_failed_assertion_when_it_is_awaited() -> None:
    class Catching(AsyncLaunch):
        async def __call__(self, state: Flight, /) -> None:
            with suppress(BaseException):
                await AsyncLaunch.__call__(self, state)

    for run in (
        run_until(Catching(), Flight(), "arm"),
        run_failing(Catching(), Flight(), at="arm", error=KeyError()),
    ):
        with pytest.raises(AssertionError, match="something has caught what was raised there"):
            asyncio.run(run)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio has no TaskGroup")
def test_a_run_is_stopped_in_a_task_group_of_its_call_too() -> None:
    class Grouped(AsyncLaunch):
        async def __call__(self, state: Flight, /) -> None:
            group: Any = getattr(asyncio, "TaskGroup")()  # noqa: B009  # checkers look at 3.10
            async with group:
                group.create_task(AsyncLaunch.__call__(self, state))

    flight = Flight()
    asyncio.run(run_until(Grouped(), flight, "ignite"))
    assert flight.log == ["fuel", "arm"]
    with pytest.raises(BaseException, match="unhandled errors in a TaskGroup") as caught:
        asyncio.run(run_until(Grouped(), Flight(arm=KeyError()), "ignite"))
    assert [*map(type, getattr(caught.value, "exceptions", ()))] == [KeyError]


def test_a_call_may_return_what_has_to_be_awaited_though_it_does_not_say_so() -> None:
    class Later(Launch):
        def __call__(self, state: Flight, /) -> Any:
            async def run() -> None:
                Launch.__call__(self, state)

            return run()

    flight = Flight()
    asyncio.run(run_until(Later(), flight, "ignite"))
    assert flight.log == ["fuel", "arm"]


def test_a_call_may_run_other_stories_of_its_class_before() -> None:
    class Rehearsed(Careless):
        def __call__(self, state: Flight, /) -> None:
            Careless()(state)
            Story.__call__(self, state)

    flight = Flight()
    run_until(Rehearsed(), flight, "arm")
    assert flight.log == ["fuel", "arm", "fuel"]


def test_what_was_never_reached_is_forgotten() -> None:
    class Switched(Careless):
        runs = 0

    story, other = Switched(), Switched()
    watched = weakref.ref(story)
    for each in (other, story):
        with pytest.raises(AssertionError):
            run_until(each, Flight(), "arm")
    assert set() == OPEN
    del story, each
    gc.collect()
    assert watched() is None
    Switched.runs = 1
    flight = Flight()
    other(flight)
    assert flight.log == ["fuel", "arm"]


def test_only_the_first_run_is_another_one() -> None:
    class Retrying(Careless):
        runs = 2

    flight = Flight()
    with pytest.raises(AssertionError):
        run_failing(Retrying(), flight, at="arm", error=KeyError())
    assert flight.log == ["fuel", "caught", "fuel", "arm"]


# Other runs


def test_other_runs_of_the_class_are_not_affected() -> None:
    class Slow(AsyncLaunch):
        async def fuel(self, state: Model) -> None:
            state.log.append("fuel")
            await state.wait.wait()

    story = Slow()

    async def main() -> None:
        flights = [Flight() for _ in range(9)]
        wait = asyncio.Event()
        for flight in flights:
            vars(flight)["wait"] = wait
        late = TimeoutError()
        kinds: list[Callable[[Flight], Any]] = [
            lambda flight: run_until(story, flight, "arm"),
            lambda flight: run_failing(story, flight, at="ignite", error=late),
            story,
        ]
        tasks = [asyncio.ensure_future(kinds[number % 3](flight)) for number, flight in enumerate(flights)]
        await asyncio.sleep(0.01)
        assert all(flight.log == ["fuel"] for flight in flights)
        wait.set()
        await asyncio.gather(*tasks)
        assert [flight.log for flight in flights[:3]] == [
            ["fuel"],
            ["fuel", "arm", "disarm", "drain"],
            ["fuel", "arm", "ignite"],
        ]
        assert [flight.log for flight in flights[3:]] == [flight.log for flight in flights[:3]] * 2

    asyncio.run(main())


@both_launches
def test_a_usual_run_has_the_same_source_before_and_after(launch: Model) -> None:
    story, _ = fresh(launch, "all hooks")
    cls = story.__class__
    before = source_of(cls)
    finish(story(Flight()))
    function = cls.__call__
    finish(run_until(story, Flight(), "arm"))
    finish(run_failing(story, Flight(), at="arm", error=TimeoutError()))
    assert source_of(cls) == before
    assert cls.__call__ is function
    assert "in_place" not in before


@both_launches
@every_hook
def test_a_run_keeps_nothing_alive(launch: Model, hooks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("dddkit.stories"), "propagate", False)  # pytest keeps the records
    story, made = fresh(launch, hooks)
    error, flight = TimeoutError(), Flight()
    watched = weakref.ref(flight)
    gc.collect()
    gc.disable()
    try:
        finish(run_until(story, flight, "ignite"))
        finish(run_failing(story, flight, at="ignite", error=error))
        del error, flight
        for hook in made:
            hook.runs.clear()
        assert watched() is None
    finally:
        gc.enable()


def test_a_sync_run_need_not_be_awaited_but_may_be() -> None:
    assert run_until(Launch(), Flight(), "arm") is FINISHED

    async def main() -> None:
        result: Any = run_failing(Launch(), Flight(), at="arm", error=TimeoutError())
        await result

    asyncio.run(main())


def test_an_async_run_does_nothing_before_it_is_awaited() -> None:
    flight = Flight()
    run: Any = run_until(AsyncLaunch(), flight, "ignite")
    assert flight.log == []
    with pytest.warns(RuntimeWarning, match="coroutine 'run_until' was never awaited"):
        del run
    assert flight.log == []


def test_an_error_that_is_used_again_takes_nothing_along() -> None:
    error = TimeoutError()
    for _ in range(3):
        run_failing(Mission(Launch()), Flight(), at="launch.ignite", error=error)
    with pytest.raises(TimeoutError):
        Mission(Launch())(Flight(ignite=error))
    with pytest.raises(CompensationError) as caught:
        run_failing(Mission(Launch()), Flight(dismiss=ConnectionError()), at="launch", error=error)
    assert caught.value.undone == ()


def test_a_failing_step_is_logged_as_a_real_one(caplog: pytest.LogCaptureFixture) -> None:
    class Logged(Launch):
        pass

    inject_hooks(Logged)
    with caplog.at_level(logging.INFO):
        run_failing(Logged(), Flight(), at="ignite", error=TimeoutError("no answer"))
    failed, undone = caplog.records
    assert (failed.levelname, undone.levelname) == ("ERROR", "INFO")
    assert "✗I.ignite" in failed.getMessage()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        run_until(Logged(), Flight(), "ignite")
    assert caplog.records == []
