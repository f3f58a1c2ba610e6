"""What stops a durable run is in the log, whatever hooks its story has."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from dddkit.exceptions import CompensationError, SignalTimeoutError
from dddkit.stories import I, LoggingHook, Story, StoryExecutionContext, StoryState, compensates, inject_hooks
from dddkit.stories.durable import Retry, Signal
from dddkit.testing._journal import Crash, Place
from tests.durable.running import ALL_PLACES, Running
from tests.stories.shop import Declined

DURABLE = "dddkit.stories.durable"


def stories(*, error: type[Exception] = Declined) -> Any:
    """Return a checkout whose classes are new, so that no hook reaches another test."""

    class Pay(Story):
        I.authorize

        class State(StoryState):
            undo_fails: bool = False

        def authorize(self, state: State) -> None:
            raise error("the card")

    class Checkout(Story):
        I.reserve
        I.pay

        class State(Pay.State):
            pass

        def reserve(self, state: State) -> None: ...

        @compensates(reserve)
        def put_back(self, state: State) -> None:
            if state.undo_fails:
                raise ValueError("the shelf")

        pay = Pay()

    return Checkout


def pay_of(checkout: Any) -> Any:
    """Return the class of the story inside."""
    pay: object = checkout.pay
    return type(pay)


def logged(caplog: pytest.LogCaptureFixture, *loggers: str) -> list[tuple[str, str]]:
    return [(one.levelname, one.getMessage()) for one in caplog.records if one.name in (loggers or (DURABLE,))]


@pytest.fixture(autouse=True)
def _at_info(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, "dddkit"):
        yield


STOPPED = "checkout/order-1: the run of Checkout has stopped at the step pay.authorize with Declined"


def test_a_run_without_hooks_logs_what_stops_it_with_the_run_the_step_and_the_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    checkout = stories()
    run = Running(checkout(), checkout.State())
    with pytest.raises(Declined):
        run.once()
    assert run.status == "undone"
    assert logged(caplog) == [("ERROR", STOPPED)]
    assert "in authorize" in caplog.text


def test_a_failure_that_is_recorded_is_not_logged_again_wherever_the_process_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    checkout = stories()
    for place in ALL_PLACES:
        caplog.clear()
        run = Running(checkout(), checkout.State(), crashes=[place])
        with pytest.raises(Declined):
            run.to_the_end()
        times = 2 if place == Place(1, "after body") else 1  # it was not recorded, so the step has failed twice
        assert logged(caplog) == [("ERROR", STOPPED)] * times, place
        if run.executions == 1:
            break


@pytest.mark.parametrize("where", ["outer", "inner"])
@pytest.mark.parametrize("expected", [(), (Declined,)], ids=["fault", "refusal"])
def test_what_a_logging_hook_has_logged_is_not_logged_again(
    where: str, expected: Iterable[type[Exception]], caplog: pytest.LogCaptureFixture
) -> None:
    checkout = stories()
    inject_hooks(checkout if where == "outer" else pay_of(checkout), [LoggingHook(expected=expected)])
    with pytest.raises(Declined):
        Running(checkout(), checkout.State()).once()
    assert logged(caplog) == []
    level = "INFO" if expected else "ERROR"
    assert [one for one, text in logged(caplog, "dddkit.stories.story") if "↩" not in text].count(level) >= 1


def test_the_tree_of_the_story_alone_that_has_the_hook_names_the_run(caplog: pytest.LogCaptureFixture) -> None:
    checkout = stories()
    inject_hooks(pay_of(checkout), [LoggingHook()])
    with pytest.raises(Declined):
        Running(checkout(), checkout.State()).once()
    assert logged(caplog, "dddkit.stories.story") == [("ERROR", "Pay (checkout/order-1):\n    I.authorize")]


def test_a_failure_that_a_story_called_by_a_step_has_logged_is_not_logged_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pay = pay_of(stories())
    inject_hooks(pay, [LoggingHook()])

    class Outer(Story):
        I.call

        class State(StoryState): ...

        def call(self, state: State) -> None:
            pay()(pay.State())

    with pytest.raises(Declined):
        Running(Outer(), Outer.State()).once()
    assert logged(caplog) == []
    assert len(logged(caplog, "dddkit.stories.story")) == 1


def test_a_full_stack_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    checkout = stories(error=RecursionError)
    inject_hooks(checkout, [LoggingHook()])
    with pytest.raises(RecursionError):
        Running(checkout(), checkout.State()).once()
    assert logged(caplog) == []


def test_a_refusal_that_metrics_expect_is_logged_at_info_without_traceback(caplog: pytest.LogCaptureFixture) -> None:
    prometheus_client = pytest.importorskip("prometheus_client")
    from dddkit.stories.prometheus import PrometheusMetricsHook

    registry = prometheus_client.CollectorRegistry()
    for story, level in ((stories(), "INFO"), (stories(error=OSError), "ERROR")):
        caplog.clear()
        inject_hooks(story, [PrometheusMetricsHook(registry=registry, expected=Declined)])
        with suppress(Declined, OSError):
            Running(story(), story.State()).once()
        assert [one for one, _ in logged(caplog)] == [level]
        assert ("Traceback" in caplog.text) == (level == "ERROR")


def test_a_refusal_that_spans_expect_is_logged_at_info(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("opentelemetry")
    from dddkit.stories.opentelemetry import TracingHook

    checkout = stories()
    inject_hooks(checkout, [TracingHook(expected=Declined)])
    with pytest.raises(Declined):
        Running(checkout(), checkout.State()).once()
    assert logged(caplog) == [("INFO", STOPPED)]


def test_a_run_whose_undoing_fails_logs_what_has_stopped_it_too(caplog: pytest.LogCaptureFixture) -> None:
    checkout = stories()
    run = Running(checkout(), checkout.State(undo_fails=True))
    with pytest.raises(CompensationError):
        run.once()
    assert run.status == "undo_failed"
    assert logged(caplog) == [("ERROR", STOPPED)]
    assert len(logged(caplog, "dddkit.stories.compensation")) == 1


def test_only_the_last_attempt_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    checkout = stories()
    run = Running(checkout(), checkout.State(), retries={"pay.authorize": Retry(attempts=3, on=Declined)})
    with pytest.raises(Declined):
        run.once()
    assert [level for level, _ in logged(caplog)] == ["INFO", "INFO", "ERROR"]


def test_a_cancelled_run_logs_no_error(caplog: pytest.LogCaptureFixture) -> None:
    checkout = stories()
    run = Running(checkout(), checkout.State(), crashes=[Place(0, "after record")])
    with pytest.raises(Crash):
        run.once()
    run.journal.begin()
    run.journal.cancel()
    with suppress(Exception):
        run.once()
    assert run.status == "cancelled"
    assert logged(caplog) == []


def test_a_signal_that_comes_too_late_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Approve(Story):
        I.ask
        I.approval

        class State(StoryState):
            answer: str = ""

        async def ask(self, state: State) -> None: ...

        approval = Signal("approval", into="answer", within=5)

    with pytest.raises(SignalTimeoutError):
        Running(Approve(), Approve.State(), name="approve").once()
    stopped = "approve/order-1: the run of Approve has stopped at the step approval with SignalTimeoutError"
    assert logged(caplog) == [("ERROR", stopped)]


class FailsAtTheEnd:
    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        yield
        raise OSError("the report")


class Refuses:
    def before(self, context: StoryExecutionContext, step: object) -> None:
        raise OSError("the guard")


@pytest.mark.parametrize("hook", [FailsAtTheEnd(), Refuses()], ids=["at the end", "before a step"])
def test_a_hook_that_stops_a_run_is_logged(hook: Any, caplog: pytest.LogCaptureFixture) -> None:
    class One(Story):
        I.work

        class State(StoryState): ...

        def work(self, state: State) -> None: ...

    inject_hooks(One, [hook])
    run = Running(One(), One.State(), name="one")
    with pytest.raises(OSError, match="the"):
        run.once()
    assert run.status == "failed"
    assert logged(caplog) == [("ERROR", "one/order-1: the run of One has stopped at the step work with OSError")]


def test_a_log_that_fails_keeps_no_run_from_its_end() -> None:
    class Broken(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise ValueError("the disk is full")

    checkout, broken = stories(), Broken()
    run = Running(checkout(), checkout.State())
    logging.getLogger(DURABLE).addFilter(broken)
    try:
        with pytest.raises(Declined):
            run.once()
    finally:
        logging.getLogger(DURABLE).removeFilter(broken)
    assert run.status == "undone"


def test_a_plain_run_logs_nothing_of_this(caplog: pytest.LogCaptureFixture) -> None:
    checkout = stories()
    inject_hooks(checkout, [LoggingHook()])
    with pytest.raises(Declined):
        checkout()(checkout.State())
    assert logged(caplog) == []
    assert logged(caplog, "dddkit.stories.story")[0][1].startswith("Checkout:\n")
