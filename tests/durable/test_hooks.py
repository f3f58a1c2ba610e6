"""Hooks of durable runs: they fire where a step really runs, and a run counts once."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import time
from typing import Any, cast

import pytest

from dddkit.exceptions import CompensationError
from dddkit.stories import (
    I,
    StatusTracker,
    StepExecutionInfo,
    StepStatus,
    Story,
    StoryExecutionContext,
    StoryState,
    compensates,
    inject_hooks,
    variable,
)
from dddkit.stories.durable import StoryChangedError
from dddkit.stories.durable._journal import Entry
from dddkit.testing._journal import Crash, Place
from tests.durable.running import ALL_PLACES, Running, write_and_forget
from tests.stories.recording import AsyncRecorder, Recorder
from tests.stories.shop import Declined, finish

prometheus_client = pytest.importorskip("prometheus_client")


def stories(*, hooks: list[Any]) -> Any:
    """Return a checkout whose classes are new, so that no hook reaches another test."""

    class Pay(Story):
        I.authorize
        I.capture

        class State(StoryState):
            log: list[str] = []
            broken: list[str] = []

            def note(self, what: str) -> None:
                self.log.append(what)
                if what in self.broken:
                    raise Declined(what)

        async def authorize(self, state: State) -> None:
            state.note("authorize")

        @compensates(authorize)
        async def release(self, state: State) -> None:
            state.note("release")

        async def capture(self, state: State) -> None:
            state.note("capture")

    @dataclass(frozen=True)
    class Checkout(Story):
        I.reserve
        I.pay
        I.ship

        State = Pay.State
        pay: Any = field(default_factory=Pay)

        def reserve(self, state: Pay.State) -> None:
            state.note("reserve")

        @compensates(reserve)
        async def free(self, state: Pay.State) -> None:
            state.note("free")

        async def ship(self, state: Pay.State) -> None:
            state.note("ship")

    inject_hooks(Pay, hooks)
    inject_hooks(Checkout, hooks)
    return Checkout()


def story_class(story: Any) -> Any:
    return cast("Any", type(story))


def both(*broken: str, crashes: Any = (), kind: Any = Recorder) -> tuple[list[str], list[str], Running[Any]]:
    """Return what hooks note in a plain run, and in a durable one."""
    logs: list[list[str]] = [[], []]
    story = stories(hooks=[kind("hook", logs[0])])
    state = story.State(broken=[*broken])
    try:
        finish(story(state))
    except Declined:
        assert broken
    durable = Running(stories(hooks=[kind("hook", logs[1])]), story.State(broken=[*broken]), crashes=crashes)
    try:
        durable.to_the_end()
    except Declined:
        assert broken
    return logs[0], logs[1], durable


@pytest.mark.parametrize("kind", [Recorder, AsyncRecorder])
@pytest.mark.parametrize("broken", [(), ("reserve",), ("authorize",), ("capture",), ("ship",)], ids=range(5))
def test_an_undisturbed_run_calls_the_hooks_that_a_plain_one_calls(broken: Any, kind: Any) -> None:
    plain, durable, _ = both(*broken, kind=kind)
    assert durable == plain
    assert plain


def test_hooks_are_called_for_no_step_that_is_recorded() -> None:
    for place, again in ((Place(1, "after record"), []), (Place(2, "after body"), ["capture"])):
        _, durable, run = both(crashes=[place])
        before = [line for line in durable if line.startswith("hook before")]
        names = ["reserve", "pay", "authorize", "capture", "ship"]
        assert sorted(before) == sorted(f"hook before {name}" for name in [*names, *again, "pay"][: 6 + len(again)])
        assert run.executions == 2
        assert durable.count("hook after ship") == 1


def test_context_steps_lists_all_and_recorded_ones_with_their_recorded_duration() -> None:
    seen: list[list[tuple[str, StepStatus, float]]] = []

    class Look:
        def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
            if step.step_name == "ship":
                seen.append([(one.step_name, one.status, one.duration) for one in context.steps])

    story = stories(hooks=[Look()])
    run = Running(story, story.State(), crashes=[Place(2, "after record")])
    run.to_the_end()
    took = {name: json.loads(text)["took"] for name, text in run.journal.recorded}
    pay = took["pay.authorize"] + took["pay.capture"]
    assert seen == [
        [
            ("reserve", StepStatus.COMPLETED, took["reserve"]),
            ("pay", StepStatus.COMPLETED, pay),
            ("ship", StepStatus.RUNNING, 0.0),
        ]
    ]


class Ends:
    """Notes how the stories around a yield end."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.ends.append(f"{context.story_name} {type(error).__name__}")
            raise
        self.ends.append(f"{context.story_name} done")


def metrics(story: Any) -> Any:
    from dddkit.stories.prometheus import PrometheusMetricsHook

    registry = prometheus_client.CollectorRegistry()
    hook = PrometheusMetricsHook(registry=registry)
    inject_hooks(story_class(story), [hook])
    inject_hooks(story_class(story.pay), [hook])
    return registry


def counts(registry: Any) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for metric in registry.collect():
        for sample in metric.samples:
            if sample.name.endswith("_count") and sample.value:
                labels = sample.labels
                kind = "undo" if "compensation" in metric.name else ""
                found[tuple(filter(None, (kind, labels["story_name"], labels.get("step_name"), labels["status"])))] = (
                    sample.value
                )
    return found


def test_a_run_counts_once_wherever_it_crashes() -> None:
    for place in ALL_PLACES[:12]:
        story = stories(hooks=[])
        registry = metrics(story)
        run = Running(story, story.State(), crashes=[place])
        run.to_the_end()
        again = run.journal.crashed_at if place.when == "after body" else None
        expected = {
            ("Checkout", "completed"): 1,
            ("Checkout", "reserve", "completed"): 2 if again == "reserve" else 1,
            ("Checkout", "pay", "completed"): 2 if again == "pay.capture" else 1,
            ("Checkout", "ship", "completed"): 2 if again == "ship" else 1,
            ("Pay", "completed"): 2 if again == "pay.capture" else 1,
            ("Pay", "authorize", "completed"): 2 if again == "pay.authorize" else 1,
            ("Pay", "capture", "completed"): 2 if again == "pay.capture" else 1,
        }
        assert counts(registry) == expected, place


def test_a_failed_run_and_its_undoing_count_once() -> None:
    story = stories(hooks=[])
    registry = metrics(story)
    crashes = [place for place in ALL_PLACES if place.when == "after record"]
    run = Running(story, story.State(broken=["ship"]), crashes=crashes)
    with pytest.raises(Declined):
        run.to_the_end()
    assert counts(registry) == {
        ("Checkout", "failed"): 1,
        ("Checkout", "reserve", "completed"): 1,
        ("Checkout", "pay", "completed"): 1,
        ("Checkout", "ship", "failed"): 1,
        ("Pay", "completed"): 1,
        ("Pay", "authorize", "completed"): 1,
        ("Pay", "capture", "completed"): 1,
        ("undo", "Pay", "authorize", "completed"): 1,
        ("undo", "Checkout", "reserve", "completed"): 1,
    }


def test_a_run_lasts_from_its_first_step_on_also_where_its_process_has_ended_meanwhile() -> None:
    seconds: list[float] = []

    class Look:
        def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
            yield
            seconds.append(context.duration)

    story = stories(hooks=[Look()])
    entry = Entry("reserve", json.dumps({"at": time() - 3600, "took": 1.0, "set": {"log": ["reserve"]}, "unset": []}))
    Running(story, story.State(), entries=[entry]).once()
    of_pay, of_checkout = seconds
    assert of_pay < 600 < of_checkout


def test_hooks_around_a_run_see_what_its_caller_gets() -> None:
    ends = Ends()
    story = stories(hooks=[ends])
    with pytest.raises(CompensationError):
        Running(story, story.State(broken=["ship", "free"])).once()
    assert ends.ends == ["Pay done", "Checkout CompensationError"]


def test_a_process_that_ends_counts_nothing_and_leaves_the_hooks() -> None:
    ends = Ends()
    story = stories(hooks=[ends])
    registry = metrics(story)
    run = Running(story, story.State(), crashes=[Place(2, "before")])
    with pytest.raises(Crash):
        run.once()
    assert counts(registry) == {
        ("Checkout", "reserve", "completed"): 1,
        ("Pay", "authorize", "completed"): 1,
    }
    assert ends.ends == ["Pay Suspended", "Checkout Suspended"]


def test_a_step_that_is_cut_off_counts_nothing() -> None:
    class Cut(Story):
        I.reserve
        I.wait

        class State(StoryState):
            pass

        pay = None

        async def reserve(self, state: State) -> None: ...

        @compensates(reserve)
        async def free(self, state: State) -> None: ...

        async def wait(self, state: State) -> None:
            raise asyncio.CancelledError

    from dddkit.stories.prometheus import PrometheusMetricsHook

    registry = prometheus_client.CollectorRegistry()
    log: list[str] = []
    inject_hooks(Cut, [PrometheusMetricsHook(registry=registry), Recorder("hook", log)])
    with pytest.raises(asyncio.CancelledError):
        Running(Cut(), Cut.State()).once()
    assert counts(registry) == {("Cut", "reserve", "completed"): 1}
    assert log[-2:] == ["hook leave wait", "hook leave story"]


def test_a_cancelled_run_counts_as_cancelled() -> None:
    story = stories(hooks=[])
    registry = metrics(story)
    run = Running(story, story.State())
    run.journal.cancelled = lambda: "pay.authorize" in run.recorded  # type: ignore[method-assign]  # by then
    with pytest.raises(Exception, match="was cancelled"):
        run.once()
    found = counts(registry)
    assert found["Checkout", "cancelled"] == found["Pay", "cancelled"] == found["Checkout", "pay", "cancelled"] == 1


def test_a_run_that_does_not_fit_calls_no_hook() -> None:
    log: list[str] = []
    story = stories(hooks=[Recorder("hook", log)])
    run = Running(story, story.State(), crashes=[Place(0, "after record")])
    with pytest.raises(Crash):
        run.once()
    log.clear()
    other = stories(hooks=[Recorder("hook", log)])
    again = Running(other.pay, other.State(), entries=run.journal.recorded)
    with pytest.raises(StoryChangedError):
        again.once()
    assert log == []


def test_a_failure_is_logged_once_with_the_whole_tree_and_again_after_the_undoing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    story = stories(hooks=[])
    inject_hooks(story_class(story))
    inject_hooks(story_class(story.pay))
    run = Running(story, story.State(broken=["capture"]), crashes=[Place(1, "after record")])
    with caplog.at_level(logging.INFO, "dddkit.stories.story"), pytest.raises(Declined):
        run.to_the_end()
    records = [(record.levelname, without_seconds(record.getMessage())) for record in caplog.records]
    assert records == [
        (
            "ERROR",
            tree(
                "    ✓I.reserve",
                "    ⟳I.pay",
                "        Pay:",
                "            ✓I.authorize",
                "            ✗I.capture",
                "    I.ship",
            ),
        ),
        (
            "INFO",
            tree(
                "    ↩✓I.reserve",
                "    ✗I.pay",
                "        Pay:",
                "            ↩✓I.authorize",
                "            ✗I.capture",
                "    I.ship",
            ),
        ),
    ]
    assert caplog.records[0].exc_info is not None


def tree(*lines: str) -> str:
    return "\n".join(("Checkout (checkout/order-1):", *lines))


def without_seconds(text: str) -> str:
    return "\n".join(line.partition(" [")[0] for line in text.split("\n"))


def test_a_story_inside_an_opaque_step_is_shown_under_it_and_its_failure_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Inner(Story):
        I.work

        def work(self, state: Any) -> None:
            raise Declined("inner")

    class Outer(Story):
        I.call

        class State(StoryState):
            pass

        async def call(self, state: State) -> None:
            Inner()(state)

    inject_hooks(Inner)
    inject_hooks(Outer)
    with caplog.at_level(logging.INFO, "dddkit.stories.story"), pytest.raises(Declined):
        Running(Outer(), Outer.State()).once()
    assert [without_seconds(record.getMessage()) for record in caplog.records] == [
        "Outer (checkout/order-1):\n    ⟳I.call\n        Inner:\n            ✗I.work"
    ]


def test_what_a_hook_changes_in_the_state_after_a_step_is_recorded_with_it() -> None:
    class Sum(Story):
        I.one
        I.two

        class State(StoryState):
            steps: int = 0
            seen: int = variable()

        def one(self, state: State) -> None: ...

        def two(self, state: State) -> None:
            state.seen = state.steps

    class Count:
        def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
            context.state.steps += 1

    inject_hooks(Sum, [Count()])
    for crashes in ((), ALL_PLACES):
        ended = Running(Sum(), Sum.State(), crashes=crashes).to_the_end()
        assert (ended.steps, ended.seen) == (2, 1)


def test_a_hook_around_the_story_that_refuses_keeps_every_step_from_running() -> None:
    class Refuse:
        def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
            raise PermissionError("closed")
            yield

    story = stories(hooks=[Refuse()])
    for crashes in ((), ALL_PLACES):
        run = Running(story, story.State(), crashes=crashes)
        with pytest.raises(PermissionError):
            run.to_the_end()
        assert run.recorded == ["reserve"]
        assert run.outcome["state"]["log"] == []


def test_a_hook_around_the_story_that_fails_at_the_end_fails_the_run_and_undoes_nothing() -> None:
    class Fail:
        def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
            yield
            raise ArithmeticError("at the end")

    story = stories(hooks=[])
    inject_hooks(story_class(story), [Fail()])
    run = Running(story, story.State())
    with pytest.raises(ArithmeticError):
        run.once()
    assert (run.status, run.recorded[-1]) == ("failed", "ship")


def test_a_hook_around_an_undoing_that_fails_is_logged_and_keeps_nothing_from_being_undone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Fail:
        def around_compensation(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
            if step.step_name == "authorize":
                raise ArithmeticError("before")
            yield
            raise ArithmeticError("after")

    story = stories(hooks=[Fail()])
    run = Running(story, story.State(broken=["ship"]))
    with caplog.at_level(logging.ERROR, "dddkit.stories.compensation"), pytest.raises(Declined):
        run.once()
    assert run.outcome["undone"] == ["pay.authorize", "reserve"]
    records = [record for record in caplog.records if record.name == "dddkit.stories.compensation"]
    assert len(records) == 2
    for record in records:
        assert record.exc_info is not None
        _, _, traceback = record.exc_info
        assert traceback is not None
        assert traceback.tb_frame.f_code.co_name == "around_compensation", "no frames of the run"


def test_nothing_of_a_run_is_alive_after_it_without_the_garbage_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    write_and_forget(monkeypatch)
    """The facts of a run hold its state, and the error of a step its traceback."""
    alive: list[weakref.ref[Any]] = []

    class Remember:
        def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
            alive.append(weakref.ref(context.state))

    story = stories(hooks=[Remember(), StatusTracker()])
    run = Running(story, story.State(broken=["capture"]))

    async def without_collector() -> None:
        gc.disable()
        try:
            with pytest.raises(Declined):
                await run.execute()
            assert alive
            assert [one() for one in alive] == [None] * len(alive)
        finally:
            gc.enable()

    asyncio.run(without_collector())


class _Raises:
    """Raises as it is left, and remembers the states that it has seen."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error
        self.seen: list[weakref.ref[Any]] = []

    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        self.seen.append(weakref.ref(context.state))


class _AroundStep(_Raises):
    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        try:
            yield
        finally:
            raise self.error


class _AroundStory(_Raises):
    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        try:
            yield
        finally:
            raise self.error


@pytest.mark.parametrize("broken", ["nothing", "reserve", "capture", "ship"])
@pytest.mark.parametrize("error", [ArithmeticError, asyncio.CancelledError])
@pytest.mark.parametrize("kind", [_AroundStep, _AroundStory])
def test_nothing_is_alive_after_a_run_whose_around_hook_raises(
    kind: type[_Raises], error: type[BaseException], broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for logger in ("dddkit.stories.hooks", "dddkit.stories.durable"):  # pytest keeps the records, which have the errors
        monkeypatch.setattr(logging.getLogger(logger), "disabled", True)
    hook = kind(error)
    story = stories(hooks=[hook, StatusTracker()])
    run = Running(story, story.State(broken=[broken]))

    async def without_collector() -> None:
        gc.disable()
        try:
            with pytest.raises((error, Declined)):
                await run.execute()
            assert hook.seen
            assert [one() for one in hook.seen] == [None] * len(hook.seen)
        finally:
            gc.enable()

    asyncio.run(without_collector())
