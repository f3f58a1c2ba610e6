"""Which hooks a story has, in which order they run, and what happens to their errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from dddkit._awaitables import FINISHED
from dddkit.stories import (
    ExecutionTimeTracker,
    I,
    LoggingHook,
    StatusTracker,
    StepExecutionInfo,
    StepStatus,
    Story,
    StoryExecutionContext,
    inject_hooks,
)
from tests.stories.constructors import Constructor, every_constructor
from tests.stories.recording import AsyncRecorder, Recorder
from tests.stories.shop import Declined, Mode, Notes, both_modes, checkout, perform, run_alone


class Sale(Story):
    I.pay

    def pay(self, state: Notes) -> None:
        state.take("pay")


def new_sale() -> type[Story]:
    class NewSale(Sale):
        pass

    return NewSale


def loosely(value: Any) -> Any:
    """Return the value as Any, so that checkers do not report what a test does on purpose."""
    return value


def defaults_of(story: type[Story]) -> list[str]:
    return [type(callback.__self__).__name__ for callback in loosely(story).__step_hooks__["before"]]


# The class that owns the hooks


def test_s1_hooks_never_touch_another_story() -> None:
    log: list[str] = []
    first, second = checkout("sync"), checkout("sync")
    inject_hooks(first, [Recorder("a", log)])
    perform(second, Notes())
    assert log == []
    assert second.__step_hooks__ is not first.__step_hooks__


def test_s1_a_hook_of_a_child_does_not_reach_the_parent_nor_its_other_children() -> None:
    log: list[str] = []
    child, sibling = new_sale(), new_sale()
    inject_hooks(child, [Recorder("a", log)])
    perform(Sale, Notes())
    perform(sibling, Notes())
    assert log == []


@every_constructor
def test_s1_every_story_class_has_a_registry_of_its_own(made: Constructor) -> None:
    class Child(Sale):
        pass

    first = made(Child)
    assert first.__step_hooks__ is Child.__step_hooks__ or made.__name__ == "by_hand"
    assert first.__step_hooks__ is not Sale.__step_hooks__


def test_s2_injecting_the_defaults_twice_adds_them_once() -> None:
    story = new_sale()
    inject_hooks(story)
    inject_hooks(story)
    assert defaults_of(story) == ["StatusTracker", "LoggingHook"]


def test_s2_the_same_hook_twice_runs_once() -> None:
    log: list[str] = []
    story = new_sale()
    hook = Recorder("a", log)
    inject_hooks(story, [hook, hook])
    inject_hooks(story, [hook])
    perform(story, Notes())
    assert log == ["a enter story", "a enter pay", "a before pay", "a after pay", "a leave pay", "a leave story"]


def test_s2_a_hook_of_the_parent_and_of_the_child_runs_once() -> None:
    log: list[str] = []
    parent = new_sale()

    class Child(parent):  # type: ignore[misc, valid-type]  # a base chosen at run time
        pass

    child: Any = Child
    hook = Recorder("a", log)
    inject_hooks(parent, [hook])
    inject_hooks(child, [hook])
    perform(child, Notes())
    assert log.count("a before pay") == 1


def test_two_hooks_that_are_equal_but_not_the_same_both_run() -> None:
    @dataclass(frozen=True)
    class Counting:
        seen: tuple[str, ...] = ()

        def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
            log.append("before")

    log: list[str] = []
    story = new_sale()
    inject_hooks(story, [Counting(), Counting()])
    perform(story, Notes())
    assert log == ["before", "before"]


def test_hooks_are_inherited_and_run_before_the_childs_own() -> None:
    log: list[str] = []
    parent = new_sale()

    class Child(parent):  # type: ignore[misc, valid-type]  # a base chosen at run time
        pass

    child: Any = Child
    inject_hooks(child, [Recorder("child", log)])
    inject_hooks(parent, [Recorder("parent", log)])
    perform(child, Notes())
    assert log[:2] == ["parent enter story", "child enter story"]
    assert [entry for entry in log if "before" in entry] == ["parent before pay", "child before pay"]


def test_hooks_of_story_itself_reach_every_story() -> None:
    log: list[str] = []
    with inject_hooks(Story, [Recorder("all", log)]):
        perform(new_sale(), Notes())
    perform(new_sale(), Notes())
    assert log.count("all before pay") == 1


# Injecting


def test_none_means_the_three_defaults() -> None:
    story = new_sale()
    inject_hooks(story, None)
    assert {type(callback.__self__) for kind in story.__step_hooks__.values() for callback in loosely(kind)} == {
        StatusTracker,
        ExecutionTimeTracker,
        LoggingHook,
    }


def test_s19_an_empty_list_means_none() -> None:
    story = new_sale()
    inject_hooks(story, [])
    assert not any(story.__step_hooks__.values())


def test_s19_what_was_injected_can_be_removed() -> None:
    log: list[str] = []
    story = new_sale()
    kept = Recorder("kept", log)
    inject_hooks(story, [kept])
    handle = inject_hooks(story, [Recorder("gone", log), kept])

    handle.remove()
    handle.remove()
    perform(story, Notes())

    assert "gone before pay" not in log
    assert "kept before pay" in log


def test_the_handle_is_a_context_manager_that_removes_at_the_end() -> None:
    log: list[str] = []
    story = new_sale()
    with pytest.raises(Declined), inject_hooks(story, [Recorder("a", log)]):
        perform(story, Notes(pay=Declined()))
    perform(story, Notes())
    assert log.count("a before pay") == 1
    assert not any(story.__step_hooks__.values())


def test_clearing_the_registry_clears_the_hooks() -> None:
    log: list[str] = []
    story = new_sale()
    handle = inject_hooks(story, [Recorder("a", log)])
    story.__step_hooks__.clear()
    perform(story, Notes())
    handle.remove()
    assert log == []


def test_a_registry_maps_a_kind_of_hook_to_its_callbacks() -> None:
    def callback(context: StoryExecutionContext, step: StepExecutionInfo) -> None: ...

    story = new_sale()
    for kind in ("before", "after", "error"):
        loosely(story).register_hook(kind, callback)
        assert story.__step_hooks__[kind] == [callback]


def test_a_registered_callback_is_called_with_context_and_step() -> None:
    seen: list[tuple[str, str, StepStatus]] = []

    def seeing(kind: str, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        seen.append((kind, step.step_name, step.status))

    story = new_sale()
    before = partial(seeing, "before")
    story.register_hook("before", before)
    story.register_hook("before", before)
    story.register_hook("after", partial(seeing, "after"))
    handle = story.register_hook("error", partial(seeing, "error"))

    with pytest.raises(Declined):
        perform(story, Notes(pay=Declined()))
    assert seen == [
        ("before", "pay", StepStatus.RUNNING),
        ("error", "pay", StepStatus.FAILED),
        ("after", "pay", StepStatus.FAILED),
    ]

    handle.remove()
    seen.clear()
    with pytest.raises(Declined):
        perform(story, Notes(pay=Declined()))
    assert [kind for kind, _, _ in seen] == ["before", "after"]


def test_a_bound_method_is_the_same_callback_each_time_it_is_read() -> None:
    class Seen:
        def __init__(self) -> None:
            self.steps: list[str] = []
            self.known: dict[object, object] = {}

        def see(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
            self.steps.append(step.step_name)

    story, seen, other = new_sale(), Seen(), Seen()
    for _ in range(2):
        for watching in (seen, other):
            story.register_hook("before", watching.see)
            story.register_hook("before", watching.known.setdefault)  # a method implemented in C
    assert len(story.__step_hooks__["before"]) == 4
    perform(story, Notes())
    assert seen.steps == other.steps == ["pay"]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no hook kind 'befor'; there are 'before', 'after' and 'error'"):
        loosely(Sale).register_hook("befor", print)
    assert "befor" not in Sale.__step_hooks__


def test_a_callback_that_is_not_callable_is_refused() -> None:
    with pytest.raises(TypeError, match="Sale: a 'before' hook is a callable, not None"):
        loosely(Sale).register_hook("before", None)


class Misspelt:
    def arround_story(self, context: StoryExecutionContext) -> Iterator[None]:
        yield


@pytest.mark.parametrize(
    ("hooks", "message"),
    [
        (
            [StatusTracker(), StatusTracker],
            r"StatusTracker is a class; pass an object of it: StatusTracker\(\)",
        ),
        (
            [StatusTracker(), object()],
            "is no hook: it has none of the methods after, around_compensation, around_step, around_story, ",
        ),
        ([StatusTracker(), Misspelt()], "'arround_story' of the hook Misspelt .* did you mean 'around_story'"),
        ([StatusTracker(), SimpleNamespace(before=3)], "'before' of the hook .* is no method, but 3"),
        (StatusTracker(), r"inject_hooks takes a list of hooks: hooks=\[StatusTracker\(...\)\]"),
    ],
    ids=["class", "no method", "misspelt method", "no callable", "no list"],
)
def test_what_is_no_hook_is_refused_and_nothing_is_injected(hooks: Any, message: str) -> None:
    story = new_sale()
    with pytest.raises(TypeError, match=message):
        inject_hooks(story, hooks)
    assert not any(story.__step_hooks__.values())


def test_an_async_around_hook_is_refused() -> None:
    class Coroutine:
        async def around_step(self, context: object, step: object) -> None: ...

    class Generator:
        async def around_story(self, context: object) -> Any:
            yield

    for hook in (Coroutine(), Generator()):
        with pytest.raises(TypeError, match="is async; make it a plain generator function"):
            inject_hooks(new_sale(), [loosely(hook)])


@pytest.mark.parametrize("target", [Sale(), object, print], ids=["instance", "other class", "function"])
def test_hooks_are_injected_into_story_classes_only(target: Any) -> None:
    with pytest.raises(TypeError, match="inject_hooks takes the class of a story"):
        inject_hooks(target)


def test_hooks_added_during_a_run_are_for_the_next() -> None:
    log: list[str] = []
    story = checkout("sync")

    class Adding:
        def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
            inject_hooks(story, [Recorder("added", log)])

    with inject_hooks(story, [Adding()]):
        perform(story, Notes())
        assert log == []
    perform(story, Notes())
    assert "added before reserve" in log


# Order


@both_modes
def test_around_hooks_wrap_the_others_the_first_outermost(mode: Mode) -> None:
    log: list[str] = []
    story = new_sale() if mode == "sync" else async_sale()
    inject_hooks(story, [Recorder("a", log), Recorder("b", log)])

    perform(story, Notes())

    assert log == [
        "a enter story",
        "b enter story",
        "a enter pay",
        "b enter pay",
        "a before pay",
        "b before pay",
        "a after pay",
        "b after pay",
        "b leave pay",
        "a leave pay",
        "b leave story",
        "a leave story",
    ]


@both_modes
def test_error_hooks_run_before_after_hooks(mode: Mode) -> None:
    log: list[str] = []
    story = new_sale() if mode == "sync" else async_sale()
    inject_hooks(story, [Recorder("a", log), Recorder("b", log)])

    with pytest.raises(Declined):
        perform(story, Notes(pay=Declined()))

    assert log[6:] == [
        "a error pay",
        "b error pay",
        "a after pay",
        "b after pay",
        "b leave pay",
        "a leave pay",
        "b leave story",
        "a leave story",
    ]


def async_sale() -> type[Story]:
    class AsyncSale(Story):
        I.pay

        async def pay(self, state: Notes) -> None:
            await asyncio.sleep(0)
            state.take("pay")

    return AsyncSale


def test_s13_async_hooks_are_awaited_in_order_with_sync_ones() -> None:
    log: list[str] = []
    story = checkout("async")
    inject_hooks(story, [AsyncRecorder("a", log), Recorder("b", log), AsyncRecorder("c", log)])

    with pytest.raises(Declined):
        perform(story, Notes(reserve=Declined()))

    assert [entry for entry in log if "enter" not in entry and "leave" not in entry] == [
        "a before reserve",
        "b before reserve",
        "c before reserve",
        "a error reserve",
        "b error reserve",
        "c error reserve",
        "a after reserve",
        "b after reserve",
        "c after reserve",
    ]


@pytest.mark.parametrize("kind", ["before", "after", "error"])
def test_s13_an_async_hook_on_a_sync_story_is_refused_before_the_first_step(kind: str) -> None:
    async def watch(context: StoryExecutionContext, step: StepExecutionInfo) -> None: ...

    story = new_sale()
    loosely(story).register_hook(kind, watch)
    state = Notes()
    with pytest.raises(TypeError) as caught:
        story()(state)
    assert f"NewSale: the {kind} hook " in str(caught.value)
    assert str(caught.value).endswith(
        "watch is async, but no step of the story is; make the hook a plain function, or make one step async "
        "and await the story"
    )
    assert state.log == []


def test_s13_an_async_hook_of_a_nested_sync_story_is_refused_before_the_first_step() -> None:
    log: list[str] = []
    inner = new_sale()
    inject_hooks(inner, [AsyncRecorder("a", log)])

    @dataclass
    class Outer(Sale):
        I.pay
        I.inner
        I.wait

        inner: Story

        async def wait(self, state: Notes) -> None: ...

    state = Notes()
    with pytest.raises(TypeError, match=r"NewSale: the before hook AsyncRecorder\.before is async"):
        perform(Outer(inner()), state)
    assert state.log == []


@pytest.mark.parametrize("kind", ["before", "after"])
def test_s13_an_awaitable_from_a_hook_of_a_sync_story_is_closed_and_refused(kind: str) -> None:
    async def watch() -> None: ...

    def hiding(context: StoryExecutionContext, step: StepExecutionInfo) -> object:
        return watch()

    story = new_sale()
    loosely(story).register_hook(kind, hiding)
    state = Notes()
    with pytest.raises(TypeError, match="hiding returned an awaitable, but the story is sync; make it a plain"):
        story()(state)
    assert state.log == ([] if kind == "before" else ["pay"])


def test_a_hook_of_a_sync_story_may_run_another_sync_story() -> None:
    log: list[str] = []
    story = new_sale()
    story.register_hook("before", lambda context, step: Sale()(Notes()))
    story.register_hook("after", lambda context, step: log.append("after"))
    assert story()(Notes()) is FINISHED
    assert log == ["after"]


def test_an_async_story_awaits_what_a_hook_returns() -> None:
    log: list[str] = []

    async def watch() -> None:
        log.append("watched")

    story = async_sale()
    story.register_hook("before", lambda context, step: watch())
    story.register_hook("after", lambda context, step: watch())
    perform(story, Notes())
    assert log == ["watched", "watched"]


# Errors of hooks

Hooked = Callable[..., Any]


def story_with(mode: Mode, log: list[str], *errors: dict[str, BaseException], use_async: bool = False) -> Any:
    """Return a checkout with one recorder for each dict of errors."""
    story = checkout(mode)
    kind: Any = AsyncRecorder if use_async else Recorder
    inject_hooks(story, [kind(name, log, **own) for name, own in zip("abc", errors, strict=False)])
    return story


@dataclass
class Facts:
    """Stores the context of the run for the assertions."""

    context: Any = None

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        self.context = context
        yield

    @property
    def statuses(self) -> list[StepStatus]:
        return [step.status for step in self.context.steps]


both_kinds = pytest.mark.parametrize(
    ("mode", "use_async"), [("sync", False), ("async", False), ("async", True)], ids=["sync", "async", "async hooks"]
)


@both_kinds
def test_a_before_hook_that_raises_stops_the_story_like_a_failing_step(mode: Mode, use_async: bool) -> None:
    log: list[str] = []
    guard = Declined("guard")
    story = story_with(mode, log, {"before": guard}, {}, use_async=use_async)
    facts = Facts()
    inject_hooks(story, [facts])
    state = Notes()

    with pytest.raises(Declined) as caught:
        perform(story, state)

    assert caught.value is guard
    assert state.log == []
    assert [entry for entry in log if "enter" not in entry and "leave" not in entry] == [
        "a before reserve",
        "a error reserve",
        "b error reserve",
        "a after reserve",
        "b after reserve",
    ]
    assert facts.statuses == [StepStatus.FAILED, StepStatus.PENDING, StepStatus.PENDING]
    assert facts.context.steps[0].error is guard
    assert facts.context.steps[0].duration == 0.0
    assert facts.context.status is StepStatus.FAILED


@both_kinds
@pytest.mark.parametrize("kind", ["after", "error"])
def test_s12_a_failing_hook_never_replaces_the_error_of_the_step(
    mode: Mode, use_async: bool, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    error, own = Declined("card"), LookupError("hook")
    story = story_with(mode, log, {kind: own}, {}, use_async=use_async)

    with pytest.raises(Declined) as caught:
        perform(story, Notes(reserve=error))

    assert caught.value is error
    assert {"a error reserve", "b error reserve", "a after reserve", "b after reserve"} <= set(log)
    [record] = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is own
    assert record.levelno == logging.ERROR
    assert record.name == "dddkit.stories.hooks"
    assert "Checkout: the hook " in record.getMessage()
    assert f"Recorder.{kind} failed while another error was on its way" in record.getMessage()


@both_kinds
def test_s12_a_failing_after_hook_is_raised_once_the_others_have_run(mode: Mode, use_async: bool) -> None:
    log: list[str] = []
    own = LookupError("hook")
    story = story_with(mode, log, {"after": own}, {}, use_async=use_async)
    facts = Facts()
    inject_hooks(story, [facts])
    state = Notes()

    with pytest.raises(LookupError) as caught:
        perform(story, state)

    assert caught.value is own
    assert state.log == ["reserve"]
    assert "b after reserve" in log
    assert not [entry for entry in log if "error" in entry]
    assert facts.statuses == [StepStatus.COMPLETED, StepStatus.PENDING, StepStatus.PENDING]
    assert facts.context.status is StepStatus.FAILED


@both_kinds
def test_of_several_failing_hooks_the_first_is_raised_and_the_others_are_logged(
    mode: Mode, use_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    first, second = LookupError("first"), LookupError("second")
    story = story_with(mode, log, {"after": first}, {"after": second}, use_async=use_async)

    with pytest.raises(LookupError, match="first"):
        perform(story, Notes())

    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [second]


@both_kinds
def test_ctrl_c_in_a_hook_comes_before_any_other_error(
    mode: Mode, use_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    first = LookupError("first")
    story = story_with(mode, log, {"after": first}, {"after": KeyboardInterrupt()}, {}, use_async=use_async)
    error = Declined("card")
    facts = Facts()
    inject_hooks(story, [facts])

    with pytest.raises(KeyboardInterrupt) as caught:
        run_alone(story, Notes(reserve=error))

    assert caught.value.__cause__ is error
    assert "c after reserve" in log
    assert facts.statuses[0] is StepStatus.FAILED
    assert facts.context.status is StepStatus.CANCELLED
    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [first]


def test_ctrl_c_in_a_second_hook_comes_before_the_error_of_the_first(caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []
    first = LookupError("first")
    story = story_with("sync", log, {"after": first}, {"after": KeyboardInterrupt()})

    with pytest.raises(KeyboardInterrupt):
        perform(story, Notes())

    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [first]
    assert "the hook Recorder.after failed" in caplog.text


@both_kinds
def test_a_hook_may_raise_the_error_of_the_step_again(
    mode: Mode, use_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    error = Declined("card")
    story = story_with(mode, [], {"error": error, "after": LookupError()}, use_async=use_async)

    def again(context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        if step.error is not None:
            raise step.error

    story.__step_hooks__.clear()
    story.register_hook("error", again)
    with pytest.raises(Declined) as caught:
        perform(story, Notes(charge=error))

    assert caught.value is error
    assert caplog.records == []
    assert "again" not in [frame.name for frame in caught.traceback]
