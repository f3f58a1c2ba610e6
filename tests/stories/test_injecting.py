"""What is rejected when hooks are injected: what a run would never call, or could not call."""

# Most hooks here are mistakes on purpose, or of no type:
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportDeprecated=false

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial, wraps
from types import SimpleNamespace
from typing import Any, Protocol
from unittest.mock import AsyncMock, MagicMock, Mock, create_autospec

import pytest

from dddkit.stories import I, Story, inject_hooks
from tests.stories.recording import Recorder
from tests.stories.shop import Mode, Notes, both_modes, checkout, finish


def story() -> Any:
    return checkout("sync")


def hook(**methods: Any) -> Any:
    """Return a hook whose class has these methods."""
    return type("Metrics", (), methods)()


def two(self: Any, context: Any, step: Any) -> None: ...
def one(self: Any, context: Any) -> None: ...
def around(self: Any, context: Any, step: Any) -> Iterator[None]:
    yield


def around_story(self: Any, context: Any) -> Iterator[None]:
    yield


async def agenerator(self: Any, context: Any, step: Any) -> AsyncIterator[None]:
    yield


def refused(given: Any, message: str) -> None:
    cls = story()
    with pytest.raises(TypeError, match=message):
        inject_hooks(cls, [Recorder("fine", []), given])
    assert not any(cls.__step_hooks__.values())


# Names


@pytest.mark.parametrize(
    ("name", "method", "right"),
    [
        ("befor", two, "before"),
        ("beofre", two, "before"),
        ("afer", two, "after"),
        ("on_error", two, "error"),
        ("on_before", two, "before"),
        ("eror", two, "error"),
        ("around_steps", around, "around_step"),
        ("arround_step", around, "around_step"),
        ("around_storys", around_story, "around_story"),
    ],
)
@pytest.mark.parametrize("beside", [True, False], ids=["beside a right one", "alone"])
def test_fs13_a_misspelt_method_is_refused_with_the_right_name(
    name: str, method: Any, right: str, beside: bool
) -> None:
    methods: dict[str, Any] = {name: method}
    if beside:
        methods["after" if right != "after" else "before"] = two
    refused(hook(**methods), rf"'{name}' of the hook Metrics would never be called; did you mean '{right}'\?")


def test_fs13_a_misspelt_method_is_found_wherever_it_is_defined() -> None:
    class Base:
        def around_steps(self, context: Any, step: Any) -> Iterator[None]:
            yield

    class Child(Base):
        def after(self, context: Any, step: Any) -> None: ...

    refused(Child(), "'around_steps' of the hook .*Child would")
    refused(SimpleNamespace(after=print, befor=lambda context, step: None), "'befor' of the hook SimpleNamespace")
    refused(hook(after=two, befor=staticmethod(lambda context, step: None)), "did you mean 'before'")


class Backend(Protocol):
    def errors(self) -> int: ...
    def flush(self) -> None: ...


@dataclass
class Exporting(Backend):
    """A hook with much of its own."""

    on_error_callback: Callable[[Any, Any], None] = print
    error_handler: Callable[[Any], None] = print
    seen: list[str] = field(default_factory=list[str])

    def errors(self) -> int:
        return 0

    def flush(self) -> None: ...
    def reset(self, context: Any, step: Any) -> None: ...
    def observe(self, context: Any, step: Any) -> None: ...
    def on_retry(self, context: Any, step: Any) -> None: ...
    def before_commit(self, session: Any, context: Any) -> None: ...
    def after_all(self, context: Any, step: Any) -> None: ...
    def mirror(self, context: Any, step: Any) -> None: ...
    def later(self, call: Any, *arguments: Any) -> None: ...
    def alter(self, context: Any, step: Any) -> None: ...
    def around_the_world(self, context: Any, step: Any) -> None: ...
    def _befor(self, context: Any, step: Any) -> None: ...

    @property
    def afters(self) -> Any:
        raise AssertionError

    def before(self, context: Any, step: Any) -> None:
        self.seen.append(step.step_name)


class Complete(Recorder):
    """Beside the right names, near ones are helpers."""

    def befores(self, context: Any, step: Any) -> None: ...
    def on_error(self, context: Any, step: Any) -> None: ...
    def around_steps(self, context: Any, step: Any) -> None: ...


@pytest.mark.parametrize(
    "given",
    [
        Exporting(),
        Complete("all", []),
        Mock(spec=["before", "after"]),
        MagicMock(spec=Recorder),
        create_autospec(Recorder, instance=True),
    ],
    ids=["much of its own", "all right names", "mock with names", "mock with a class", "autospec"],
)
def test_fs13_other_public_methods_are_no_mistakes(given: Any) -> None:
    inject_hooks(story(), [given]).remove()


# Parameters


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("before", one),
        ("before", lambda self: None),
        ("before", lambda self, context, step, more: None),
        ("before", lambda self, context, step, *, more: None),
        ("after", staticmethod(two)),
        ("after", classmethod(one)),
        ("error", staticmethod(partial(two, None, None))),
        ("around_step", around_story),
        ("around_story", around),
        ("before", len),
    ],
)
def test_fs13_a_wrong_number_of_parameters_is_refused(kind: str, method: Any) -> None:
    parameters = r"\(context\)" if kind == "around_story" else r"\(context, step\)"
    refused(hook(**{kind: method}), rf"'{kind}' of the hook Metrics cannot be called with {parameters}")


def logged(function: Any) -> Any:
    @wraps(function)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    return wrapper


class Called:
    def __call__(self, context: Any, step: Any) -> None: ...


@pytest.mark.parametrize(
    "method",
    [
        two,
        lambda self, *arguments: None,
        lambda *arguments, **named: None,
        lambda self, context, step=None, more=3: None,
        lambda self, context, step, *, more=3: None,
        staticmethod(lambda context, step: None),
        classmethod(two),
        staticmethod(partial(two, None)),
        logged(two),
        functools.lru_cache(two),
        Called(),
        print,
        dict,
        Mock(),
        MagicMock(),
        create_autospec(lambda context, step: None),
        getattr,
    ],
)
@pytest.mark.parametrize("kind", ["before", "after", "error"])
def test_fs13_whatever_takes_the_arguments_is_a_hook(kind: str, method: Any) -> None:
    cls = story()
    with inject_hooks(cls, [hook(**{kind: method})]):
        assert len(cls.__step_hooks__[kind]) == 1
    given: Any = SimpleNamespace(**{kind: lambda context, step: None})
    with inject_hooks(cls, [given]):
        assert len(cls.__step_hooks__[kind]) == 1


# Generators


@pytest.mark.parametrize("kind", ["before", "after", "error"])
@pytest.mark.parametrize(
    "method", [around, agenerator, staticmethod(partial(around, None)), staticmethod(partial(agenerator, None))]
)
def test_fs13_a_generator_that_nobody_would_run_is_refused(kind: str, method: Any) -> None:
    refused(hook(**{kind: method}), f"'{kind}' of the hook Metrics is a generator function: calling it runs nothing")


class AsyncAround:
    async def __call__(self, context: Any, step: Any) -> AsyncIterator[None]:
        yield


@pytest.mark.parametrize("method", [agenerator, staticmethod(partial(agenerator, None)), AsyncAround(), AsyncMock()])
def test_fs13_an_async_around_hook_is_refused(method: Any) -> None:
    refused(hook(around_step=method), "'around_step' of the hook Metrics is async; make it a plain generator")


@pytest.mark.parametrize(
    "method", [logged(around), staticmethod(partial(around, None)), lambda self, *given: around(self, *given)]
)
@both_modes
def test_fs13_a_decorated_generator_is_a_hook(method: Any, mode: Mode) -> None:
    cls, state = checkout(mode), Notes()
    inject_hooks(cls, [hook(around_step=method)])
    finish(cls()(state))
    assert state.log == ["reserve", "charge", "ship"]


@pytest.mark.parametrize("kind", ["around_story", "around_step"])
@pytest.mark.parametrize(
    "made", [None, 3, [None], contextmanager(lambda: iter([None]))], ids=lambda made: type(made).__name__
)
@both_modes
def test_fs13_what_an_around_hook_returns_is_checked_before_the_step(kind: str, made: Any, mode: Mode) -> None:
    def returns(self: Any, *given: Any) -> Any:
        return made() if callable(made) else made

    cls, state = checkout(mode), Notes()
    inject_hooks(cls, [hook(**{kind: returns})])
    with pytest.raises(RuntimeError, match="has to yield exactly once, but is no generator function"):
        finish(cls()(state))
    assert state.log == []


def test_fs13_a_context_manager_is_no_around_hook_and_the_step_does_not_run() -> None:
    cls, state = story(), Notes()
    inject_hooks(cls, [hook(around_step=contextmanager(around))])
    with pytest.raises(RuntimeError, match="is no generator function"):
        cls()(state)
    assert state.log == []


# register_hook


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            lambda context: None,
            r"Checkout: the 'before' hook .*<lambda> \(.*\) cannot be called with \(context, step\)",
        ),
        (two, "the 'before' hook two cannot be called with"),
        (around, "the 'before' hook around is a generator function"),
        (partial(agenerator, None), "the 'before' hook agenerator is a generator function"),
    ],
)
def test_fs13_register_hook_refuses_the_same(callback: Any, message: str) -> None:
    cls = story()
    with pytest.raises(TypeError, match=message):
        cls.register_hook("before", callback)
    assert not any(cls.__step_hooks__.values())


def test_fs13_fb1_a_story_is_no_hook_since_it_takes_the_state_alone() -> None:
    cls = story()
    with pytest.raises(TypeError, match=r"cannot be called with \(context, step\)"):
        cls.register_hook("before", story()())
    refused(hook(after=story()()), "'after' of the hook Metrics cannot be called")


def test_fb1_a_story_whose_own_call_takes_a_hooks_arguments_is_an_async_hook() -> None:
    class Audit(Story):
        I.write

        async def write(self, state: Any) -> None:
            await asyncio.sleep(0)

        def __call__(self, context: Any, step: Any = None, /) -> Any:
            return super().__call__(context.state)

    cls = story()
    cls.register_hook("before", Audit())
    state = Notes()
    with pytest.raises(TypeError, match=r"the before hook .*Audit is async, but no step of the story is"):
        cls()(state)
    assert state.log == []
    acls, state = checkout("async"), Notes()
    acls.register_hook("before", Audit())
    finish(acls()(state))
    assert state.log == ["reserve", "charge", "ship"]
