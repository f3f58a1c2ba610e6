"""What the fields of a class contain, at any depth of containers."""

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

from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext
from dddkit_mypy.blocks.fields import fields_of, is_field

# Objects of these contain objects of their type arguments; of any other generic class, perhaps only their ids.
_CONTAINERS: Final = ("typing.Mapping", "typing.Iterable", "typing.Container")
_MAX_LEVELS: Final = 3  # of one class inside itself: a generic class may contain itself without end


class Field(NamedTuple):
    """A field, seen from the class that has it."""

    owner: TypeInfo
    """The class whose body declares it."""
    name: str
    var: Var
    type: Type


class Content(NamedTuple):
    """A class whose objects a field contains."""

    info: TypeInfo
    through: tuple[TypeInfo, ...]
    """The classes whose own fields lead to it, outermost first."""
    variable: TypeVarType | None = None
    """The type variable that stands for it, if any."""

    @property
    def name(self) -> str:
        """What messages call it."""
        if self.variable is None:
            return self.info.name
        relation = "which may be" if self.variable.values else "bound to"
        return f"{self.variable.name} ({relation} {self.info.name})"


class FieldReader:
    """Read fields, and remember the classes and types that the result depends on."""

    def __init__(self) -> None:
        self.classes: list[TypeInfo] = []
        self.types: list[Type] = []

    def fields(self, instance: Instance) -> Iterator[Field]:
        """Yield the fields of a class, inherited ones too."""
        self.classes.append(instance.type)
        for owner, name, var in fields_of(instance.type):
            if var.type is None or not is_field(owner, name, var):
                continue
            type_ = mypy_api.seen_from(var.type, owner, instance)
            self.types.append(type_)  # a descriptor too, as it decides what is read
            type_ = mypy_api.read_on(instance, type_)
            yield Field(owner, name, var, type_)

    def contents(self, type_: Type, follow: Callable[[TypeInfo], bool] | None = None) -> Iterator[Content]:
        """Yield the classes of the objects that a value of this type contains, its own class first.

        Elements of containers count, and fields of the classes for which `follow` is true.
        """
        yield from self._contents(type_, follow, (), (), set())

    def _contents(
        self,
        type_: Type,
        follow: Callable[[TypeInfo], bool] | None,
        through: tuple[TypeInfo, ...],
        within: tuple[TypeInfo, ...],
        seen: set[ProperType],
    ) -> Iterator[Content]:
        found = get_proper_type(type_)
        if found in seen:
            return
        seen.add(found)
        parts: Iterable[Type] = ()
        if isinstance(found, Instance):
            self.classes.append(found.type)
            yield Content(found.type, through)
            if within.count(found.type) < _MAX_LEVELS or mypy_api.is_never_edited(found.type):
                parts = _elements(found)
            if follow is not None and through.count(found.type) < _MAX_LEVELS and follow(found.type):
                for field in self.fields(found):
                    yield from self._contents(field.type, follow, (*through, found.type), within, seen)
            within = (*within, found.type)
        elif isinstance(found, TupleType):
            yield Content(found.partial_fallback.type, through)
            parts = found.items
        elif isinstance(found, TypedDictType):
            yield Content(found.fallback.type, through)
            parts = found.items.values()
        elif isinstance(found, UnionType):
            parts = found.items
        elif isinstance(found, TypeVarType):
            for part in found.values or [found.upper_bound]:
                for content in self._contents(part, follow, through, within, seen):
                    is_itself = content.variable is None and content.through == through
                    yield content._replace(variable=found) if is_itself and _is_class(part, content.info) else content
        elif isinstance(found, UnpackType):
            parts = [found.type]
        for part in parts:
            yield from self._contents(part, follow, through, within, seen)


def _is_class(type_: Type, info: TypeInfo) -> bool:
    found = get_proper_type(type_)
    return isinstance(found, Instance) and found.type is info


def _elements(container: Instance) -> list[Type]:
    """Return the types of the elements of a container."""
    if container.type.fullname in _ATOMS:
        return []
    bases = {base.fullname: base for base in container.type.mro}
    for kind in _CONTAINERS:
        if kind in bases:
            base = get_proper_type(mypy_api.seen_from(mypy_api.self_type(bases[kind]), bases[kind], container))
            return list(base.args) if isinstance(base, Instance) else []
    return []


_ATOMS: Final = ("builtins.str", "builtins.bytes", "builtins.int", "builtins.object")


FieldCheck: TypeAlias = Callable[[FieldReader, TypeInfo, Field], str | None]
"""Returns the message about a wrong field of a class; None where the field is right."""


def report_fields(ctx: ClassContext, bases: tuple[str, ...], code: ErrorCode, check: FieldCheck) -> None:
    """Report each wrong field of a class: its own at the field, an inherited one at the class.

    An inherited field only where it is right in the bases that the rule checks; else it is reported there.
    """
    info = ctx.info
    reader = FieldReader()
    for field in reader.fields(mypy_api.self_type(info)):
        message = check(reader, info, field)
        if message is None:
            continue
        if field.owner is info:
            ctx.report(message, field.var, code)
        elif not any(_is_wrong_in(base, field, bases, check) for base in info.mro[1:]):
            ctx.report(message, info.defn, code)
    mypy_api.dependencies_of(ctx.api).add_types(reader.classes, reader.types)


def _is_wrong_in(base: TypeInfo, field: Field, bases: tuple[str, ...], check: FieldCheck) -> bool:
    if mypy_api.is_ours(base) or not any(base.has_base(name) for name in bases):
        return False
    reader = FieldReader()
    return any(
        seen.name == field.name and seen.owner is field.owner and check(reader, base, seen) is not None
        for seen in reader.fields(mypy_api.self_type(base))
    )
