"""What is written reads back the same: a law for classes of random fields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dddkit._json import JsonCodec, JsonMismatchError
from tests.messages.random_classes import classes, is_model, parts, values

_NEVER_MIND = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


def _codec(cls: Any, fields: dict[str, Any]) -> JsonCodec[Any] | None:
    try:
        return JsonCodec(cls)
    except TypeError as error:
        if not any(f"{name}: " in str(error) or f"{name}." in str(error) for name in fields):
            raise AssertionError("it names no field") from error
        return None


def _written(codec: JsonCodec[Any], value: Any, fields: dict[str, Any]) -> bytes | None:
    try:
        return codec.dump(value)
    except JsonMismatchError as error:
        if not all(path.partition(".")[0] in fields for path, _ in error.problems):
            raise AssertionError("it names no field") from error
        return None


def _holds(data: st.DataObject) -> None:
    cls, fields = data.draw(classes())
    codec = _codec(cls, fields)
    for _ in range(5 if codec else 0):
        assert codec is not None
        drawn = data.draw(st.fixed_dictionaries({name: values(kind) for name, kind in fields.items()}))
        value = cls.model_construct(None, **drawn) if is_model(cls) else cls(**drawn)
        if (written := _written(codec, value, fields)) is not None:
            assert parts(codec.load(written)) == parts(value)
            assert parts(codec.load_object(codec.dump_object(value))) == parts(value)


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=_NEVER_MIND)
def test_what_is_written_reads_back_the_same_or_is_rejected_by_field(data: st.DataObject) -> None:
    _holds(data)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=1_000, deadline=None, suppress_health_check=_NEVER_MIND)
def test_what_is_written_reads_back_the_same_or_is_rejected_by_field_with_more_classes(data: st.DataObject) -> None:
    _holds(data)
