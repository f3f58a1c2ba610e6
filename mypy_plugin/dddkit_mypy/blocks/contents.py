"""What the fields of a class contain, at any depth of containers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

from mypy.errorcodes import ErrorCode
from mypy.nodes import TypeInfo, Var
from mypy.types import (
    Instance,
    ProperType,
    TupleType,
    Type,
    TypeAliasType,
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
_DEEPEST: Final = 6  # levels of type arguments: a generic class may contain itself, each time one level deeper


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
    """Read fields, and remember the classes, types and modules that the result depends on."""

    def __init__(self, of_run: dict[Any, Any]) -> None:
        self.classes: list[TypeInfo] = []
        self.types: list[Type] = []
        self.modules: set[str] = set()
        self.of_run: Final = of_run
        """What searches have found; see `ClassContext`."""

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
        yield from self._contents(type_, follow, (), set())

    def _contents(
        self,
        type_: Type,
        follow: Callable[[TypeInfo], bool] | None,
        through: tuple[TypeInfo, ...],
        seen: set[ProperType],
    ) -> Iterator[Content]:
        found = get_proper_type(type_)
        if found in seen:
            return
        seen.add(found)
        info, parts = parts_of(found)
        if info is not None:
            self.classes.append(info)
            yield Content(info, through)
        if is_too_deep(found):
            return
        if follow is not None and isinstance(found, Instance) and follow(found.type):
            for field in self.fields(found):
                yield from self._contents(field.type, follow, (*through, found.type), seen)
        for part in parts:
            for content in self._contents(part, follow, through, seen):
                yield content_of(found, part, content, through)


def parts_of(type_: ProperType) -> tuple[TypeInfo | None, Iterable[Type]]:
    """Return the class of a type, if it has one, and the types whose objects its objects contain."""
    if isinstance(type_, Instance):
        return type_.type, _elements(type_)
    if isinstance(type_, TupleType):
        return type_.partial_fallback.type, type_.items
    if isinstance(type_, TypedDictType):
        return type_.fallback.type, type_.items.values()
    if isinstance(type_, UnionType):
        return None, type_.items
    if isinstance(type_, TypeVarType):
        return None, type_.values or [type_.upper_bound]
    return None, [type_.type] if isinstance(type_, UnpackType) else ()


def is_too_deep(type_: Type) -> bool:
    """Whether a type is nested so deeply that some class seems to contain itself without end."""
    return _levels(type_) > _DEEPEST


def _levels(type_: Type) -> int:
    if isinstance(type_, TypeAliasType) and type_.is_recursive:
        return 0  # it stands for the same type each time
    found = get_proper_type(type_)
    if isinstance(found, Instance):
        return 1 + max(map(_levels, found.args)) if found.args else 0
    return 1 + max(map(_levels, found.items), default=0) if isinstance(found, (TupleType, UnionType)) else 0


def content_of(whole: ProperType, part: Type, content: Content, through: tuple[TypeInfo, ...] = ()) -> Content:
    """Return what a type contains, given what a part of it contains: a type variable stands for its bound itself."""
    found = get_proper_type(part)
    is_itself = isinstance(found, Instance) and found.type is content.info and content.through == through
    if isinstance(whole, TypeVarType) and is_itself and content.variable is None:
        return content._replace(variable=whole)
    return content


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
    reader = FieldReader(ctx.of_run)
    for field in reader.fields(mypy_api.self_type(info)):
        message = check(reader, info, field)
        if message is None:
            continue
        if field.owner is info:
            ctx.report(message, field.var, code)
        elif not any(_is_wrong_in(base, field, bases, check, ctx.of_run) for base in info.mro[1:]):
            ctx.report(message, info.defn, code)
    mypy_api.dependencies_of(ctx.api).add_types(reader.classes, reader.types, reader.modules)


def _is_wrong_in(
    base: TypeInfo, field: Field, bases: tuple[str, ...], check: FieldCheck, of_run: dict[Any, Any]
) -> bool:
    if mypy_api.is_ours(base) or not any(base.has_base(name) for name in bases):
        return False
    reader = FieldReader(of_run)
    return any(
        seen.name == field.name and seen.owner is field.owner and check(reader, base, seen) is not None
        for seen in reader.fields(mypy_api.self_type(base))
    )
