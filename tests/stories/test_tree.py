"""The exact text of the execution tree."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dddkit.stories import (
    ExecutionTimeTracker,
    I,
    LoggingHook,
    StatusTracker,
    StepExecutionInfo,
    Story,
    StoryExecutionContext,
    inject_hooks,
)
from tests.stories.shop import Declined, Mode, Notes, both_modes, checkout, perform


@dataclass
class Drawn:
    """Stores the tree at the end of each run, with all durations replaced by 0.000."""

    trees: list[str] = field(default_factory=list[str])

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        try:
            yield
        finally:
            self.trees.append(re.sub(r"\d\.\d{3}s", "0.000s", str(context)))


def drawn(story: type[Story], state: Any, *hooks: Any) -> str:
    own = Drawn()
    inject_hooks(story, [*hooks, own])
    with suppress(Declined):
        perform(story, state)
    return own.trees[-1]


class Template:
    """Gives every step this template."""

    def __init__(self, template: str, **meta: Any) -> None:
        self.template = template
        self.meta = meta

    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        step.template = self.template
        step.meta.update(self.meta)


@both_modes
def test_without_trackers_the_tree_is_the_names(mode: Mode) -> None:
    assert drawn(checkout(mode), Notes()) == "Checkout:\n    I.reserve\n    I.charge\n    I.ship"


@both_modes
def test_the_status_tracker_draws_the_status(mode: Mode) -> None:
    assert (
        drawn(checkout(mode), Notes(charge=Declined()), StatusTracker())
        == "Checkout:\n    ✓I.reserve\n    ✗I.charge\n    I.ship"
    )


@both_modes
def test_the_time_tracker_draws_the_time_of_completed_steps(mode: Mode) -> None:
    assert (
        drawn(checkout(mode), Notes(charge=Declined()), ExecutionTimeTracker())
        == "Checkout:\n    I.reserve [0.000s]\n    I.charge\n    I.ship"
    )


@pytest.mark.parametrize("turned", [False, True])
def test_the_trackers_fit_in_any_order_and_any_number(turned: bool) -> None:
    trackers: list[Any] = [StatusTracker(), ExecutionTimeTracker(), StatusTracker(), ExecutionTimeTracker()]
    assert (
        drawn(checkout("sync"), Notes(charge=Declined()), *(trackers[::-1] if turned else trackers))
        == "Checkout:\n    ✓I.reserve [0.000s]\n    ✗I.charge\n    I.ship"
    )


def test_the_trackers_only_copy_facts_into_meta() -> None:
    seen: list[StepExecutionInfo] = []
    story = checkout("sync")
    inject_hooks(story, [StatusTracker(), ExecutionTimeTracker()])
    story.register_hook("after", lambda context, step: seen.append(step))
    perform(story, Notes())
    for step in seen:
        assert step.meta == {"status": step.status, "duration": step.duration}
        assert step.template == "    {meta[status]}I.{step_name} [{meta[duration]:.3f}s]"


def test_a_template_is_formatted_with_the_facts_and_meta() -> None:
    template = Template(
        "{step_index}/{step_name}/{status}/{status.name}/{meta[who]:>4}/{duration:.0f}/{error}", who="me"
    )
    assert drawn(checkout("sync"), Notes(), template).splitlines()[1] == "0/reserve/✓/COMPLETED/  me/0/None"


def test_a_name_in_a_template_without_a_value_is_empty() -> None:
    template = Template(
        "[{meta[none]}{meta[none]:.3f}{meta[none]!r}{meta[none].more}{meta[none][0]:d}{none}{none:.3f}]"
    )
    assert drawn(checkout("sync"), Notes(), template).splitlines()[1] == "[]"


def test_meta_as_a_whole_can_be_drawn() -> None:
    assert drawn(checkout("sync"), Notes(), Template("{meta}", a=1)).splitlines()[1] == "{'a': 1}"


# Nested stories


class Pay(Story):
    I.authorize
    I.capture

    def authorize(self, state: Notes) -> None:
        state.take("authorize")

    def capture(self, state: Notes) -> None:
        state.take("capture")


def new_pay() -> type[Story]:
    class NewPay(Pay):
        pass

    NewPay.__name__ = "Pay"
    return NewPay


def paying(pay: Callable[[Notes], Any]) -> type[Story]:
    class Checkout(Story):
        I.reserve
        I.pay
        I.ship

        def reserve(self, state: Notes) -> None:
            state.take("reserve")

        def ship(self, state: Notes) -> None:
            state.take("ship")

        def __init__(self) -> None:
            self.pay = pay

    return Checkout


def test_a_nested_story_with_hooks_stands_under_its_step() -> None:
    pay = new_pay()
    inject_hooks(pay, [StatusTracker(), ExecutionTimeTracker()])

    assert (
        drawn(paying(pay()), Notes(capture=Declined()), StatusTracker(), ExecutionTimeTracker())
        == """\
Checkout:
    ✓I.reserve [0.000s]
    ✗I.pay
        Pay:
            ✓I.authorize [0.000s]
            ✗I.capture
    I.ship"""
    )


def test_a_nested_story_without_hooks_is_not_drawn() -> None:
    assert drawn(paying(Pay()), Notes(), StatusTracker()) == "Checkout:\n    ✓I.reserve\n    ✓I.pay\n    ✓I.ship"


def test_runs_inside_a_step_stand_under_it_in_order_at_any_depth() -> None:
    pay = new_pay()
    inject_hooks(pay, [StatusTracker()])
    deep = paying(pay())
    inject_hooks(deep, [StatusTracker()])

    def twice(state: Notes) -> None:
        pay()(state)
        deep()(state)

    assert (
        drawn(paying(twice), Notes(), StatusTracker())
        == """\
Checkout:
    ✓I.reserve
    ✓I.pay
        Pay:
            ✓I.authorize
            ✓I.capture
        Checkout:
            ✓I.reserve
            ✓I.pay
                Pay:
                    ✓I.authorize
                    ✓I.capture
            ✓I.ship
    ✓I.ship"""
    )


def test_a_story_with_hooks_inside_one_without_stands_under_the_outer_step() -> None:
    pay = new_pay()
    inject_hooks(pay, [StatusTracker()])
    assert drawn(paying(paying(pay())()), Notes(), StatusTracker()).splitlines()[2:4] == ["    ✓I.pay", "        Pay:"]


def test_a_story_run_by_a_hook_is_not_drawn_under_a_step_that_has_ended() -> None:
    pay = new_pay()
    inject_hooks(pay, [StatusTracker()])

    class Running:
        def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
            pay()(Notes())

    assert "Pay:" not in drawn(checkout("sync"), Notes(), Running())


def test_a_story_run_after_another_does_not_stand_under_it() -> None:
    pay = new_pay()
    inject_hooks(pay, [StatusTracker()])
    own = Drawn()
    story = checkout("sync")
    inject_hooks(story, [own])
    perform(story, Notes())
    pay()(Notes())
    assert "Pay:" not in own.trees[0]


class PayLater(Story):
    I.authorize

    async def authorize(self, state: Notes) -> None:
        await asyncio.sleep(0.001)
        state.take("authorize")


def test_concurrent_runs_inside_a_step_stand_under_their_own_step() -> None:
    class Checkout(Story):
        I.first
        I.pay
        I.last

        def __init__(self, number: int) -> None:
            self.number = number

        async def first(self, state: Notes) -> None:
            await asyncio.sleep(0.001 * (self.number % 3))

        async def pay(self, state: Notes) -> None:
            runs = [PayLater()(state) for _ in range(self.number)]
            await asyncio.gather(*runs)

        async def last(self, state: Notes) -> None:
            await asyncio.sleep(0)

    own = Drawn()
    with inject_hooks(PayLater, [StatusTracker()]):
        inject_hooks(Checkout, [StatusTracker(), own])

        async def main() -> None:
            await asyncio.gather(*[Checkout(number)(Notes()) for number in range(12)])

        asyncio.run(main())

    nested = "        PayLater:\n            ✓I.authorize\n"
    assert sorted(own.trees, key=len) == [
        f"Checkout:\n    ✓I.first\n    ✓I.pay\n{nested * number}    ✓I.last" for number in range(12)
    ]


def test_a_task_that_outlives_its_step_starts_no_story_under_it() -> None:
    own = Drawn()

    class Checkout(Story):
        I.start
        I.wait

        async def start(self, state: list[Any]) -> None:
            state.append(asyncio.create_task(self.later()))

        async def wait(self, state: list[Any]) -> None:
            await state[0]

        async def later(self) -> None:
            await asyncio.sleep(0.001)
            await PayLater()(Notes())

    with inject_hooks(PayLater, [StatusTracker()]):
        inject_hooks(Checkout, [StatusTracker(), own])
        perform(Checkout, [])
    assert own.trees == ["Checkout:\n    ✓I.start\n    ✓I.wait"]


# The log


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [record for record in caplog.records if record.name == "dddkit.stories.story"]
    return [f"{record.levelname} {re.sub(r'[0-9][.][0-9]{3}s', '0.000s', record.getMessage())}" for record in records]


@both_modes
def test_the_log_of_a_run_at_debug(mode: Mode, caplog: pytest.LogCaptureFixture) -> None:
    story = checkout(mode)
    inject_hooks(story)
    with caplog.at_level(logging.DEBUG):
        perform(story, Notes())
    assert messages(caplog) == [
        "DEBUG Checkout:\n    ⟳I.reserve\n    I.charge\n    I.ship",
        "DEBUG Checkout:\n    ✓I.reserve [0.000s]\n    ⟳I.charge\n    I.ship",
        "DEBUG Checkout:\n    ✓I.reserve [0.000s]\n    ✓I.charge [0.000s]\n    ⟳I.ship",
        "DEBUG Checkout:\n    ✓I.reserve [0.000s]\n    ✓I.charge [0.000s]\n    ✓I.ship [0.000s]",
    ]


@both_modes
def test_the_log_of_a_failing_run(mode: Mode, caplog: pytest.LogCaptureFixture) -> None:
    story = checkout(mode)
    inject_hooks(story)
    error = Declined("card")
    with caplog.at_level(logging.DEBUG), pytest.raises(Declined):
        perform(story, Notes(charge=error))

    assert messages(caplog)[2:] == ["ERROR Checkout:\n    ✓I.reserve [0.000s]\n    ✗I.charge\n    I.ship"]
    exc_info = caplog.records[-1].exc_info
    assert exc_info is not None
    assert exc_info[1] is error
    assert caplog.text.endswith("Declined: card\n")
    assert 'state.take("charge")' in caplog.text


def test_at_warning_only_the_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    story = checkout("sync")
    inject_hooks(story)
    with caplog.at_level(logging.WARNING), pytest.raises(Declined):
        perform(story, Notes(charge=Declined()))
    [only] = messages(caplog)
    assert only.startswith("ERROR Checkout:")


@pytest.mark.parametrize(("level", "state"), [(logging.INFO, Notes()), (logging.CRITICAL, Notes(ship=Declined()))])
def test_nothing_is_rendered_when_the_level_is_off(level: int, state: Notes, caplog: pytest.LogCaptureFixture) -> None:
    class Explosive:
        def __format__(self, spec: str) -> str:
            raise AssertionError("rendered")

    story = checkout("sync")
    inject_hooks(story, [Template("{meta[bang]}", bang=Explosive()), LoggingHook()])
    with caplog.at_level(level), suppress(Declined):
        perform(story, state)
    assert messages(caplog) == []


def test_a_record_shows_the_run_as_it_was_when_it_was_logged(caplog: pytest.LogCaptureFixture) -> None:
    story = checkout("sync")
    inject_hooks(story)
    with caplog.at_level(logging.DEBUG):
        perform(story, Notes())
    assert caplog.records[0].getMessage().splitlines()[1] == "    ⟳I.reserve"


# The source line of a log record


def test_a_record_comes_from_the_line_that_lists_the_step(caplog: pytest.LogCaptureFixture) -> None:
    inject_hooks(paid := new_pay())
    with caplog.at_level(logging.DEBUG):
        with suppress(Declined):
            perform(paid, Notes(capture=Declined()))
        perform(paid, Notes())
    authorize, capture = (step.line for step in Pay.I.__listed_steps__)
    # The failed run: one record for each started step, then one at the step that failed. The completed run: one for
    # each step, then one at the first step.
    assert [record.lineno for record in caplog.records] == [authorize, capture, capture, authorize, capture, authorize]
    for record in caplog.records:
        assert (record.pathname, record.module, record.funcName) == (__file__, "test_tree", "Pay")


VARYING = {"created", "msecs", "relativeCreated"}
GROWING = {"exc_info", "exc_text"}  # the traceback gets longer as the error propagates


@pytest.mark.parametrize("error", [None, Declined("card")], ids=["debug", "error"])
def test_a_record_equals_one_of_the_logger_itself_except_for_its_source_line(
    error: Declined | None, caplog: pytest.LogCaptureFixture
) -> None:
    inject_hooks(story := new_pay(), [LoggingHook()])
    logger = logging.getLogger("dddkit.stories.story")
    with caplog.at_level(logging.DEBUG), suppress(Declined):
        perform(story, Notes() if error is None else Notes(capture=error))
    ours = caplog.records[-1]
    with caplog.at_level(logging.DEBUG):
        logger.log(ours.levelno, str(ours.msg), exc_info=error)
    theirs = caplog.records[-1]
    assert ours is not theirs
    assert vars(ours).keys() == vars(theirs).keys()
    differing = {name for name, value in vars(ours).items() if value != vars(theirs)[name]}
    assert differing - VARYING - GROWING == {"lineno", "funcName"}  # the story is defined in this file, as the call is
    assert all(type(vars(ours)[name]) is type(vars(theirs)[name]) for name in differing)
    assert (ours.exc_info or [None])[:2] == (theirs.exc_info or [None])[:2]
    assert (error is None) == (ours.exc_info is None)


def test_a_tree_may_hold_percent_signs(caplog: pytest.LogCaptureFixture) -> None:
    inject_hooks(story := new_pay(), [Template("%s 100 %% {step_name}"), LoggingHook()])
    with caplog.at_level(logging.DEBUG):
        perform(story, Notes())
    assert caplog.records[-1].getMessage() == "Pay:\n%s 100 %% authorize\n%s 100 %% capture"


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """Yield the logger at DEBUG; restore it afterwards."""
    found = logging.getLogger("dddkit.stories.story")
    level, kind = found.level, type(found)
    found.setLevel(logging.DEBUG)
    yield found
    found.setLevel(level)
    found.disabled = False
    found.__class__ = kind
    found.filters.clear()
    found.handlers.clear()
    logging.disable(logging.NOTSET)
    logging.setLogRecordFactory(logging.LogRecord)


def logged(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Run a story of two steps; return its log records."""
    inject_hooks(story := new_pay(), [LoggingHook()])
    caplog.clear()
    perform(story, Notes())
    return caplog.records


def test_filters_of_the_logger_decide(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    first = Pay.I.__listed_steps__[0].line
    logger.addFilter(lambda record: record.lineno != first)
    assert len(logged(caplog)) == 1


def test_a_disabled_logger_and_a_disabled_level_write_nothing(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(logged(caplog)) == 3
    logger.disabled = True
    assert logged(caplog) == []
    logger.disabled = False
    logging.disable(logging.DEBUG)
    assert logged(caplog) == []


def test_the_factory_of_records_makes_them(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    class Own(logging.LogRecord): ...

    logging.setLogRecordFactory(Own)
    assert {type(record) for record in logged(caplog)} == {Own}


def test_a_logger_of_another_class_logs_its_own_way(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    class Own(logging.Logger):
        def log(self, level: int, msg: object, *args: object, **more: Any) -> None:
            super().log(level, f"own: {msg}", *args, **more)

    logger.__class__ = Own
    assert all(record.getMessage().startswith("own: Pay:") for record in logged(caplog))
    assert len(caplog.records) == 3


def test_a_handler_that_fails_does_not_fail_the_story(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            self.handleError(record)

    monkeypatch.setattr(logging, "raiseExceptions", False)
    logger.addHandler(Failing())
    assert len(logged(caplog)) == 3


# Other hooks that change a step after the trackers


class Acting:
    """Calls `act` with each step, between the trackers and the log."""

    def __init__(self, act: Callable[[StepExecutionInfo], object]) -> None:
        self.act = act
        self.trees: list[str] = []

    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        str(context)
        self.act(step)
        self.trees.append(str(context))

    def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        self.before(context, step)


def test_what_is_changed_in_a_meta_that_was_kept_is_drawn() -> None:
    kept: list[dict[str, Any]] = []

    def act(step: StepExecutionInfo) -> None:
        kept.append(step.meta) if not kept else kept[0].update(status=f"<{len(acting.trees)}>")

    acting = Acting(act)
    inject_hooks(story := new_pay(), [StatusTracker(), acting])
    perform(story, Notes())
    assert [tree.splitlines()[1].strip() for tree in acting.trees] == [
        "⟳I.authorize",
        "<1>I.authorize",
        "<2>I.authorize",
        "<3>I.authorize",
    ]


class Actions(StatusTracker):
    """A user's tracker that extends one of the kit."""

    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        super().before(context, step)
        step.meta["status"] = "..."
        step.template += "!"


def test_a_tracker_may_be_derived_from() -> None:
    assert drawn(new_pay(), Notes(), Actions()) == "Pay:\n    ✓I.authorize!\n    ✓I.capture!"


STATUS = "I.{step_name}", "{meta[status]}I.{step_name}"
ACTIONS = st.lists(st.sampled_from(["status", "duration", "own", "held", "template", "faked", "draw"]), max_size=8)


class Filled(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""


@given(ACTIONS, ACTIONS)
@example(["status"], ["draw", "duration"])
def test_a_line_is_always_the_template_filled_in(before: list[str], after: list[str]) -> None:
    meta: dict[str, Any] = {}
    template = "    I.{step_name}"
    held: list[dict[str, Any]] = []

    def act(context: StoryExecutionContext, step: StepExecutionInfo, actions: list[str]) -> None:
        nonlocal template
        for number, action in enumerate(actions):
            if action == "status":
                StatusTracker().before(context, step)
                template = template if "status" in meta else template.replace(*STATUS, 1)
                meta["status"] = step.status
            elif action == "duration":
                ExecutionTimeTracker().after(context, step)
                if actions is after and "duration" not in meta:
                    meta["duration"] = step.duration
                    template += " [{meta[duration]:.3f}s]"
            elif action == "own":
                meta["own"] = number
                step.meta["own"] = number
                held.append(step.meta)
            elif action == "held":
                for one in held[:1]:
                    one["own"] = meta["own"] = -number
            elif action == "template":
                template = "!{meta[own]}" + template
                step.template = "!{meta[own]}" + step.template
            elif action == "faked":
                meta["status"] = step.meta["status"] = "*"
            wanted = template.format_map({"step_name": "only", "meta": Filled(meta)})
            if action == "draw":
                assert (str(context), str(step)) == (f"Only:\n{wanted}", wanted)
        assert str(context) == "Only:\n" + template.format_map({"step_name": "only", "meta": Filled(meta)})
        assert step.template == template

    class Only(Story):
        I.only

        def only(self, state: object) -> None: ...

    Only.register_hook("before", lambda context, step: act(context, step, before))
    Only.register_hook("after", lambda context, step: act(context, step, after))
    Only()(None)
