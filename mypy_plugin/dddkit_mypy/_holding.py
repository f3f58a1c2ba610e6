"""What the fields of a class hold, however deep in containers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias

from mypy.errorcodes import ErrorCode
from mypy.nodes import TypeInfo, Var
from mypy.types import (
    Instance,
    ProperType,
    TupleType,
    Type,
    TypedDictType,
    TypeVarType,
    UnionType,
    UnpackType,
    get_proper_type,
)

from dddkit_mypy import _identity as identity
from dddkit_mypy import _mypy_api as mypy_api
from dddkit_mypy import _names as names
from dddkit_mypy._rule import ClassContext

# What is one of these holds what they are made of. A class that is merely generic may hold an id of its parameter.
_CONTAINERS: Final = ("typing.Mapping", "typing.Iterable", "typing.Container")
_MOST_LEVELS: Final = 3  # of one class inside itself: a generic one may hold ever deeper ones of its own


class Field(NamedTuple):
    """A field, as seen from the class that has it."""

    owner: TypeInfo
    """The class whose body declares it."""
    name: str
    var: Var
    type: Type


class Held(NamedTuple):
    """A class, objects of which a field holds."""

    info: TypeInfo
    through: tuple[TypeInfo, ...]
    """The classes whose own fields lead there, outermost first."""


class Reader:
    """Reads fields, and knows what it has read: an edit there may change what was found."""

    def __init__(self) -> None:
        self.classes: list[TypeInfo] = []
        self.types: list[Type] = []

    def fields(self, holder: Instance) -> Iterator[Field]:
        """The fields of a class, inherited ones too."""
        self.classes.append(holder.type)
        is_model = holder.type.has_base(names.MODEL)
        for owner, name, var in identity.fields_of(holder.type):
            if var.type is None or not _is_field(owner, name, var) or (is_model and name.startswith("_")):
                continue
            type_ = mypy_api.seen_from(var.type, owner, holder)
            self.types.append(type_)
            yield Field(owner, name, var, type_)

    def held(self, type_: Type, follow: Callable[[TypeInfo], bool] | None = None) -> Iterator[Held]:
        """The classes of the objects that a value of this type holds, itself first.

        What it holds in containers, and in the fields of those classes that are to be followed.
        """
        yield from self._held(type_, follow, (), set())

    def _held(
        self,
        type_: Type,
        follow: Callable[[TypeInfo], bool] | None,
        through: tuple[TypeInfo, ...],
        seen: set[ProperType],
    ) -> Iterator[Held]:
        found = get_proper_type(type_)
        if found in seen:
            return
        seen.add(found)
        parts: Iterable[Type] = ()
        if isinstance(found, Instance):
            self.classes.append(found.type)
            yield Held(found.type, through)
            parts = _contents(found)
            if follow is not None and through.count(found.type) < _MOST_LEVELS and follow(found.type):
                for field in self.fields(found):
                    yield from self._held(field.type, follow, (*through, found.type), seen)
        elif isinstance(found, TupleType):
            yield Held(found.partial_fallback.type, through)
            parts = found.items
        elif isinstance(found, TypedDictType):
            yield Held(found.fallback.type, through)
            parts = found.items.values()
        elif isinstance(found, UnionType):
            parts = found.items
        elif isinstance(found, TypeVarType):
            parts = found.values or [found.upper_bound]
        elif isinstance(found, UnpackType):
            parts = [found.type]
        for part in parts:
            yield from self._held(part, follow, through, seen)


def _is_field(owner: TypeInfo, name: str, var: Var) -> bool:
    if name.startswith("__") and name.endswith("__"):
        return False  # `__slots__`, and what dataclasses leave behind
    if not var.is_inferred:
        return True
    attributes = owner.metadata.get("attrs", {}).get("attributes", ())
    return any(attribute["name"] == name for attribute in attributes)  # `x = attrs.field(type=X)`


def _contents(container: Instance) -> list[Type]:
    """What an object holds whose class says so by its bases."""
    if container.type.fullname in _ATOMS:
        return []
    bases = {base.fullname: base for base in container.type.mro}
    for kind in _CONTAINERS:
        if kind in bases:
            held = get_proper_type(mypy_api.seen_from(mypy_api.self_type(bases[kind]), bases[kind], container))
            return list(held.args) if isinstance(held, Instance) else []
    return []


_ATOMS: Final = ("builtins.str", "builtins.bytes", "builtins.int", "builtins.object")


Judge: TypeAlias = Callable[[Reader, TypeInfo, Field], str | None]
"""Says what is wrong with a field of a class; None where it is right."""


def report_fields(ctx: ClassContext, bases: tuple[str, ...], code: ErrorCode, what: Judge) -> None:
    """Report what is wrong with each field of a class: its own at the field, an inherited one at the class.

    An inherited one only where it was right in the bases that the rule looks at; else it has been reported there.
    """
    info = ctx.info
    reader = Reader()
    for field in reader.fields(mypy_api.self_type(info)):
        message = what(reader, info, field)
        if message is None:
            continue
        if field.owner is info:
            ctx.report(message, field.var, code)
        elif not any(_is_wrong_in(base, field, bases, what) for base in info.mro[1:]):
            ctx.report(message, info.defn, code)
    mypy_api.depend_on(ctx.api, reader.classes, reader.types)


def _is_wrong_in(base: TypeInfo, field: Field, bases: tuple[str, ...], what: Judge) -> bool:
    if identity.is_ours(base) or not any(base.has_base(name) for name in bases):
        return False
    reader = Reader()
    return any(
        seen.name == field.name and seen.owner is field.owner and what(reader, base, seen) is not None
        for seen in reader.fields(mypy_api.self_type(base))
    )
