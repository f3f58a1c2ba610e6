"""Cloudpickle and dill send a story class of `__main__`, as a notebook has, to another process."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
import dill  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
import pytest

from dddkit.stories import I, Story, inject_hooks
from tests.stories.recording import Recorder
from tests.stories.shop import Mode, Notes, both_modes, checkout, perform

_STORIES = """
import asyncio, sys
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any
import attrs
from dddkit.stories import I, Story, StoryState, inject_hooks, variable

class Noting:
    def before(self, context, step):
        context.state.log.append("before " + step.step_name)

class Sale(Story):
    I.reserve
    I.charge
    class State(StoryState):
        order: int
        log: list[str] = []
        payment: str = variable()
    def reserve(self, state):
        state.log.append("reserve")
    def charge(self, state):
        state.payment = "paid"
        state.log.append("charge")

class AsyncSale(Sale):
    class State(Sale.State):
        more: int = 3
    async def charge(self, state):
        await asyncio.sleep(0)
        super().charge(state)

@dataclass(frozen=True, slots=True)
class Frozen(Sale):
    I.reserve
    I.charge
    I.ship
    ship: Any
    def charge(self, state):
        super().charge(state)

@attrs.define
class Attrs(Sale):
    price: int = 3

class Abstract(Story):
    I.pay
    class State(StoryState):
        order: int
        log: list[str] = []
    @abstractmethod
    def pay(self, state): ...

class Paying(Abstract):
    def pay(self, state):
        state.log.append("pay")

class Logged(Sale):
    def __call__(self, state, /):
        state.log.append("call")
        return super().__call__(state)

def ship(state):
    state.log.append("ship")

@dataclass
class Outer(Story):
    I.inner
    I.ship
    State = Sale.State
    inner: Any
    def ship(self, state):
        state.log.append("outer")

def run(story):
    state = story.State(order=1)
    called = story(state)
    if asyncio.iscoroutine(called):
        asyncio.run(called)
    return state.log
"""

_SEND = (
    _STORIES
    + """
import cloudpickle, dill, warnings
tool, stage, path = sys.argv[1:]
stories = [Sale(), AsyncSale(), Frozen(ship), Attrs(), Paying(), Logged(), Outer(Sale()), Outer(AsyncSale())]
if "hooks" in stage:
    inject_hooks(Sale, [Noting()])
    inject_hooks(Sale)
    inject_hooks(Outer)
if "runs" in stage:
    for story in stories:
        run(story)
        run(story)
with open(path, "wb") as file:
    {"cloudpickle": cloudpickle, "dill": dill}[tool].dump(stories, file)
"""
)

_RECEIVE = """
import asyncio, importlib, inspect, sys
from dddkit.exceptions import StoryStateError
from dddkit.stories import I, inject_hooks
with open(sys.argv[2], "rb") as file:
    stories = importlib.import_module(sys.argv[1]).load(file)

def run(story):
    state = story.State(order=1)
    called = story(state)
    assert inspect.iscoroutine(called) or not inspect.iscoroutinefunction(story.__call__)
    if asyncio.iscoroutine(called):
        asyncio.run(called)
    return state.log

class Seeing:
    def after(self, context, step):
        context.state.log.append("seen")

class Child(type(stories[0])):
    pass

for story in [*stories, Child()]:
    first = run(story)
    assert run(story) == first
    with inject_hooks(type(story), [Seeing()]):
        assert "seen" in run(story)
    assert run(story) == first
    try:
        story.State()
    except TypeError as error:
        assert "order is required" in str(error)
    print(type(story).__name__, *first, sep=",")

type(stories[0]).reserve = lambda self, state: state.log.append("patched")
for story in (stories[0], Child()):
    assert "patched" in run(story)
assert inspect.iscoroutinefunction(stories[1].__call__)
state = stories[0].State(order=1)
try:
    state.payment
except StoryStateError:
    stories[0](state)
    assert state.payment == "paid"
"""

RAN = """
Sale,{n}reserve,{m}charge
AsyncSale,{n}reserve,{m}charge
Frozen,{n}reserve,{m}charge,{s}ship
Attrs,{n}reserve,{m}charge
Paying,pay
Logged,call,{n}reserve,{m}charge
Outer,{n}reserve,{m}charge,outer
Outer,{n}reserve,{m}charge,outer
Child,{n}reserve,{m}charge
"""


def python(code: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")
@pytest.mark.parametrize("tool", ["cloudpickle", "dill"])
@pytest.mark.parametrize("stage", ["new", "runs", "hooks", "hooks and runs"])
def test_fs6_a_story_class_of_main_runs_in_another_process(tool: str, stage: str, tmp_path: Path) -> None:
    python(_SEND, tool, stage, tmp_path / "stories")
    hooks = "hooks" in stage
    names = {"n": "reserve", "m": "charge", "s": "ship"}
    expected = RAN.format(**{key: f"before {name}," if hooks else "" for key, name in names.items()})
    assert python(_RECEIVE, tool, tmp_path / "stories").split("\n") == [*expected.strip().split("\n"), ""]


def by_value(tool: ModuleType, value: object) -> Any:
    loose: Any = tool
    return loose.loads(loose.dumps(value))


@pytest.mark.parametrize("tool", [cloudpickle, dill], ids=["cloudpickle", "dill"])
@both_modes
def test_fs6_a_class_of_a_function_is_sent_as_often_as_wanted(tool: ModuleType, mode: Mode) -> None:
    story: Any = checkout(mode)
    inject_hooks(story)
    for _ in range(3):
        sent = by_value(tool, story)
        if tool is dill:  # cloudpickle returns the class itself, as long as it lives in this process
            assert sent is not story
        state = Notes()
        perform(sent, state)
        assert state.log == ["reserve", "charge", "ship"]
        story = sent


def test_fs6_a_copy_of_a_registry_has_the_hooks_and_changes_no_class() -> None:
    story, recorder = checkout("sync"), Recorder("a", [])
    inject_hooks(story, [recorder])
    registry: Any = story.__step_hooks__
    for made in (copy.copy(registry), by_value(cloudpickle, registry)):
        assert {kind: len(hooks) for kind, hooks in made.items()} == dict.fromkeys(registry, 1)
        made["before"].clear()
    assert registry["before"] == [recorder.before]
    assert copy.copy(registry["before"]) == pickle.loads(pickle.dumps([])) + registry["before"]


def test_fs6_other_context_variables_are_no_more_picklable_than_before() -> None:
    variable: ContextVar[int] = ContextVar("variable")
    with pytest.raises(TypeError, match=r"cannot pickle '(_contextvars\.)?ContextVar' object"):
        pickle.dumps(variable)
    with pytest.raises(TypeError):
        copy.deepcopy(variable)


class Sale(Story):
    I.pay

    def pay(self, state: object) -> None: ...


def test_fs6_a_story_class_of_a_module_is_sent_by_its_name() -> None:
    inject_hooks(Sale).remove()
    Sale()(None)
    assert by_value(cloudpickle, Sale) is Sale
    assert by_value(dill, Sale) is Sale
    assert pickle.loads(pickle.dumps(Sale)) is Sale
