"""Runs of a story that stop at a step, or in which a step fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, NoReturn, TypeVar, final, overload

from dddkit._awaitables import FINISHED, is_async, is_unfinished
from dddkit._callables import kind_of
from dddkit.stories._engine.replacement import Halt
from dddkit.stories._engine.replacing import path_to, run_replacing
from dddkit.stories._engine.tracebacks import set_traceback

__all__ = ["run_failing", "run_until"]

StateT = TypeVar("StateT")


@final
class _Unknown:
    """What no story returns: only a result that the checker does not know fits it, so those come first below.

    Whether a story is async, mypy knows by the plugin, and other checkers only where `__call__` is handwritten.
    """


@overload
def run_until(story: Callable[[StateT], _Unknown], state: StateT, step: str) -> Any: ...
@overload
def run_until(
    story: Callable[[StateT], Coroutine[Any, Any, object]], state: StateT, step: str
) -> Coroutine[Any, Any, None]: ...
@overload
def run_until(story: Callable[[StateT], Awaitable[object]], state: StateT, step: str) -> Awaitable[None]: ...
@overload
def run_until(story: Callable[[StateT], None], state: StateT, step: str) -> None: ...
def run_until(story: Callable[[Any], object], state: Any, step: str) -> object:
    """Run a story up to a step, and stop before it: what the steps before it have done is there to be looked at.

        state = Checkout.State(order_id=order_id)
        await run_until(checkout, state, "capture_payment")

    Await it where the story is async. The run ends as cancelled and undoes nothing; the step has not begun, and none of
    its hooks is called. Only this run is stopped: others of the class go on. What a step before it raises comes out,
    and is undone, as in any run.

    Args:
        story: the story object.
        state: what it is called with.
        step: the name of a step, the first of that name; `"pay.capture"` for one of the story that is the step `pay`.

    Raises:
        ValueError: there is no such step; nothing has run.
        AssertionError: the story has ended without reaching the step, since its own `__call__` left it out.
    """
    __tracebackhide__ = True
    return _run(story, state, step, "run_until(..., {})", Halt(), halts=True)


@overload
def run_failing(story: Callable[[StateT], _Unknown], state: StateT, *, at: str, error: BaseException) -> Any: ...
@overload
def run_failing(
    story: Callable[[StateT], Coroutine[Any, Any, object]], state: StateT, *, at: str, error: BaseException
) -> Coroutine[Any, Any, None]: ...
@overload
def run_failing(
    story: Callable[[StateT], Awaitable[object]], state: StateT, *, at: str, error: BaseException
) -> Awaitable[None]: ...
@overload
def run_failing(story: Callable[[StateT], None], state: StateT, *, at: str, error: BaseException) -> None: ...
def run_failing(story: Callable[[Any], object], state: Any, *, at: str, error: BaseException) -> object:
    """Run a story in which a step fails: what is undone then, and what is left, is there to be looked at.

        state = Checkout.State(order_id=order_id)
        await run_failing(checkout, state, at="ship", error=TimeoutError())

    Await it where the story is async. The error is raised in place of the step, inside its hooks, and the run ends as
    one whose step has raised it. It returns when the story has failed with that very error, and lets any other out:
    that of a step before it, and the CompensationError of a run that could not be undone.

    Args:
        story: the story object.
        state: what it is called with.
        at: the name of a step, the first of that name; `"pay.capture"` for one of the story that is the step `pay`.
        error: what the step raises; `asyncio.CancelledError()` for a run that is cancelled there.

    Raises:
        ValueError: there is no such step; nothing has run.
        AssertionError: the story has not failed, since its own `__call__` left the step out, or caught the error.
    """
    __tracebackhide__ = True
    if not isinstance(error, BaseException):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
        hint = "an exception object, as in error=TimeoutError()"
        raise TypeError(f"run_failing takes {hint}, not {kind_of(error)}")
    return _run(story, state, at, "run_failing(..., at={})", error, halts=False)


class _Expected:
    """Raises an error in place of a step, and swallows it when the run ends with it."""

    def __init__(self, error: BaseException, given: str) -> None:
        self._error: BaseException | None = error
        self._given: Final = given
        self._was_raised = False

    def raise_now(self) -> NoReturn:
        assert self._error is not None
        self._was_raised = True
        set_traceback(self._error, None)  # of an earlier run, where the caller uses the object again
        raise self._error

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, raised: BaseException | None, _traceback: object) -> bool:
        if raised is None or not self._is_expected(raised):
            return False
        set_traceback(raised, None)  # it leads to the frames that the error is in, and to the state
        self._error = None
        return True

    def _is_expected(self, raised: BaseException) -> bool:
        """Return whether a run has ended with the error: where a task group is around the steps, that wraps a halt."""
        wrapped: Any = getattr(raised, "exceptions", ()) if isinstance(self._error, Halt) else ()
        return raised is self._error or (bool(wrapped) and all(map(self._is_expected, wrapped)))

    def reject_end(self) -> NoReturn:
        """Raise for a run that has ended without the error."""
        __tracebackhide__ = True
        how = "something has caught what was raised there" if self._was_raised else "it was never reached"
        raise AssertionError(f"{self._given}: the story ended as if nothing had happened there; {how}")


def _run(story: object, state: Any, step: Any, form: str, error: BaseException, *, halts: bool) -> object:
    __tracebackhide__ = True
    given = form.format(f'"{step}"' if isinstance(step, str) else "...")
    path = path_to(step, story, given)
    expected = _Expected(error, given)

    def run() -> object:
        return run_replacing(story, state, path, expected.raise_now, halts=halts)

    if is_async(story):
        return _named(form, _awaited(run, expected))
    with expected:
        result = run()
        if is_unfinished(result):  # of a handwritten `__call__` that does not say so
            return _named(form, _awaited(lambda: result, expected))
        expected.reject_end()
    return FINISHED


def _named(form: str, coroutine: Any) -> Any:
    """Return the coroutine with a name for the warning where nobody awaits it."""
    coroutine.__qualname__ = form.partition("(")[0]
    return coroutine


async def _awaited(run: Callable[[], Any], expected: _Expected) -> None:
    __tracebackhide__ = True
    with expected:
        await run()
        expected.reject_end()
