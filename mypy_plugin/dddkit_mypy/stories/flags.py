"""Whether a read that seems too early is behind a flag: a condition that changes when the variable is set.

As in `if state.paid: print(state.receipt)`, where I.charge sets both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mypy.nodes import TypeInfo, Var
from mypy.types import Instance, LiteralType, NoneType, Type, UnionType, get_proper_type

from dddkit_mypy.stories.flow import LOOSE, Flow, Read


def is_behind_flag(state: TypeInfo, variable: str, read: Read, flows: Sequence[Flow]) -> bool:
    """Whether something decides that a read runs which may say that the variable has been set.

    That is an attribute which this step or a later one sets, or whose object a step that sets the variable may change.
    `flows` begins with the step that reads.
    """
    for entry in read.asked:
        name = entry.removeprefix(LOOSE)
        if name == variable:
            continue
        if any(name in flow.sets for flow in flows):
            return True
        if _may_change(state, name) and any(
            _changes(flow, name, is_loose=entry != name, is_same_step=flow is flows[0])
            for flow in flows
            if variable in flow.sets
        ):
            return True
    return False


def _changes(flow: Flow, name: str, *, is_loose: bool, is_same_step: bool) -> bool:
    """Whether a step may change the object behind an attribute."""
    if is_loose:  # a step that walks through a list, and hands on its items, does not make it longer
        return name in flow.changed and not is_same_step
    return name in flow.changed or name in flow.handed_on


def _may_change(state: TypeInfo, name: str) -> bool:
    symbol = state.get(name)
    node = None if symbol is None else symbol.node
    return not isinstance(node, Var) or node.type is None or not _is_immutable(node.type)


def _is_immutable(type_: Type) -> bool:
    found = get_proper_type(type_)
    if isinstance(found, UnionType):
        return all(map(_is_immutable, found.items))
    if isinstance(found, Instance):
        return found.type.fullname in _IMMUTABLE or found.type.is_enum
    return isinstance(found, (NoneType, LiteralType))


_IMMUTABLE: Final = frozenset(
    {
        *(f"builtins.{name}" for name in ("bool", "bytes", "complex", "float", "int", "str")),
        *(f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta")),
        "decimal.Decimal",
        "_decimal.Decimal",
        "uuid.UUID",
    }
)
