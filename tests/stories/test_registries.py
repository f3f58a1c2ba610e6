"""The hook registry of a class: shared, written in the body, and changed by several threads or in the middle."""

from __future__ import annotations

import gc
import inspect
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any
from weakref import ref

import pytest

from dddkit.stories import I, Story, inject_hooks
from tests.stories.constructors import Constructor, every_constructor
from tests.stories.shop import Mode, Notes, both_modes, checkout, finish, needs_threads, perform


class Note:
    """A hook that notes its name before each step."""

    def __init__(self, name: str = "hook") -> None:
        self.name = name

    def before(self, context: Any, step: Any) -> None:
        context.state.log.append(self.name)


def loosely(value: Any) -> Any:
    """Return the value as Any, so that checkers do not report what a test does on purpose."""
    return value


class Sale(Story):
    I.pay

    def pay(self, state: Notes) -> None:
        state.take("pay")


def child_of(story: Any, **body: object) -> Any:
    return type(story)("Child", (story,), body)


def ran(story: Any) -> list[str]:
    state = Notes()
    finish((story() if isinstance(story, type) else story)(state))
    return state.log


# FS7: a registry tells every class that uses it


@pytest.mark.parametrize("runs_before", [False, True])
def test_fs7_hooks_injected_into_one_class_reach_another_that_uses_its_registry(runs_before: bool) -> None:
    """As autoreload in a notebook does it: the old class gets all attributes of the new one."""
    one, other = child_of(Sale), child_of(Sale)
    other.__step_hooks__ = one.__step_hooks__
    grandchild = child_of(other)
    classes = (one, other, grandchild)
    if runs_before:
        assert [ran(cls) for cls in classes] == [["pay"]] * 3
    with inject_hooks(one, [Note()]):
        assert [ran(cls) for cls in classes] == [["hook", "pay"]] * 3
        assert other.__step_hooks__ is one.__step_hooks__
    assert [ran(cls) for cls in classes] == [["pay"]] * 3
    with inject_hooks(other, [Note("other")]):
        assert [ran(cls) for cls in classes] == [["other", "pay"]] * 3


def test_fs7_all_that_autoreload_does_to_a_class_leaves_it_working() -> None:
    """IPython sets each attribute of the new class in the old one, and gives old objects the new class."""
    old = child_of(Sale)
    story = old()
    assert ran(story) == ["pay"]

    def repay(self: object, state: Notes) -> None:
        state.take("repay")

    new = child_of(Sale, pay=repay)
    attributes: dict[str, object] = loosely(vars)(new)
    for name in list(attributes):
        if name not in ("__dict__", "__weakref__", "__doc__"):
            setattr(old, name, attributes[name])
    assert ran(story) == ran(old) == ran(new) == ["repay"]
    with inject_hooks(new, [Note()]):
        assert ran(story) == ran(old) == ran(new) == ["hook", "repay"]
    story.__class__ = new
    assert ran(story) == ["repay"]


@pytest.mark.parametrize("runs_before", [False, True])
def test_fs7_a_registry_that_is_used_no_more_changes_nothing(runs_before: bool) -> None:
    one, other = child_of(Sale), child_of(Sale)
    other.__step_hooks__ = one.__step_hooks__
    if runs_before:
        assert ran(other) == ["pay"]
    other.__step_hooks__ = {}
    with inject_hooks(one, [Note()]):
        assert ran(other) == ["pay"]
        assert ran(one) == ["hook", "pay"]


@every_constructor
def test_fs7_a_registry_of_the_body_is_used(made: Constructor) -> None:
    note = Note()

    class Written(Sale):
        __step_hooks__ = {"before": [note.before]}

    story = made(Written)
    assert ran(story) == ["hook", "pay"]
    with inject_hooks(story, [Note("more")]):
        assert ran(story) == ["hook", "more", "pay"]
    assert ran(story) == ["hook", "pay"]
    Written.__step_hooks__["before"].clear()
    assert ran(story) == ["pay"]


def test_fs7_a_body_may_take_the_registry_of_another_class() -> None:
    one = child_of(Sale)

    class Other(Sale):
        __step_hooks__ = one.__step_hooks__

    assert Other.__step_hooks__ is one.__step_hooks__
    with inject_hooks(one, [Note()]):
        assert ran(Other) == ["hook", "pay"]


def test_fs7_what_is_no_registry_is_refused_in_a_body_too() -> None:
    with pytest.raises(TypeError, match="Child: __step_hooks__ is a dict, kind to list of hooks, and not 3"):
        child_of(Sale, __step_hooks__=3)


def use_another_kind(how: str) -> None:
    hooks: dict[str, list[Any]] = {"befor": [Note().before]}
    story = child_of(Sale)
    if how == "body":
        child_of(Sale, __step_hooks__=hooks)
    elif how == "assignment":
        story.__step_hooks__ = hooks
    elif how == "item":
        story.__step_hooks__["befor"] = []
    elif how == "missing item":
        story.__step_hooks__["befor"].append(Note().before)
    elif how == "setdefault":
        story.__step_hooks__.setdefault("befor", [])
    else:
        story.__step_hooks__ |= hooks


@pytest.mark.parametrize("how", ["body", "assignment", "item", "missing item", "setdefault", "update"])
def test_fs7_fs13_a_kind_of_hook_that_does_not_exist_is_refused(how: str) -> None:
    with pytest.raises(ValueError, match="no hook kind 'befor'; there are around_story, "):
        use_another_kind(how)


def test_fs7_classes_that_share_a_registry_die() -> None:
    one = child_of(Sale)

    def use_and_drop() -> ref[Any]:
        other = child_of(Sale)
        other.__step_hooks__ = one.__step_hooks__
        ran(other)
        return ref(other)

    dead = [use_and_drop() for _ in range(100)]
    gc.collect()
    assert [known() for known in dead] == [None] * 100
    inject_hooks(one, [Note()])
    assert ran(one) == ["hook", "pay"]


# FR16: none lost

APPENDS: dict[str, Callable[[Any, Any], object]] = {
    "append": lambda registry, hook: registry["before"].append(hook),
    "insert": lambda registry, hook: registry["before"].insert(0, hook),
    "extend": lambda registry, hook: registry["before"].extend([hook]),
    "+=": lambda registry, hook: registry.__setitem__("before", registry["before"].__iadd__([hook])),
    "setdefault": lambda registry, hook: registry.setdefault("before", []).append(hook),
    "slice": lambda registry, hook: registry["before"].__setitem__(slice(0, 0), [hook]),
}


@pytest.fixture
def switching() -> Iterator[None]:
    """Let threads switch as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@needs_threads
@pytest.mark.usefixtures("switching")
@pytest.mark.parametrize("append", APPENDS.values(), ids=APPENDS)
def test_fr16_no_hook_is_lost_that_several_threads_append(append: Callable[[Any, Any], object]) -> None:
    story: Any = None
    for _ in range(30):
        story = child_of(Sale)
        barrier = threading.Barrier(8)
        hooks = [[Note(f"{thread}").before for _ in range(10)] for thread in range(8)]

        def work(own: list[Any], story: Any = story, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            for hook in own:
                append(story.__step_hooks__, hook)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, hooks))
        assert len(story.__step_hooks__["before"]) == 80
    assert len(ran(story)) == 81


@needs_threads
@pytest.mark.usefixtures("switching")
def test_fr16_no_hook_is_lost_while_others_are_injected_and_removed() -> None:
    story = child_of(Sale)
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            inject_hooks(story, [Note() for _ in range(3)]).remove()

    threads = [threading.Thread(target=come_and_go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        story.__step_hooks__["before"].append(Note().before)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(story.__step_hooks__["before"]) == 100
    assert len(ran(story)) == 101


# FR2: re-entered by what may run at any line


class Meddling:
    """Injects, removes, runs and patches stories, as a finalizer or a signal handler may."""

    def __init__(self, story: Any) -> None:
        self.story = story
        self.other = child_of(Sale)
        self.kept = Note("kept")
        self.goes = inject_hooks(story, [Note("goes")])
        self.calls = 0

    def meddle(self) -> None:
        self.calls += 1
        inject_hooks(self.story, [self.kept])
        self.goes.remove()
        self.goes = inject_hooks(self.story, [Note("goes")])
        assert ran(child_of(self.story))[-1] == "pay"
        assert ran(self.other) == ["pay"]
        self.other.pay = Sale.pay


def interrupted_at(number: int, work: Callable[[], object], function: Callable[[], object]) -> bool:
    """Do some work, and call a function at one line of the kit on the way; return whether there are so many lines."""
    lines = 0

    def trace(frame: Any, event: str, argument: object) -> Any:
        nonlocal lines
        file = frame.f_code.co_filename
        if event == "line" and "dddkit" in file and not file.endswith("codegen.py"):  # which changes nothing
            lines += 1
            if lines == number:
                sys.settrace(None)
                function()
                return None
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines >= number


@pytest.mark.parametrize("has_run", [False, True])
@pytest.mark.parametrize("work", ["inject", pytest.param("run", marks=pytest.mark.slow), "remove"])
def test_fr2_hooks_are_right_whatever_line_another_change_interrupts(work: str, has_run: bool) -> None:
    number = 0
    for number in count(1):
        story = child_of(Sale)
        meddling = Meddling(story)
        if has_run:
            ran(story)
        if work == "inject":
            went_on = interrupted_at(number, partial(inject_hooks, story, [Note("mine")]), meddling.meddle)
        elif work == "run":
            inject_hooks(story, [Note("mine")])
            went_on = interrupted_at(number, partial(ran, story), meddling.meddle)
        else:
            registration = inject_hooks(story, [Note("mine")])
            went_on = interrupted_at(number, registration.remove, meddling.meddle)
        if not went_on:
            break
        mine = [] if work == "remove" else ["mine"]
        assert sorted(ran(story)) == ["goes", "kept", *mine, "pay"]
        meddling.goes.remove()
        assert sorted(ran(story)) == ["kept", *mine, "pay"]
    assert number > 20


async def async_pay(self: object, state: Notes) -> None:
    state.take("async")


@pytest.mark.parametrize("work", ["patch", "first run", "other patch"])
def test_fr2_a_patch_is_seen_whatever_line_it_interrupts(work: str) -> None:
    number = 0
    for number in count(1):
        story = child_of(Sale)

        def patch(story: Any = story) -> None:
            story.pay = async_pay

        def change(story: Any = story) -> None:
            if work == "first run":
                with suppress(TypeError):  # if the patch comes when it is known already that all steps are sync
                    called = story()(Notes())
                    if inspect.iscoroutine(called):
                        called.close()
            elif work == "patch":
                story.ship = 3
            else:
                story.__call__ = Sale.__call__

        went_on = interrupted_at(number, change, patch)
        if not went_on:
            break
        assert ran(story) == ["async"]
        assert inspect.iscoroutinefunction(story.__call__)
    assert number > 20


class Finalized:
    """Lives in a reference cycle, so that the collector finalizes it wherever it happens to run."""

    def __init__(self, meddling: Meddling) -> None:
        self.meddling = meddling
        self.cycle = self

    def __del__(self) -> None:
        self.meddling.meddle()


def test_fr2_a_finalizer_may_use_stories_wherever_the_collector_runs_it() -> None:
    story = child_of(Sale)
    meddling = Meddling(story)
    threshold = gc.get_threshold()
    gc.collect()
    gc.freeze()  # so that a collection takes no time
    gc.set_threshold(7)
    try:
        for _ in range(60):
            Finalized(meddling)
            inject_hooks(story, [Note("mine")]).remove()
            assert ran(story)[-1] == "pay"
    finally:
        gc.set_threshold(*threshold)
        gc.unfreeze()
    assert meddling.calls > 30
    meddling.goes.remove()
    assert ran(story) == ["kept", "pay"]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")
def test_fr2_a_signal_handler_may_use_stories() -> None:
    story = child_of(Sale)
    meddling = Meddling(story)
    before = signal.signal(signal.SIGALRM, lambda number, frame: meddling.meddle())
    try:
        for number in range(300):
            signal.setitimer(signal.ITIMER_REAL, 1e-6 * (20 + 3 * number))
            inject_hooks(story, [Note("mine")]).remove()
            assert ran(story)[-1] == "pay"
            assert ran(child_of(story))[-1] == "pay"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert meddling.calls > 10
    meddling.goes.remove()
    assert ran(story) == ["kept", "pay"]


# FR15: interrupts


class Interrupt(BaseException):
    pass


@pytest.fixture
def no_callbacks_of_the_collector() -> Iterator[None]:
    """Take away that of hypothesis, in which an interrupt would be lost."""
    callbacks = list(gc.callbacks)
    gc.callbacks.clear()
    yield
    gc.callbacks.extend(callbacks)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")  # an interrupt before `close`
@pytest.mark.usefixtures("no_callbacks_of_the_collector")
@both_modes
def test_fr15_an_interrupt_leaves_no_lock_held_and_no_class_broken(mode: Mode) -> None:
    base: Any = checkout(mode)

    def interrupt(number: int, frame: object) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    interrupts = 0
    gc.disable()  # what is called around a collection is not ours
    try:
        for number in range(1000):
            story: Any = child_of(base)
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-6 * (20 + number % 300))
                for _ in range(20):
                    with inject_hooks(story, [Note()]):
                        called = story()(Notes())
                        if mode == "async":
                            called.close()
                    story.extra = 3
            except Interrupt:
                interrupts += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            if number % 20 == 0:
                registry = story.__step_hooks__
                worker = threading.Thread(target=registry["before"].clear, daemon=True)
                worker.start()
                worker.join(5)
                assert not worker.is_alive()
                state = Notes()
                perform(story, state)
                assert state.log == ["reserve", "charge", "ship"]
    finally:
        gc.enable()
        signal.signal(signal.SIGALRM, before)
    assert interrupts > 200  # the others came too late
