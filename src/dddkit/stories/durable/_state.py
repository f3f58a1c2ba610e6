"""The state of a durable run as JSON, and back."""

from __future__ import annotations

import collections.abc
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from types import FunctionType, MemberDescriptorType, MethodType
from typing import Any, Final, NamedTuple, cast, get_origin

import typing_extensions

from dddkit._annotations import text_of
from dddkit._json import JsonCodec, JsonMismatchError, NoJsonError
from dddkit._json.classes import derives
from dddkit._json.definition import DECLARE
from dddkit._json.mismatch import class_text, found
from dddkit._markers import AggregateMark
from dddkit.exceptions import StoryNotRecordableError
from dddkit.stories._engine.defaults import Default
from dddkit.stories._engine.fields import REQUIRED, VARIABLE
from dddkit.stories.durable._field_types import field_types
from dddkit.stories.state import StoryState, fields_set, names_of
from dddkit.stories.story import Story

__all__ = ["Changes", "Known", "StateCodec", "changes"]

# Any: States of any class, their values, and JSON.


class Changes(NamedTuple):
    """What has changed of a state, as it is recorded."""

    set: dict[str, Any]
    unset: list[str]


class Written(NamedTuple):
    """A value that nothing can change, and its JSON."""

    value: object
    json: Any


Known = dict[str, Written]
"""What was last written of such fields: the same object need not be written again."""


class StateCodec:
    """Writes the states of one class as JSON, and reads them: what is written reads back the same, or is rejected.

    The JSON of a state has its fields that are set. A state is a tree: where two fields hold the same list, two lists
    are read. So that an interrupted run does not differ from another one, `settle` puts what was read into the state
    after each step, and the first step gets a state that was read as well.
    """

    def __init__(self, state_class: Any, story: str) -> None:
        """Look at the State.

        Args:
            state_class: a StoryState; a generic one with its arguments.
            story: the name of the story, for messages.

        Raises:
            StoryNotRecordableError: it is no StoryState, or a field would not come back; names each, and what to write
                instead.
        """
        self._story: Final = story
        self._class: Any = get_origin(state_class) or state_class
        if not derives(self._class, StoryState):
            self._name = class_text(self._class)
            raise self._not_recordable([("", _NO_STORY_STATE)])
        self._name = names_of(self._class)[1]
        types = field_types(state_class)
        problems = [*_slots_without_field(self._class), *_without_type(types)]
        faulty = {name for name, _ in problems}
        fields = {name: declared for name, declared in types.items() if name not in faulty}
        try:
            self._codec = self._codec_of(fields)
        except NoJsonError as error:
            problems += self._unfit_fields(fields, error)
        else:
            problems += self._unfit_defaults(fields)
        if problems:
            raise self._not_recordable(problems)

    def dump(self, state: Any, step: str | None = None) -> dict[str, Any]:
        """Return the JSON of the fields that are set. It was read once, and compared by type and by every field.

        Args:
            state: an object of exactly the class of the codec.
            step: what has left the state so, for messages.

        Raises:
            StoryNotRecordableError: a value would not come back; names the field and the path inside of it.
        """
        return self._dump(self._checked(state, step), step)[0]

    def settle(self, state: Any, step: str | None = None, known: Known | None = None) -> dict[str, Any]:
        """Put into the state what its own JSON reads back as, and return that JSON.

        From now on the state is what another process would read. Where it raises, the state stays as it was.

        Args:
            state: as in `dump`.
            step: as in `dump`.
            known: what was found out of this state before, which is not done again; it is added to.

        Raises:
            StoryNotRecordableError: as `dump`.
        """
        values = self._checked(state, step)
        kept = {} if known is None else {name: known[name] for name in known if values.get(name) is known[name].value}
        written, read = self._dump({name: values[name] for name in values if name not in kept}, step)
        _put(state, read)
        if known is not None:
            known.update(_immutable(written, read))
        return {name: kept[name].json if name in kept else written[name] for name in values}

    def load(self, fields: Mapping[str, Any]) -> Any:
        """Return a new state. Fields that the State does not have (any more) are left out.

        A field that is missing gets its default; one that a step sets stays unset.

        Raises:
            JsonMismatchError: a required field is missing, or the JSON of a field does not fit it.
        """
        values = self._codec.load_object(fields)
        missing: list[tuple[str, str]] = []
        for name, default in _fields_of(self._class).items():
            if name in values or default is VARIABLE:
                continue
            if default is REQUIRED:
                missing.append((name, f"is required by {self._name}, and was not recorded; give it a default"))
            else:
                values[name] = _value_of(default)
        if missing:
            raise JsonMismatchError(tuple(missing))
        state = self._class.__new__(self._class)
        _put(state, values)
        return state

    def set(self, state: Any, fields: Mapping[str, Any], unset: Iterable[str] = ()) -> None:
        """Put recorded values into a state, Final ones too, and drop what a cached property has kept of others.

        Raises:
            JsonMismatchError: the JSON of a field does not fit it; nothing is put into the state.
        """
        _put(state, self._codec.load_object(fields))
        for name in fields_set(state).keys() & set(unset):
            object.__delattr__(state, name)

    def same(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Return whether the JSON of two states is that of one state, as the State is today: a default may be new."""
        try:
            states = self.load(one), self.load(other)
        except JsonMismatchError:
            return False
        return not self._codec.differences(*map(fields_set, states))

    def dump_field(self, name: str, value: Any) -> Any:
        """Return the JSON of a value for one field.

        Raises:
            StoryNotRecordableError: the value does not fit the field, or would not come back.
        """
        try:
            return self._codec.dump_object({name: value})[name]
        except JsonMismatchError as error:
            problems = error.problems
        raise self._not_recordable(problems)

    def _checked(self, state: Any, step: str | None) -> dict[str, Any]:
        """Return the fields that are set, of a state that has nothing else."""
        if type(state) is not self._class:
            raise self._not_recordable([("", found(state, self._name))], step)
        if problems := list(_not_kept(state)):
            raise self._not_recordable(problems, step)
        return fields_set(state)

    def _dump(self, values: dict[str, Any], step: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the JSON of fields, and the values that are read from it."""
        try:
            written, read = self._codec.dump_and_load(values)
        except JsonMismatchError as error:
            problems = error.problems
        else:
            return self._codec.parsed(written), read
        if any(not path for path, _ in problems):
            problems = tuple(self._unfit_values(values)) or problems
        # Here, since the error that pydantic has raised shows the value.
        raise self._not_recordable(problems, step)

    def _unfit_values(self, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with each field by itself, where pydantic does not say which it means."""
        for name, value in values.items():
            try:
                self._codec.dump({name: value})
            except JsonMismatchError as error:
                yield from ((path or name, problem) for path, problem in error.problems)

    def _not_recordable(self, problems: Iterable[tuple[str, str]], step: str | None = None) -> StoryNotRecordableError:
        return StoryNotRecordableError(self._story, self._name, problems, step)

    def _codec_of(self, fields: Mapping[str, Any]) -> JsonCodec[dict[str, Any]]:
        carrier = _TYPED_DICT(self._name, dict(fields), total=False)
        carrier.__module__ = self._class.__module__  # where the names of forward references are looked up
        return JsonCodec(carrier, is_tolerant=False, refusal=_unfit)

    def _unfit_fields(self, fields: Mapping[str, Any], refused: NoJsonError) -> Iterator[tuple[str, str]]:
        yield from ((path, _advised(problem)) for path, problem in refused.problems)
        if not refused.problems:  # pydantic does not say which field it means
            for name, declared in fields.items():
                try:
                    self._codec_of({name: declared})
                except NoJsonError as error:
                    yield name, str(error.__cause__ or error)

    def _unfit_defaults(self, names: Collection[str]) -> Iterator[tuple[str, str]]:
        for name, default in _fields_of(self._class).items():
            if default is not REQUIRED and default is not VARIABLE and name in names:
                try:
                    self._codec.dump({name: _value_of(default)})
                except JsonMismatchError as error:
                    yield from ((path, f"its default {problem}") for path, problem in error.problems)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """Return in which fields the JSON of two states differs; `True`, `1` and `1.0` do, and so does another order."""
    return Changes(
        {name: value for name, value in after.items() if name not in before or _differs(before[name], value)},
        [name for name in before if name not in after],
    )


def _differs(one: Any, other: Any) -> bool:
    return one is not other and repr(one) != repr(other)


def _immutable(written: Mapping[str, Any], read: Mapping[str, Any]) -> Iterator[tuple[str, Written]]:
    for name, json in written.items():
        # Only classes of JSON itself are looked for: one of a user may have a metaclass that cannot be compared.
        if type(json) in _IMMUTABLE and type(read[name]) is type(json):
            yield name, Written(read[name], json)


def _put(state: Any, values: Mapping[str, Any]) -> None:
    for name in _beside_fields(state):
        del state.__dict__[name]  # what a cached property has found in other values
    for name, value in values.items():
        object.__setattr__(state, name, value)


def _value_of(default: object) -> object:
    return default.for_object() if type(default) is Default else default


def _not_kept(state: Any) -> Iterator[tuple[str, str]]:
    """Yield what a state has beside its fields, and fields that are gone."""
    cls = cast("type[object]", type(state))
    for name in _beside_fields(state):
        if not hasattr(getattr(cls, name, None), "__get__"):
            yield name, "is no field, and would not be recorded; declare it as one, or use functools.cached_property"
    values = fields_set(state)
    for name, default in _fields_of(cls).items():
        if default is not VARIABLE and name not in values:
            yield name, "was deleted; where a step may do that, declare it as variable()"


def _fields_of(cls: Any) -> dict[str, Any]:
    """Return the fields of a State, each with its default, or with what stands for one."""
    return cls.__state_fields__  # type: ignore[no-any-return]  # of any State


def _beside_fields(state: Any) -> list[str]:
    """Return the names of what is kept in a state and is no field, in order."""
    fields = _fields_of(type(state))
    return [name for name in state.__dict__ if name not in fields]


def _slots_without_field(cls: type) -> Iterator[tuple[str, str]]:
    for base in cls.__mro__:
        for name, member in vars(base).items():
            if isinstance(member, MemberDescriptorType) and name not in _fields_of(cls):
                yield name, "is a slot and no field, and would not be recorded; declare it as a field"


def _without_type(types: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, declared in types.items():
        if declared is None:
            yield name, "Final alone leaves its type open; write Final[...] with its type"
            continue
        if (text := text_of(declared)) is not None:
            yield name, f"its type {text} cannot be resolved; import it at run time, at module level"
            continue
        try:
            _TYPED_DICT("One", {name: declared})
        except (TypeError, SyntaxError):
            yield name, "its annotation is no type; declare what it is"


def _advised(problem: str) -> str:
    return f"{problem}, or give it to the story as a field where it is a tool" if problem.endswith(DECLARE) else problem


def _unfit(declared: Any) -> str | None:
    """Return why values of a type are nothing to be kept in the state of a run that may go on in another process."""
    if derives(declared, AggregateMark):
        return (
            f"{class_text(declared)} is an aggregate, whose events and version would be lost; keep its identity, and "
            f"get it from its repository in each step"
        )
    if declared is _CALLABLE or declared is type or derives(declared, *_FUNCTIONS):
        return f"a {'class' if declared is type else 'function'} cannot be recorded; give it to the story as a field"
    if getattr(declared, "__module__", "").partition(".")[0] in _MODULES or _is_stream(declared):
        name: str = getattr(declared, "__qualname__", class_text(declared))
        instead = "give it to the story as a field, or make it in the step"
        return f"{_NAMES.get(name, name)} is of this process alone; {instead}"
    return None


def _is_stream(declared: Any) -> bool:
    return derives(declared, typing_extensions.IO)


_IMMUTABLE: Final = frozenset({str, int, float, bool, type(None)})
_TYPED_DICT: Final[Any] = typing_extensions.TypedDict  # Any: to checkers it is no function
_CALLABLE: Final[Any] = collections.abc.Callable
_FUNCTIONS: Final = (FunctionType, MethodType, partial, Story)
_NAMES: Final = {"allocate_lock": "Lock", "lock": "Lock"}  # what threading.Lock calls itself
_MODULES: Final = frozenset(
    {
        *("_asyncio", "_contextvars", "_io", "_queue", "_socket", "_sqlite3", "_thread", "asyncio", "concurrent"),
        *("contextlib", "contextvars", "io", "logging", "multiprocessing", "queue", "random", "socket", "sqlite3"),
        *("ssl", "subprocess", "tempfile", "threading"),
    }
)
_NO_STORY_STATE: Final = (
    "is no StoryState, so its fields are not known; write `class State(StoryState):` in the story, with the type of "
    "each field"
)
