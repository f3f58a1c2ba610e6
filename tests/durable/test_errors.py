"""An exception is recorded as JSON, and made again where its class, its arguments and its message come back."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dddkit.exceptions import (
    CompensationError,
    SignalTimeoutError,
    StepFailedError,
    StoryNotRecordableError,
    UnitError,
)
from dddkit.stories.durable._errors import from_json, to_json
from dddkit.testing import assert_same

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

# Any: arguments of exceptions.


class Reason(Enum):
    LIMIT = "limit"


class Declined(Exception):
    def __init__(self, order: UUID, amount: Decimal, reason: Reason = Reason.LIMIT) -> None:
        super().__init__(order, amount, reason)
        self.order = order

    def __str__(self) -> str:
        return f"{self.order} was declined"


class Worded(Exception):
    """Its arguments are not those of its constructor."""

    def __init__(self, order: int) -> None:
        super().__init__(f"order {order}")


class Reduced(Worded):
    def __init__(self, order: int) -> None:
        super().__init__(order)
        self.order = order

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.order,)


class Answered(Exception):
    """The constructor takes more than it passes on."""

    def __init__(self, message: str, answer: object = None) -> None:
        super().__init__(message)
        self.answer = answer


class Counted(Exception):
    """Its arguments count those of its constructor, and its message does not tell them."""

    def __init__(self, *parts: object) -> None:
        super().__init__(len(parts))

    def __str__(self) -> str:
        return "counted"


class Nested(Exception):
    class Inner(Exception):
        pass


class Unreadable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


class Fickle(Exception):
    def __new__(cls, *_: object) -> Any:
        return ValueError("another")

    @classmethod
    def made(cls) -> Exception:
        return Exception.__new__(cls)


def recorded(error: BaseException) -> Exception:
    """Return the exception as another process makes it from the text of the record."""
    return from_json(json.loads(json.dumps(to_json(error), allow_nan=False)), "Checkout", "charge")


ID = UUID(int=7)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        ValueError("no", 1, True, None, 2.5),
        KeyError(("a", 1)),
        OSError(2, "No such file", "a.txt"),
        ConnectionError("refused"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        json.JSONDecodeError("wrong", "[", 1),
        Declined(ID, Decimal("1.00")),
        Reduced(3),
        Answered("no", {"code": [402, (1,)]}),
        Nested.Inner("deep"),
        UnitError("Orders", "is closed"),
        StepFailedError("Pay", "capture", "shop.Declined", "no"),
        SignalTimeoutError("checkout", "approval", "approval", 60.0),
        StoryNotRecordableError("Checkout", "Checkout.State", [("a.b", "is no field")], "charge"),
        ValueError(datetime(2026, 1, 1, tzinfo=timezone.utc), date(2026, 1, 1), time(1), timedelta(-1, 2, 3), b"\0"),
        ValueError(float("inf"), "\ud800\0", {1: ["a"], "b": {}}),
        CompensationError("Checkout", [("charge", Declined(ID, Decimal(1)))], ["reserve"], ["pay.authorize"]),
        ExceptionGroup("two", [ValueError(1), ExceptionGroup("inner", [Declined(ID, Decimal(2))])]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_comes_back_with_its_class_arguments_attributes_and_message(error: Exception) -> None:
    made = recorded(error)
    assert type(made) is type(error)
    assert str(made) == str(error)
    assert_same(_held(made), _held(error))


def _held(error: BaseException) -> Any:
    held = [_held(part) if isinstance(part, BaseException) else part for part in _flat(error.args)]
    return type(error), held, {name: value for name, value in vars(error).items() if name != "failures"}


def _flat(value: Any) -> list[Any]:
    return [item for part in value for item in (_flat(part) if type(part) in (tuple, list) else [part])]


def _local() -> Exception:
    class Local(Exception):
        pass

    return Local("no")


@pytest.mark.parametrize(
    ("error", "name", "text"),
    [
        (Worded(3), "Worded", "order 3"),
        (Counted("a", "b"), "Counted", "counted"),
        (_local(), "_local.<locals>.Local", "no"),
        (Declined(ID, object()), "Declined", f"{ID} was declined"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # JSON does not hold it
        (Answered("no", object()), "Answered", "no"),
        (Unreadable(object()), "Unreadable", "(its message cannot be read)"),
        (Fickle.made(), "Fickle", ""),
        (ValueError(ValueError), "ValueError", "<class 'ValueError'>"),
    ],
    ids=[
        "other arguments",
        "counted arguments",
        "local",
        "unwritable argument",
        "unwritable attribute",
        "message",
        "constructor",
        "class",
    ],
)
def test_an_exception_that_would_be_another_one_becomes_a_step_failed_error(
    error: Exception, name: str, text: str
) -> None:
    made = recorded(error)
    assert isinstance(made, StepFailedError)
    assert (made.story, made.step, made.text) == ("Checkout", "charge", text)
    assert made.error_class.rpartition("test_errors.")[2] == name
    assert str(made).startswith("Checkout: charge failed with ")
    assert str(recorded(made)) == str(made)


def test_a_class_that_is_gone_or_takes_other_arguments_now_becomes_a_step_failed_error() -> None:
    data = to_json(Nested.Inner("deep"))
    for changed in (
        data | {"class": f"{__name__}:Nested.Gone"},
        data | {"class": "a_module_that_is_gone:Declined"},
        data | {"class": f"{__name__}:Declined"},
    ):
        made = from_json(changed, "Checkout", "charge")
        assert isinstance(made, StepFailedError)
        assert made.text == "deep"
    assert str(from_json(data | {"class": "shop.pay:Gone"}, "Checkout", "charge")) == (
        "Checkout: charge failed with shop.pay.Gone: deep"
    )


@pytest.mark.parametrize(
    "path",
    ["os:system", "subprocess:Popen", "builtins:KeyboardInterrupt", "builtins:int", "builtins:print.__self__", "os:"],
)
def test_only_classes_of_exceptions_are_called(path: str) -> None:
    made = from_json({"class": path, "text": "x", "args": ["exit 1"]}, "Checkout", "charge")
    assert isinstance(made, StepFailedError)


def test_only_enums_have_members_and_no_enum_is_an_exception() -> None:
    for data in (
        {"class": "builtins:ValueError", "text": "x", "args": [{"enum": ["builtins:list", "x"]}]},
        {"class": f"{__name__}:Reason", "text": "x", "args": ["limit"]},
    ):
        assert isinstance(from_json(data, "Checkout", "charge"), StepFailedError)


def test_members_of_a_group_that_cannot_be_made_again_become_step_failed_errors_in_the_group() -> None:
    made: Any = recorded(ExceptionGroup("two", [ValueError(1), Worded(2)]))
    assert [type(one) for one in made.exceptions] == [ValueError, StepFailedError]
    assert made.exceptions[1].text == "order 2"


@pytest.mark.parametrize("error", [ValueError("no"), Worded(3)])
def test_notes_come_back(error: Any) -> None:
    error.__notes__ = ["first", "second"]
    made: Any = recorded(error)
    assert made.__notes__ == ["first", "second"]


def test_what_caused_it_comes_back_as_text() -> None:
    error = ValueError("no")
    error.__cause__ = Worded(3)
    error.__cause__.__context__ = OSError("refused")
    cause = recorded(error).__cause__
    assert isinstance(cause, StepFailedError)
    assert cause.error_class.endswith("Worded")
    assert cause.text == "order 3"
    assert cause.__cause__ is not None
    assert str(cause.__cause__) == "Checkout: charge failed with OSError: refused"


def test_a_cause_that_was_left_out_on_purpose_stays_left_out_and_a_circle_of_causes_ends() -> None:
    error, other = ValueError("no"), OSError("refused")
    error.__context__, error.__suppress_context__ = other, True
    assert recorded(error).__cause__ is None
    error.__cause__, other.__cause__ = other, error
    assert recorded(error).__cause__ is not None


@pytest.mark.skipif(sys.platform == "emscripten", reason="an endless recursion ends this interpreter")
def test_a_group_that_contains_itself_through_an_argument_is_no_endless_record() -> None:
    error = ValueError()
    error.args = (error,)
    assert isinstance(recorded(error), StepFailedError)


_ARGUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.uuids()
    | st.decimals()
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=st.just(timezone.utc))
    | st.timedeltas()
    | st.just(Reason.LIMIT)
    | st.builds(object)
    | st.builds(set[int]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=2)
        | st.lists(inner, max_size=2).map(lambda arguments: ValueError(*arguments))
    ),
    max_leaves=6,
)


@given(st.lists(_ARGUMENTS, max_size=3))
@settings(max_examples=100, deadline=None)
def test_an_exception_comes_back_whole_or_as_a_step_failed_error_with_its_message(arguments: list[Any]) -> None:
    error = LookupError(*arguments)
    made = recorded(error)
    if isinstance(made, StepFailedError):
        assert made.text == str(error)
    else:
        assert type(made) is LookupError
        assert str(made) == str(error)
        assert_same(_held(made), _held(error))
