"""Why an object does not fit a protocol."""

from __future__ import annotations

from mypy.messages import format_type, format_type_distinctly
from mypy.options import Options
from mypy.subtypes import IS_SETTABLE, find_member, get_member_flags, is_same_type, is_subtype
from mypy.types import Instance, TupleType, Type, get_proper_type

from dddkit_mypy._record import Record


class Misfit(Record):
    """Why an object does not fit, and what to do about it."""

    clause: str
    """As in `which lacks card`."""
    advice: str


def misfit(given: Type, protocol: Type, options: Options) -> Misfit | None:
    """Return the members that an object lacks, or else the first that differs.

    None where the protocol is none, or the object has no class.
    """
    wanted, found = get_proper_type(protocol), get_proper_type(given)
    if isinstance(found, TupleType):
        found = found.partial_fallback
    if not isinstance(wanted, Instance) or not wanted.type.is_protocol or not isinstance(found, Instance):
        return None
    members = wanted.type.protocol_members
    missing = [name for name in members if find_member(name, found, found) is None]
    if missing:
        return Misfit(f"which lacks {', '.join(missing)}", f"declare {'it' if len(missing) == 1 else 'them'} there")
    for name in members:
        theirs, ours = find_member(name, wanted, found), find_member(name, found, found)
        if theirs is None or ours is None:
            continue
        is_settable = IS_SETTABLE in get_member_flags(name, wanted)
        if not is_subtype(ours, theirs) or (is_settable and not is_same_type(ours, theirs)):
            expected, declared = format_type_distinctly(theirs, ours, options=options)
            exactly = "exactly " if is_subtype(ours, theirs) else ""
            return Misfit(f"whose {name} is {declared}, not {exactly}{expected}", "let the two agree")
        if is_settable and IS_SETTABLE not in get_member_flags(name, found):
            clause = f"whose {name}, {format_type(ours, options)}, is read-only"
            return Misfit(clause, "let the protocol declare it as a property")
    return None
