"""The code generated for a story does the same as a loop over its steps."""

from __future__ import annotations

import ast
import asyncio
import dis
import gc
import inspect
import logging
import pickle
import re
import sys
import textwrap
import traceback
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import pytest

from dddkit._awaitables import FINISHED
from dddkit.exceptions import StoryDefinitionError
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
from dddkit.stories._engine import codegen
from dddkit.stories._engine.call import source_of
from tests.stories.constructors import Constructor, every_constructor
from tests.stories.test_pickling import AsSlots, Priced


class Sale(Story):
    I.reserve
    I.charge

    def reserve(self, state: list[str]) -> None:
        state.append("reserve")

    def charge(self, state: list[str]) -> None:
        state.append("charge")
        if "declined" in state:
            raise ValueError("declined")


class AsyncSale(Sale):
    async def charge(self, state: list[str]) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the point
        await asyncio.sleep(0)
        super().charge(state)


def ran(story: Any, *state: str) -> list[str]:
    log = [*state]
    called = story(log)
    if called is not FINISHED:
        asyncio.run(called)
    return log


def fresh(story: Any) -> Any:
    """Return a child class that was never called."""
    return type(story)(story.__name__, (story,), {"__module__": story.__module__})


class Noting:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def before(self, context: StoryExecutionContext, step: Any) -> None:
        self.seen.append(step.step_name)


class Keeping:
    def __init__(self) -> None:
        self.contexts: list[StoryExecutionContext] = []

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        self.contexts.append(context)
        yield


def drawn(context: StoryExecutionContext) -> list[str]:
    return re.sub(r"[0-9]+[.][0-9]{3}s", "0.000s", str(context)).split()[1:]


both = pytest.mark.parametrize("story", [Sale, AsyncSale])


# Tracebacks and debuggers


@both
@pytest.mark.parametrize("calls_before", [0, 2])
@pytest.mark.parametrize("hooks", [None, []])
def test_a_traceback_shows_the_listed_step_and_the_line_that_failed(story: Any, calls_before: int, hooks: Any) -> None:
    cls = fresh(story)
    inject_hooks(cls, hooks)
    for _ in range(calls_before):
        ran(cls())
    with pytest.raises(ValueError, match="declined") as caught:
        ran(cls(), "declined")
    frames = traceback.extract_tb(caught.value.__traceback__)
    lines = [frame.line for frame in frames if frame.filename == __file__]
    assert "I.charge" in lines
    assert lines[-1] == 'raise ValueError("declined")'


@both
def test_a_debugger_passes_the_listed_steps(story: Any) -> None:
    cls, seen = fresh(story), list[str]()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename != __file__:
            return None
        if event == "line" and frame.f_code.co_name == "__call__":
            seen.append(traceback.extract_stack(frame, limit=1)[-1].line or "")
            assert frame.f_locals["self"].__class__ is cls
        return trace

    ran(cls())
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        ran(cls())
    finally:
        sys.settrace(before)
    assert list(dict.fromkeys(line for line in seen if line.startswith("I."))) == ["I.reserve", "I.charge"]


def test_a_coroutine_is_named_after_its_story() -> None:
    for _ in range(2):
        coroutine: Any = AsyncSale()([])
        assert coroutine.__qualname__ == "AsyncSale.__call__"
        coroutine.close()


# Which steps run


def test_a_step_whose_name_is_no_identifier_runs() -> None:
    def step(self: object, state: list[str]) -> None:
        state.append("ran")

    class Odd(Story):
        for name in ("first step", "class", "größe"):
            getattr(I, name)
            locals()[name] = step

    assert [ran(Odd()) for _ in range(2)] == [["ran", "ran", "ran"]] * 2


@every_constructor
def test_a_child_runs_its_own_steps_also_when_its_parent_ran_first(made: Constructor) -> None:
    class Parent(Story):
        I.one

        def one(self, state: list[str]) -> None:
            state.append("one")

    parent = made(Parent)
    assert ran(parent()) == ["one"]

    class Child(parent):  # type: ignore[valid-type,misc]  # made by the parameter
        I.one
        I.two

        async def two(self, state: list[str]) -> None:
            state.append("two")

    child = made(Child)
    assert [ran(parent()), ran(child()), ran(child())] == [["one"], ["one", "two"], ["one", "two"]]


def test_a_class_that_is_decorated_after_its_first_run_goes_on() -> None:
    cls = fresh(Sale)
    assert ran(cls()) == ["reserve", "charge"]
    again = dataclass(slots=True)(cls)
    assert ran(again()) == ran(again()) == ["reserve", "charge"]


def test_a_call_defined_by_the_user_is_kept() -> None:
    class Audited(Sale):
        def __call__(self, state: list[str], /) -> Any:
            state.append("begin")
            super().__call__(state)
            state.append("end")

    class Child(Audited):
        pass

    for story in (Audited(), Child(), Audited(), Child()):
        assert ran_plainly(story) == ["begin", "reserve", "charge", "end"]


@both
@pytest.mark.parametrize("parent_first", [False, True])
@pytest.mark.parametrize("patched", [False, True])
def test_a_call_that_goes_on_to_the_parents_runs_the_childs_steps(
    story: Any, parent_first: bool, patched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = dataclass(slots=True)(fresh(story))
    if parent_first:
        ran(parent())

    def call(self: Any, state: list[str], /) -> Any:
        state.append("begin")
        return parent.__call__(self, state)

    class Short(parent):  # type: ignore[valid-type,misc]  # made by the parameter
        I.wrap
        I.charge

        def wrap(self, state: list[str]) -> None:
            state.append("wrap")

    if patched:
        assert ran(Short()) == ["wrap", "charge"]
        monkeypatch.setattr(Short, "__call__", call)
    else:
        Short = type(Short)("Short", (Short,), {"__call__": call})  # type: ignore[misc]
    assert [ran(Short()), ran(parent()), ran(Short())] == [
        ["begin", "wrap", "charge"],
        ["reserve", "charge"],
        ["begin", "wrap", "charge"],
    ]


def ran_plainly(story: Any) -> list[str]:
    state: list[str] = []
    story(state)
    return state


@pytest.mark.parametrize("target", [Sale, Story])
def test_a_call_patched_on_a_base_is_used_by_children_that_ran_before(
    target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake(self: object, state: list[str]) -> None:
        state.append("fake")

    cls = fresh(Sale)
    assert ran(cls()) == ["reserve", "charge"]
    monkeypatch.setattr(target, "__call__", fake)
    assert ran_plainly(cls()) == ["fake"]
    monkeypatch.undo()
    assert ran(cls()) == ran(cls()) == ["reserve", "charge"]


# Hooks that are added and removed after the first run


def by_append(registry: Any, callback: Any) -> None:
    registry["before"].append(callback)


def by_item(registry: Any, callback: Any) -> None:
    registry["before"] = [callback]


def by_setdefault(registry: Any, callback: Any) -> None:
    registry.setdefault("before", []).append(callback)


def by_update(registry: Any, callback: Any) -> None:
    registry.update(before=[callback])


def by_or(registry: Any, callback: Any) -> None:
    registry |= {"before": [callback]}


@both
@pytest.mark.parametrize("way", [by_append, by_item, by_setdefault, by_update, by_or])
@pytest.mark.parametrize("on_parent", [False, True])
def test_a_hook_put_into_the_registry_by_hand_is_called(
    story: Any, way: Callable[[Any, Any], None], on_parent: bool
) -> None:
    parent = fresh(story)
    child = fresh(parent)
    ran(child())
    noting = Noting()
    way((parent if on_parent else child).__step_hooks__, noting.before)
    assert ran(child()) == ran(child()) == ["reserve", "charge"]
    assert noting.seen == ["reserve", "charge"] * 2
    (parent if on_parent else child).__step_hooks__.clear()
    assert ran(child()) == ran(child()) == ["reserve", "charge"]
    assert len(noting.seen) == 4


def number_of(callback: Any) -> int:
    return int(callback.__self__.number)


CHANGES: dict[str, Callable[[Any, Any], object]] = {
    "append": lambda hooks, new: hooks["before"].append(new),
    "insert": lambda hooks, new: hooks["before"].insert(0, new),
    "extend": lambda hooks, new: hooks["before"].extend([new]),
    "+=": lambda hooks, new: hooks["before"].__iadd__([new]),
    "[0] =": lambda hooks, new: hooks["before"].__setitem__(0, new),
    "[:] =": lambda hooks, new: hooks["before"].__setitem__(slice(None), [new]),
    "del [0]": lambda hooks, new: hooks["before"].__delitem__(0),
    "*= 0": lambda hooks, new: hooks["before"].__imul__(0),
    "list pop": lambda hooks, new: hooks["before"].pop(),
    "remove": lambda hooks, new: hooks["before"].remove(hooks["before"][0]),
    "list clear": lambda hooks, new: hooks["before"].clear(),
    "reverse": lambda hooks, new: hooks["before"].reverse(),
    "sort": lambda hooks, new: hooks["before"].sort(key=number_of, reverse=True),
    "del": lambda hooks, new: hooks.__delitem__("before"),
    "pop": lambda hooks, new: hooks.pop("before"),
    "popitem": lambda hooks, new: hooks.popitem(),
    "clear": lambda hooks, new: hooks.clear(),
    "item": lambda hooks, new: hooks.__setitem__("before", [new]),
    "update": lambda hooks, new: hooks.update({"before": [new]}),
}


@both
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_of_a_registry_applies_to_the_next_run(story: Any, change: Callable[[Any, Any], object]) -> None:
    class Numbered:
        def __init__(self, number: int) -> None:
            self.number = number

        def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
            seen.append(self.number)

    seen: list[int] = []
    parent = fresh(story)
    cls = fresh(parent)
    for number in range(2):
        parent.register_hook("before", Numbered(number).before)
    ran(cls())
    assert seen == [0, 1, 0, 1]
    seen.clear()
    change(parent.__step_hooks__, Numbered(2).before)
    ran(cls())
    assert seen == [number_of(callback) for callback in parent.__step_hooks__["before"]] * 2
    assert seen != [0, 1, 0, 1]


@both
def test_a_registry_may_be_patched(story: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cls, first, second, third = fresh(story), Noting(), Noting(), Noting()
    cls.register_hook("before", first.before)
    ran(cls())
    monkeypatch.setattr(cls, "__step_hooks__", {"before": [second.before]})
    ran(cls())
    cls.register_hook("before", third.before)
    ran(cls())
    monkeypatch.undo()
    ran(cls())
    assert [len(noting.seen) for noting in (first, second, third)] == [4, 4, 2]


def by_assignment(cls: Any) -> None:
    cls.__step_hooks__ = 3


def by_bad_update(cls: Any) -> None:
    cls.__step_hooks__.update(before=[], after=3)


def by_bad_item(cls: Any) -> None:
    cls.__step_hooks__["after"] = None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (by_assignment, "Sale: __step_hooks__ is a dict, kind to list of hooks, and not 3"),
        (by_bad_update, r"__step_hooks__\['after'\] is a list of hooks, and not 3"),
        (by_bad_item, r"__step_hooks__\['after'\] is a list of hooks, and not None"),
    ],
)
def test_what_is_no_registry_is_refused_and_nothing_has_changed(change: Callable[[Any], None], message: str) -> None:
    cls, noting = fresh(Sale), Noting()
    cls.register_hook("before", noting.before)
    before = cls.__step_hooks__
    with pytest.raises(TypeError, match=message):
        change(cls)
    assert cls.__step_hooks__ is before
    assert before == {"before": [noting.before]}
    ran(cls())
    assert noting.seen == ["reserve", "charge"]


@both
def test_hooks_may_be_exchanged_between_runs(story: Any) -> None:
    cls, seen = fresh(story), list[int]()
    for _ in range(3):
        noting = Noting()
        with inject_hooks(cls, [noting]):
            ran(cls())
            ran(cls())
        ran(cls())
        seen.append(len(noting.seen))
    assert seen == [4, 4, 4]


# The default hooks render nothing until the tree is read


@both
@pytest.mark.parametrize("when", ["reserve", "charge", "afterwards"])
def test_the_tree_is_right_whenever_somebody_looks_first(story: Any, when: str) -> None:
    cls, keeping, trees = fresh(story), Keeping(), list[list[str]]()
    look = {"reserve": cls.reserve, "charge": cls.charge}

    def looking(name: str) -> Any:
        def step(self: Any, state: list[str]) -> Any:
            if name == when:
                trees.append(drawn(keeping.contexts[-1]))
            return look[name](self, state)

        return step

    cls.reserve, cls.charge = looking("reserve"), looking("charge")
    if story is AsyncSale:

        async def first(self: Any, state: list[str]) -> None:
            looking("reserve")(self, state)

        cls.reserve = first
    inject_hooks(cls)
    inject_hooks(cls, [keeping])
    for _ in range(2):
        assert ran(cls()) == ["reserve", "charge"]
    in_between = {
        "reserve": ["⟳I.reserve", "I.charge"],
        "charge": ["✓I.reserve [0.000s]", "⟳I.charge"],
        "afterwards": [],
    }[when]
    assert trees == [" ".join(in_between).split()] * len(trees)
    assert len(trees) == (0 if when == "afterwards" else 2)
    for context in keeping.contexts:
        assert [step.status for step in context.steps] == [StepStatus.COMPLETED] * 2
        assert drawn(context) == ["✓I.reserve", "[0.000s]", "✓I.charge", "[0.000s]"]
        assert all(step.duration > 0 for step in context.steps)
        assert sum(step.duration for step in context.steps) <= context.duration


@both
def test_a_failed_run_is_rendered_right_when_it_is_first_read_afterwards(story: Any) -> None:
    cls, keeping = fresh(story), Keeping()
    inject_hooks(cls)
    inject_hooks(cls, [keeping])
    with pytest.raises(ValueError, match="declined") as caught:
        ran(cls(), "declined")
    [context] = keeping.contexts
    assert drawn(context) == ["✓I.reserve", "[0.000s]", "✗I.charge"]
    assert context.steps[1].error is caught.value
    assert context.status is StepStatus.FAILED


@both
def test_a_level_changed_between_runs_applies_to_the_next_run(story: Any, caplog: pytest.LogCaptureFixture) -> None:
    cls = fresh(story)
    inject_hooks(cls)
    counts: list[int] = []
    for level in (logging.WARNING, logging.DEBUG, logging.INFO, logging.DEBUG):
        with caplog.at_level(level):
            ran(cls())
        counts.append(len([record for record in caplog.records if record.name == "dddkit.stories.story"]))
    assert counts == [0, 3, 3, 6]


# Pickling and memory


def test_a_story_that_has_run_is_pickled() -> None:
    story = AsSlots(3)
    story(Priced.State())
    state = Priced.State()
    pickle.loads(pickle.dumps(story))(state)
    assert state.prices == [3]


def test_a_story_class_that_has_run_is_given_up() -> None:
    def gone() -> weakref.ref[type]:
        cls = dataclass(slots=True)(fresh(Sale))
        ran(cls())
        with inject_hooks(cls):
            ran(cls())
        ran(cls())
        return weakref.ref(cls)

    kept = gone()
    gc.collect()
    assert kept() is None


# The source itself


class Hook:
    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None: ...
    def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None: ...


def example_of(documented: object) -> str:
    """Return the source that a docstring shows: its last indented block."""
    *_, block = re.findall(r"(?:^    def __call__.*\n(?:^    .*\n)+)", inspect.cleandoc(documented.__doc__ or ""), re.M)
    return textwrap.dedent(block).rstrip()


def test_the_source_without_hooks_is_the_one_that_the_docstring_shows() -> None:
    assert source_of(fresh(Sale)) == example_of(codegen)


def test_the_source_with_hooks_is_the_one_that_the_docstring_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codegen, "_guard", lambda indent="": list[str]())  # which Python 3.12 does not need
    sale = fresh(Sale)
    inject_hooks(sale, [Hook()])
    assert source_of(sale) == example_of(codegen.source_with_hooks)


class AroundStory:
    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        yield


class AroundStep:
    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        yield


def function_hook(context: StoryExecutionContext, step: StepExecutionInfo) -> None: ...


HOOKS: dict[str, list[Any]] = {
    "none": [],
    "default": [StatusTracker(), ExecutionTimeTracker(), LoggingHook()],
    "deferred around": [StatusTracker(), AroundStory()],
    "one": [Hook()],
    "two": [Hook(), Hook()],
    "around the story": [AroundStory()],
    "around a step": [AroundStep(), Hook()],
    "all": [StatusTracker(), LoggingHook(), Hook(), AroundStory(), AroundStep(), AroundStep(), Hook()],
}


@pytest.mark.parametrize("level", [logging.DEBUG, logging.ERROR])
@pytest.mark.parametrize("hooks", HOOKS)
@pytest.mark.parametrize("story", [Sale, AsyncSale])
def test_the_source_names_only_what_exists(story: type[Story], hooks: str, level: int) -> None:
    sale = fresh(story)
    inject_hooks(sale, HOOKS[hooks])
    sale.register_hook("before", function_hook) if hooks == "all" else None
    logging.getLogger("dddkit.stories.story").setLevel(level)
    try:
        source = source_of(sale)
        ran(sale())  # installs the function
    finally:
        logging.getLogger("dddkit.stories.story").setLevel(logging.NOTSET)
    slots = {"context": StoryExecutionContext.__slots__, "step": StepExecutionInfo.__slots__}
    function: Any = sale.__call__
    if level == logging.DEBUG:  # the first run at DEBUG generated the function that calls all hooks
        function = function.__globals__.get("run_with_all_hooks", function)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = "step" if node.value.id.startswith("step") else node.value.id
            assert owner == "self" or node.attr in slots[owner], ast.unparse(node)
    compiled = next(c for c in compile(source, "", "exec").co_consts if isinstance(c, CodeType))
    named = {i.argval for i in dis.get_instructions(compiled) if i.opname == "LOAD_GLOBAL"}
    assert named - set(function.__globals__) <= {"BaseException", "Exception", "ValueError", "type"}


def test_the_source_is_that_of_the_current_hooks() -> None:
    sale = fresh(Sale)
    without = source_of(sale)
    with inject_hooks(sale, [Hook()]):
        assert "before_0" in source_of(sale)
    assert source_of(sale) == without


def test_the_source_of_a_story_with_default_hooks_depends_on_the_log_level() -> None:
    sale = fresh(Sale)
    inject_hooks(sale)
    logger = logging.getLogger("dddkit.stories.story")
    logger.setLevel(logging.DEBUG)
    try:
        at_debug = source_of(sale)
    finally:
        logger.setLevel(logging.NOTSET)
    assert "step._progress = RUNNING" in at_debug
    assert "timestamps[1] = clock()" in source_of(sale)


def test_a_story_without_steps_has_no_source() -> None:
    class Nothing(Story): ...

    with pytest.raises(StoryDefinitionError):
        source_of(Nothing)
