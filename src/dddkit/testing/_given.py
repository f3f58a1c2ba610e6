"""An aggregate, what is asked of it, and what comes of that."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial, wraps
from types import AsyncGeneratorType, GeneratorType, MethodType
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar, final

from dddkit._awaitables import dispose, is_async, is_unfinished
from dddkit._callables import display_name, kind_of
from dddkit._core.recording import Recording, pending_events, remaining
from dddkit.testing._description import describe
from dddkit.testing._differences import Wording, differences
from dddkit.testing._failing import failure, path_of
from dddkit.testing._rendering import render, short_name
from dddkit.testing.events import describe_events, differences_of, summary_of, validate_expected

__all__ = ["given"]

AggregateT = TypeVar("AggregateT", bound=Recording)
ErrorT = TypeVar("ErrorT", bound=Exception)
P = ParamSpec("P")
ResultT = TypeVar("ResultT")

_CHANGED: Final = Wording(differs="was {expected}, is {actual}", unexpected="new: {actual}", missing="gone: {expected}")


def _of_something(function: Callable[P, ResultT]) -> Callable[P, ResultT]:
    """Say what to write instead of `given()`, which Python would call a missing argument."""

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> ResultT:
        __tracebackhide__ = True
        if not args and not kwargs:
            raise TypeError(
                "given takes an aggregate, and got nothing; where there is none before, write "
                "assert_events(Order.place(...).get_events(), ...) with what creates yours"
            )
        return function(*args, **kwargs)

    return checked


@_of_something
def given(aggregate: AggregateT) -> Given[AggregateT]:
    """Begin a test of one decision of an aggregate: what it records, or that it refuses.

        given(Product(product_id=TEAPOT, on_shelf=2)).when(Product.take, 2).then(Product.SoldOut(product_id=TEAPOT))
        given(product).when(Product.take, 9).then_refused(SoldOutError)

    The method runs on this very object, so what else has changed can be looked at afterwards. What creates an aggregate
    needs none before it: `assert_events(Product.register(TEAPOT).get_events(), ...)`.

    Raises:
        TypeError: it is no aggregate.
    """
    __tracebackhide__ = True
    if not isinstance(aggregate, Recording):  # pyright: ignore[reportUnnecessaryIsInstance]  # a miss of `get`, say
        raise TypeError(f"given takes an aggregate, and got {kind_of(aggregate)}")
    return Given(aggregate)


@final
class Given(Generic[AggregateT]):
    """An aggregate in the state that a test begins with."""

    __slots__ = ("_aggregate",)

    def __init__(self, aggregate: AggregateT) -> None:
        self._aggregate: Final = aggregate

    def when(
        self, method: Callable[Concatenate[AggregateT, P], object], /, *args: P.args, **kwargs: P.kwargs
    ) -> When[AggregateT]:
        """Call a method of the aggregate's class, as in `when(Product.take, 2)`, or a function that takes it first.

        It runs now. What it raises comes out of `then`, or is what `then_refused` expects: call one of them.

        Raises:
            TypeError: the method is async, yields, or is that of an object.
        """
        __tracebackhide__ = True
        _validate_method(self._aggregate, method)
        aggregate, name = self._aggregate, display_name(method)
        before = _Before(aggregate)
        # The error is in no variable here: it refers to this frame, and both would wait for the garbage collector.
        return When(aggregate, name, before, _attempt(name, partial(method, aggregate, *args, **kwargs)))


@final
class _Before:
    """What an aggregate was before the method ran."""

    __slots__ = ("described", "pending")

    def __init__(self, aggregate: Recording) -> None:
        self.pending: Final = list(pending_events(aggregate))
        self.described: Final = describe(aggregate, with_pending_events=True)


@final
class When(Generic[AggregateT]):
    """What a method has done to an aggregate, and whether it refused."""

    __slots__ = ("_aggregate", "_before", "_error", "_is_checked", "_name")

    def __init__(self, aggregate: AggregateT, name: str, before: _Before, error: Exception | None) -> None:
        self._aggregate: Final = aggregate
        self._name: Final = name
        self._before: Final = before
        self._error: Final = error
        self._is_checked = False

    def __del__(self) -> None:
        if not self._is_checked:
            warnings.warn(
                f"nothing was expected of {self._name}: end given(...).when(...) with then(...) or then_refused(...)",
                RuntimeWarning,
                stacklevel=2,
            )

    def then(self, *events: object) -> None:
        """Expect that the method has recorded these events, in this order, and has raised nothing.

        They are compared by what they say, as `assert_events` does. Events that were pending before do not count, and
        have to be pending still.

        Raises:
            AssertionError: it has recorded others; a line for each difference.
            Exception: what the method has raised.
        """
        __tracebackhide__ = True
        self._is_checked = True
        validate_expected("then", events)
        if self._error is not None:
            raise self._error
        pending = pending_events(self._aggregate)
        recorded = remaining(pending, self._before.pending)
        if different := list(differences_of(recorded, events)):
            raise failure(f"{self._name}: {summary_of(recorded, events)}", different)
        if gone := remaining(self._before.pending, pending):
            shown = render(describe_events(gone))
            raise AssertionError(f"{self._name} has cleared events that were pending before: {shown}")

    def then_refused(self, error: type[ErrorT] | tuple[type[ErrorT], ...], /) -> ErrorT:
        """Expect that the method has raised this error, and has changed nothing; return the error.

        Nothing means: no field of the aggregate, private ones and what they hold included, and no pending event. An
        error of another class comes out as it is.

        Raises:
            AssertionError: it has raised nothing, or has changed something; a line for each change.
        """
        __tracebackhide__ = True
        self._is_checked = True
        classes = error if isinstance(error, tuple) else (error,)
        names = " or ".join(map(_name_of_error, classes))
        raised = self._error
        if raised is None:
            recorded = remaining(pending_events(self._aggregate), self._before.pending)
            shown = render(describe_events(recorded)) if recorded else "nothing"
            raise AssertionError(f"{self._name} did not raise {names}; it has recorded {shown}")
        if not isinstance(raised, error):
            raise raised
        now = describe(self._aggregate, with_pending_events=True)
        if changes := list(differences(path_of(self._aggregate), now, self._before.described)):
            summary = f"{self._name} has raised {type(raised).__qualname__}, but has changed the aggregate before"
            raise failure(summary, changes, _CHANGED) from raised
        return raised  # pyright: ignore[reportReturnType]  # it does not narrow by a tuple of type variables


def _attempt(name: str, call: Callable[[], object]) -> Exception | None:
    """Return what the call raises."""
    __tracebackhide__ = True
    try:
        result = call()
    except Exception as error:
        return error
    if is_unfinished(result):
        dispose(result)
        raise TypeError(_async_message(name))
    if isinstance(result, (GeneratorType, AsyncGeneratorType)):
        raise TypeError(f"{name} yields, so calling it does nothing; pass `when` a method that decides")
    return None


def _validate_method(aggregate: Recording, method: Any) -> None:
    __tracebackhide__ = True
    owner: object = getattr(method, "__self__", None)
    if isinstance(method, MethodType) and owner is not None:
        what, hint = "an object", f"write when({type(owner).__qualname__}.{method.__name__}, ...)"
        if isinstance(owner, type):
            name = method.__name__
            what = "a class"
            hint = (
                f"where it creates an aggregate, write "
                f"assert_events({owner.__qualname__}.{name}(...).get_events(), ...), else "
                f"when(lambda aggregate: aggregate.{name}(...))"
            )
        raise TypeError(
            f"when takes a function whose first parameter is the aggregate, and got a method of {what}; {hint}"
        )
    if not callable(method):
        raise TypeError(f"when takes a method such as {type(aggregate).__qualname__}.rename, and got {kind_of(method)}")
    if is_async(method):
        raise TypeError(_async_message(display_name(method)))


def _async_message(name: str) -> str:
    return (
        f"{name} is async, and given(...).when(...) takes what is not; await it in the test, then compare with "
        f"assert_events and assert_same"
    )


def _name_of_error(error: object) -> str:
    __tracebackhide__ = True
    cls: Any = error
    if isinstance(error, type) and issubclass(cls, BaseException):
        return short_name(cls)
    raise TypeError(f"then_refused takes the class of an error, and got {kind_of(cls)}")
