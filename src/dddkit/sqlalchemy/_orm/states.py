"""The state that SQLAlchemy keeps of an object: whether it has changed, and how it was before a flush."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeAlias
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import types
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.mutable import MutableComposite
from sqlalchemy.orm import (
    CompositeProperty,
    InstanceState,
    LoaderCallableStatus,
    Mapper,
    PassiveFlag,
    Session,
    make_transient,
)
from sqlalchemy.orm.attributes import flag_modified, set_committed_value

__all__ = [
    "InPlace",
    "Snapshots",
    "State",
    "forget_deleted",
    "is_modified",
    "make_new",
    "mutable_attributes",
    "parts_of",
    "pending_of",
    "state_of",
]

State: TypeAlias = InstanceState[Any]
"""What SQLAlchemy knows of one object."""


_WITH_PENDING: Final = PassiveFlag.PASSIVE_NO_INITIALIZE | PassiveFlag.INCLUDE_PENDING_MUTATIONS


def state_of(instance: Any) -> State:
    """Return what SQLAlchemy keeps of a mapped object."""
    state: State = instance._sa_instance_state
    return state


def parts_of(state: State, owned: Mapping[Mapper[Any], Sequence[str]]) -> Iterator[State]:
    """Iterate over an aggregate and its parts, as far as they are loaded, and those that were taken out of it."""
    seen = {state}
    waiting = [state]
    while waiting:
        one = waiting.pop()
        yield one
        for name in owned.get(one.mapper, ()):
            history = one.get_history(name, _WITH_PENDING)
            for part in (*(history.added or ()), *(history.unchanged or ()), *(history.deleted or ())):
                if part is not None and (found := state_of(part)) not in seen:
                    seen.add(found)
                    waiting.append(found)


def pending_of(state: State) -> Iterator[State]:
    """Iterate over what was added to relationships that are not loaded, or taken out of them, from the other side."""
    for relationship in state.mapper.relationships:
        if relationship.uselist and relationship.cascade.save_update and relationship.key not in state.dict:
            history = state.get_history(relationship.key, _WITH_PENDING)
            yield from (state_of(linked) for linked in (*(history.added or ()), *(history.deleted or ())))


def forget_deleted(state: State, names: Iterable[str]) -> None:
    """Take out of these relationships what a flush has deleted, as if the rest had been loaded now."""
    for name in names:
        if name not in state.dict:
            continue
        linked = state.get_history(name, PassiveFlag.PASSIVE_NO_INITIALIZE).sum()
        left = [one for one in linked if one is None or not state_of(one).was_deleted]
        if len(left) < len(linked):
            uses_list = state.mapper.relationships[name].uselist
            set_committed_value(state.obj(), name, left if uses_list else None)


def is_modified(state: State) -> bool:
    """Return whether another value is to be written than was read, for a new object too."""
    if state.key is None:
        return True
    if not state.modified:
        return False
    composites = state.mapper.composites
    for attribute in state.manager.attributes:
        implementation: Any = attribute.impl
        # To ask a composite would load its columns, which are asked themselves.
        if hasattr(implementation, "get_history") and attribute.key not in composites:
            added, _, deleted = implementation.get_history(state, state.dict, PassiveFlag.NO_CHANGE)
            if added or deleted:
                return True
    return False


def make_new(states: Iterable[State]) -> None:
    """Make them those of objects that were never stored, whatever they were read as."""
    for state, instance in [(state, state.obj()) for state in states]:  # what was taken out is held by nothing else
        make_transient(instance)
        state.committed_state.clear()
        values = [name for name in state.dict if name in state.manager]
        state.committed_state.update(dict.fromkeys(values, LoaderCallableStatus.NO_VALUE))
        state.modified = True


_PENDING: Final = "_pending_mutations"
"""Where SQLAlchemy keeps what was added to relationships that are not loaded."""


class Snapshot:
    """What an object was like before a flush.

    A rollback of SQLAlchemy expires all that it has; the objects of a unit that has failed stay as they were.
    """

    __slots__ = ("_committed", "_is_deleted", "_key", "_pending", "_values")

    def __init__(self, state: State, before: Snapshot | None) -> None:
        self._values = dict(state.dict)
        self._committed = dict(state.committed_state)
        self._key = state.key
        self._pending: Any = vars(state).get(_PENDING)
        self._is_deleted = state._deleted  # pyright: ignore[reportPrivateUsage]  # there is no other way
        if before is not None:  # what an earlier flush of this transaction has written is not stored either
            kept = self._committed.keys() & self._values.keys()
            if before._key is not None:
                kept |= self._values.keys() - before._values.keys()
            self._values = {**before._values, **{name: self._values[name] for name in kept}}
            self._committed |= before._committed
            self._pending = before._pending or self._pending
            self._key, self._is_deleted = before._key, before._is_deleted

    def restore(self, state: State) -> None:
        """Make it what it was, and belong to no session."""
        values = state.dict
        for name in state.manager:
            if name not in self._values:
                values.pop(name, None)
        values.update(self._values)
        state.committed_state.clear()
        state.committed_state.update(self._committed)
        state.key = self._key
        state.modified = bool(self._committed)
        if self._pending is not None:
            vars(state)[_PENDING] = self._pending
        state.expired = False
        state.expired_attributes.clear()
        state._deleted = self._is_deleted  # pyright: ignore[reportPrivateUsage]  # as above


class Snapshots:
    """What the objects of a transaction were like before its first flush."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before: dict[State, Snapshot] = {}

    def take(self, session: Session, *, again: bool = True) -> None:
        """Note what all objects of the session are like; without `again`, only those that are not noted yet."""
        for state in [*session.identity_map.all_states(), *map(state_of, session.new)]:
            if state.obj() is not None and (again or state not in self._before):
                self._before[state] = Snapshot(state, self._before.get(state))

    def take_out(self, session: Session, *, is_stored: bool) -> None:
        """Let the objects that were noted live on without the session."""
        for state, before in [*self._before.items()]:
            instance = state.obj()
            if instance is not None and state.session is session:
                if not is_stored:
                    self._before[state] = Snapshot(state, before)
                session.expunge(instance)
            if is_stored:
                state._deleted = False  # pyright: ignore[reportPrivateUsage]  # to save it again is a matter of versions

    def restore(self) -> None:
        """Make the objects what they were."""
        before, self._before = self._before, {}
        for state, snapshot in before.items():
            snapshot.restore(state)


_IMMUTABLE_TYPES: Final = (
    types.String,
    types.Integer,
    types.Numeric,
    types.Date,
    types.DateTime,
    types.Time,
    types.Interval,
    types.Boolean,
    types.Uuid,
    types.LargeBinary,
    types.Enum,
)
_IMMUTABLE: Final = (str, int, float, Decimal, bytes, UUID, date, time, timedelta, Enum, type(None))


class InPlace:
    """Finds values that were changed in place: a list in a column of JSON, of which SQLAlchemy hears nothing.

    Also in a MutableDict, which hears nothing of what is in its values, and in composites.

    Where nobody knows what a value was like, it is written whenever its aggregate is.
    """

    __slots__ = ("_copies", "dialect")

    def __init__(self) -> None:
        self.dialect: Dialect | None = None
        self._copies: Final[dict[State, dict[str, Any]]] = {}

    def note(self, state: State, only: Iterable[str] | None = None) -> None:
        """Note the values that the object has now, which are those of its row."""
        names = mutable_attributes(state.mapper)
        if names:
            values, copies = state.dict, self._copies.setdefault(state, {})
            for name in names:
                if name in values and (only is None or name in only) and not isinstance(values[name], _IMMUTABLE):
                    copies.pop(name, None)
                    with suppress(Exception):  # a MappingProxyType, for example, cannot be copied
                        copies[name] = deepcopy(values[name])

    def flag(self, state: State, *, is_written: bool = False) -> None:
        """Tell SQLAlchemy what has changed since; where it is written, also what may have."""
        for composite in state.mapper.composites:
            _flag_composite(state, composite)
        names = mutable_attributes(state.mapper)
        if not names or state.key is None:
            return
        copies, values = self._copies.get(state, {}), state.dict
        for name in names:
            if name not in values or name in state.committed_state or isinstance(values[name], _IMMUTABLE):
                continue
            equal = self._are_equal(state.mapper, name, copies[name], values[name]) if name in copies else None
            if is_written if equal is None else not equal:
                flag_modified(state.obj(), name)

    def undo(self, state: State) -> None:
        """Give the object the values again that it had when they were noted."""
        for name, copy in self._copies.get(state, {}).items():
            if name in state.dict and self._are_equal(state.mapper, name, copy, state.dict[name]) is False:
                set_committed_value(state.obj(), name, deepcopy(copy))

    def _are_equal(self, mapper: Mapper[Any], name: str, one: Any, other: Any) -> bool | None:
        """Return whether the values are; None where nobody can tell."""
        type_ = mapper.column_attrs[name].columns[0].type
        equal = _answer(lambda: type_.compare_values(one, other))
        equality: object = type(one).__eq__
        if equal is True or (equal is False and (type(one) is not type(other) or equality is not object.__eq__)):
            return equal
        # They compare by identity, or element by element, as arrays do: is the same to be stored?
        bound = None if self.dialect is None else type_.bind_processor(self.dialect)
        return equal if bound is None else _answer(lambda: bound(one) == bound(other))


def _answer(compare: Callable[[], object]) -> bool | None:
    """Return the answer of a comparison; None where it is one for each element, or an error."""
    try:
        answer = compare()
        return None if hasattr(answer, "__len__") else bool(answer)
    except Exception:  # a list of arrays asks the first for its truth
        return None


def _flag_composite(state: State, composite: CompositeProperty[Any]) -> None:
    """Set the columns of a composite that was changed in place; one of older values than its columns was not."""
    value = state.dict.get(composite.key)
    if value is None or isinstance(value, MutableComposite):  # SQLAlchemy hears of a MutableComposite
        return
    held: tuple[Any, ...] = composite._composite_values_from_instance(value)  # pyright: ignore[reportPrivateUsage]  # there is no other way
    for one, column in zip(held, composite.props, strict=True):
        now = state.dict.get(column.key, one)
        if one not in (now, state.committed_state.get(column.key, now)):
            setattr(state.obj(), composite.key, value)
            return


_mutable: Final[WeakKeyDictionary[Mapper[Any], Sequence[str]]] = WeakKeyDictionary()


def mutable_attributes(mapper: Mapper[Any]) -> Sequence[str]:
    """Return the attributes whose values may be of a kind that can be changed in place."""
    found = _mutable.get(mapper)
    if found is None:
        found = _mutable[mapper] = [
            attribute.key
            for attribute in mapper.column_attrs
            if not isinstance(attribute.columns[0].type, _IMMUTABLE_TYPES)
        ]
    return found
