"""What is recorded of a state reads back the same, or is rejected by field: a law for States of random fields."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dddkit.exceptions import StoryNotRecordableError
from dddkit.stories.durable._state import Known, StateCodec
from tests.durable.states import codec_of, holding, state_class
from tests.messages.random_classes import TYPES, parts, values

# Any: types, and values of any type.

_NEVER_MIND = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


def _codec(cls: Any, names: dict[str, Any]) -> StateCodec | None:
    try:
        return codec_of(cls)
    except StoryNotRecordableError as error:
        _names_fields(error, names)
        return None


def _recorded(codec: StateCodec, state: Any, names: dict[str, Any]) -> str | None:
    try:
        return json.dumps(codec.dump(state), allow_nan=False)
    except StoryNotRecordableError as error:
        _names_fields(error, names)
        return None


def _names_fields(error: StoryNotRecordableError, names: dict[str, Any]) -> None:
    assert error.problems
    assert all(path.partition(".")[0] in names for path, _ in error.problems)


def _holds(data: st.DataObject) -> None:
    types = data.draw(st.lists(TYPES, min_size=1, max_size=2))
    fields: dict[str, Any] = {f"field_{index}": kind for index, kind in enumerate(types)}
    cls = state_class(**fields)
    codec = _codec(cls, fields)
    known: Known = {}
    for _ in range(5 if codec else 0):
        assert codec is not None
        set_ = data.draw(st.sets(st.sampled_from(sorted(fields))))
        drawn = {name: data.draw(values(fields[name])) for name in sorted(set_)}
        state = holding(cls, **drawn)
        if (text := _recorded(codec, state, fields)) is None:
            continue
        read: Any = codec.load(json.loads(text))
        assert set(read.__dict__) == set(drawn)
        for name in drawn:
            assert parts(getattr(read, name)) == parts(getattr(state, name))
        codec.settle(state, known=known)
        assert codec.same(codec.settle(state, known=known), codec.settle(state))
        assert codec.same(codec.dump(state), codec.dump(read))


@given(st.data())
@settings(max_examples=20, deadline=None, suppress_health_check=_NEVER_MIND)
def test_what_is_recorded_reads_back_the_same_or_is_rejected_by_field(data: st.DataObject) -> None:
    _holds(data)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=1_000, deadline=None, suppress_health_check=_NEVER_MIND)
def test_what_is_recorded_reads_back_the_same_or_is_rejected_by_field_with_more_states(data: st.DataObject) -> None:
    _holds(data)
