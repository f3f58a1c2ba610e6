"""Which repositories hold which aggregates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mypy.nodes import CallExpr, TypeInfo, Var
from mypy.types import Instance, Type, get_proper_type

from dddkit.cli._drawing.analysis import Analysis
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api

_REPOSITORIES = (names.REPOSITORY, names.SYNC_REPOSITORY)
_DECLARATIONS = (names.DOCUMENTS, names.CUSTOM, names.ORM_MAPPED)


@dataclass(frozen=True)
class Repository:
    """What holds the aggregates of one class."""

    aggregate: TypeInfo
    name: str
    kind: str
    module: str


def repositories_in(analysis: Analysis) -> list[Repository]:
    """Return the repositories of a project: classes, attributes of units of work, and others where they are made."""
    found = [*_of_classes(analysis)]
    known = {(repository.aggregate, repository.name) for repository in found}
    return [
        *found,
        *(one for one in dict.fromkeys(_of_calls(analysis)) if (one.aggregate, one.name) not in known),
    ]


def _of_classes(analysis: Analysis) -> Iterator[Repository]:
    for info in analysis.classes():
        if info.has_base(names.UNIT):
            yield from _of_unit(info)
        aggregate = _held_by(mypy_api.self_type(info))
        if aggregate is not None:
            kind = "Protocol" if info.is_protocol else ""
            yield Repository(aggregate, mypy_api.qualified_name(info), kind, info.module_name)


def _of_unit(info: TypeInfo) -> Iterator[Repository]:
    for name, symbol in info.names.items():
        type_ = get_proper_type(symbol.node.type) if isinstance(symbol.node, Var) else None
        if isinstance(type_, Instance) and type_.args and type_.type.fullname in _DECLARATIONS:
            aggregate = _class_of(type_.args[0])
            if aggregate is not None:
                place = f"{mypy_api.qualified_name(info)}.{name}"
                yield Repository(aggregate, place, type_.type.name, info.module_name)


def _of_calls(analysis: Analysis) -> Iterator[Repository]:
    """Yield the repositories that are made in the source, as in `InMemoryRepository[Basket, BasketId]()`."""
    for module in sorted(analysis.own):
        for node in mypy_api.walk(analysis.own[module]):
            if isinstance(node, CallExpr):
                made = get_proper_type(analysis.types.get(node))
                aggregate = _held_by(made) if isinstance(made, Instance) else None
                if aggregate is not None and isinstance(made, Instance):
                    yield Repository(aggregate, made.type.name, "", module)


def _held_by(repository: Instance) -> TypeInfo | None:
    """Return the aggregate that a repository is for; None where it is for any, or is no repository."""
    for base in repository.type.mro:
        if base.fullname in _REPOSITORIES and base is not repository.type:
            seen = get_proper_type(mypy_api.seen_from(mypy_api.self_type(base), base, repository))
            if isinstance(seen, Instance) and seen.args:
                return _class_of(seen.args[0])
    return None


def _class_of(type_: Type) -> TypeInfo | None:
    found = get_proper_type(type_)
    is_aggregate = isinstance(found, Instance) and found.type.has_base(names.RECORDING)
    return found.type if isinstance(found, Instance) and is_aggregate and not mypy_api.is_ours(found.type) else None
