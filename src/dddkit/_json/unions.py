"""One of several types: which one a value is of, and whether their JSON is told apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dddkit._json.forms import NOTHING, can_read
from dddkit._json.mismatch import Path, Problem, found
from dddkit._json.records import NamedValues, Record
from dddkit._json.shapes import Shape

__all__ = ["UnionOf", "may_read"]

# Any: a value may be of any class, which is what is found out here.


class UnionOf(Shape):
    """One of several types, whose JSON is told apart."""

    def __init__(self, members: list[Shape]) -> None:
        self.declared = " | ".join(dict.fromkeys(member.declared for member in members))
        self.members = members
        self.classes = frozenset[type]().union(*(member.classes for member in members))
        self.form = NOTHING
        for member in members:
            self.form |= member.form

    def fits(self, value: Any) -> bool:
        return any(member.fits(value) for member in self.members)

    def is_meant(self, value: Any) -> bool:
        return any(member.is_meant(value) for member in self.members)

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        if self.fits(value):
            # It may be refused later, as a text that UTF-8 does not have.
            member = next(member for member in self.members if member.fits(value))
            yield from member.problems(value, path)
            return
        meant = [member for member in self.members if member.is_meant(value)]
        if len(meant) == 1:
            yield from meant[0].problems(value, path)
        else:
            yield path, found(value, self.declared)

    def differences(self, written: Any, read: Any, path: Path) -> Iterator[Problem]:
        member = next(member for member in self.members if member.fits(written))
        yield from member.differences(written, read, path)

    def drop_events(self, value: Any) -> None:
        for member in self.members:
            if member.fits(value):
                member.drop_events(value)
                return


def may_read(reader: Shape, writer: Shape) -> bool:
    """Return whether one type could take what another has written: objects by their names, and what these hold."""
    if not can_read(reader.form, writer.form):
        return False
    if not isinstance(reader, (Record, NamedValues)) or not isinstance(writer, (Record, NamedValues)):
        return True
    if not reader.required <= writer.fields.keys():
        return False
    always = writer.required if isinstance(writer, NamedValues) else writer.fields.keys()
    return all(can_read(reader.fields[name].form, writer.fields[name].form) for name in always & reader.fields.keys())
