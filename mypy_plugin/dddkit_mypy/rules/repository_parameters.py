"""No bound can say that the second parameter of a repository is the identity type of the first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from mypy.nodes import (
    AssignmentStmt,
    CallExpr,
    Context,
    Expression,
    IndexExpr,
    NameExpr,
    RefExpr,
    TupleExpr,
    TypeApplication,
    TypeInfo,
    Var,
)
from mypy.types import AnyType, Instance, NoneType, Type, TypeVarType, UnionType, get_proper_type

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnAnalysed, OnClass, Rule
from dddkit_mypy.blocks.fields import fields_of
from dddkit_mypy.blocks.identity import type_of_identity
from dddkit_mypy.mypy_api import Options, format_type, format_type_distinctly, is_same_type

CODE: Final = codes.REPOSITORY_PARAMETERS

_ROOTS: Final = (names.REPOSITORY, names.SYNC_REPOSITORY)
_REPOSITORIES: Final = (*_ROOTS, names.IN_MEMORY_REPOSITORY, names.SYNC_IN_MEMORY_REPOSITORY)
_DECLARATIONS: Final = (names.DOCUMENTS, names.ORM_MAPPED, names.CUSTOM)


def check(ctx: ClassContext) -> None:
    """Report each base that is a bare repository, or a repository with wrong parameters."""
    info = ctx.info
    if mypy_api.is_ours(info):
        return
    for base, expression in _bases_in_source(info):
        if isinstance(expression, RefExpr) and isinstance(expression.node, TypeInfo):
            if expression.node.fullname in _REPOSITORIES:
                name = expression.node.name
                message = (
                    f"{info.name}: {name} of what? Write {name}[Basket, BasketId], with your aggregate and the type of "
                    f"its identity"
                )
                ctx.report(message, expression, CODE)
            continue
        for root in _ROOTS:
            if base.type.has_base(root):
                _check_parameters(ctx, base, root, expression)
                break


def check_declarations(ctx: ClassContext) -> None:
    """Report what the body of a unit of work declares as a repository with wrong parameters."""
    for statement, call in _declarations(ctx.info):
        target = statement.lvalues[0]
        node = target.node if isinstance(target, NameExpr) else None
        made = get_proper_type(node.type) if isinstance(node, Var) else None
        if isinstance(made, Instance) and made.type.fullname in _DECLARATIONS:
            _check_parameters(ctx, made, made.type.fullname, call.callee)


def _classes_of_declarations(scope: mypy_api.AnalysisScope) -> Iterator[TypeInfo]:
    """Yield the classes that decide about the identities of what a unit of work declares."""
    for _, call in _declarations(scope.info):
        applied = call.callee.analyzed if isinstance(call.callee, IndexExpr) else None
        if isinstance(applied, TypeApplication):
            yield from _classes_of_arguments(applied.types)


def _declarations(info: TypeInfo) -> Iterator[tuple[AssignmentStmt, CallExpr]]:
    for statement in info.defn.defs.body:
        if isinstance(statement, AssignmentStmt) and isinstance(statement.rvalue, CallExpr):
            yield statement, statement.rvalue


def _classes_of_parameters(scope: mypy_api.AnalysisScope) -> Iterator[TypeInfo]:
    """Yield the classes that decide which field is the identity, and of which type."""
    for base in scope.info.bases:
        yield from _classes_of_arguments(base.args)


def _classes_of_arguments(arguments: Iterable[Type]) -> Iterator[TypeInfo]:
    for argument in arguments:
        for used in mypy_api.classes_in(argument):
            yield from used.mro
            if used.has_base(names.RECORDING):
                for _, _, var in fields_of(used):
                    for read in mypy_api.classes_in(var.type):  # perhaps a descriptor
                        yield from read.mro


def _bases_in_source(info: TypeInfo) -> Iterator[tuple[Instance, Expression | None]]:
    """Yield the bases with their expressions in the source; None where it is unknown which belongs to which."""
    expressions = info.defn.base_type_exprs
    if len(expressions) == len(info.bases):
        yield from zip(info.bases, expressions, strict=True)
    else:
        yield from ((base, None) for base in info.bases)


def _check_parameters(ctx: ClassContext, base: Instance, root: str, expression: Expression | None) -> None:
    own = next(found for found in base.type.mro if found.fullname == root)
    parameters = get_proper_type(mypy_api.seen_from(mypy_api.self_type(own), own, base))
    if not isinstance(parameters, Instance) or len(parameters.args) != 2:
        return
    first, given = parameters.args
    locations = _locations(ctx, expression)
    aggregate = get_proper_type(first)
    if not isinstance(aggregate, Instance) or aggregate.type.fallback_to_any:
        return
    options = ctx.api.options
    if not aggregate.type.has_base(names.RECORDING):
        message = (
            f"{ctx.info.name}: {format_type(aggregate, options)} is no aggregate; a repository keeps aggregates whole, "
            f"with the entities that belong to them: name a class that derives from Aggregate"
        )
        ctx.report(message, locations[0], CODE)
        return
    expected = type_of_identity(aggregate.type)
    if expected is None or mypy_api.comes_from_stub(aggregate.type, ctx.api):
        return  # the identity may be a private field, which stubs leave out
    expected = mypy_api.seen_from(expected, aggregate.type, aggregate)
    if not _fits(given, expected):
        wanted, found = format_type_distinctly(_without_none(expected), given, options=options)
        message = (
            f"{ctx.info.name}: the identity of {aggregate.type.name} is {wanted}, not {found}; "
            f"{_advice(base, first, wanted, expression, options)}"
        )
        ctx.report(message, locations[1], CODE)


def _advice(base: Instance, first: Type, wanted: str, expression: Expression | None, options: Options) -> str:
    aggregate, identity = format_type(first, options).strip('"'), wanted.strip('"')
    if isinstance(expression, IndexExpr) and len(base.args) == 2 and base.args[0] == first:
        return f"write {base.type.name}[{aggregate}, {identity}]"
    return f"derive from a repository of {aggregate} and {identity}"


def _locations(ctx: ClassContext, expression: Expression | None) -> tuple[Context, Context]:
    """Return the locations of the two parameters."""
    if isinstance(expression, IndexExpr):
        index = expression.index
        if isinstance(index, TupleExpr) and len(index.items) == 2:
            return index.items[0], index.items[1]
        return expression, expression
    return ctx.info.defn, ctx.info.defn


def _fits(given: Type, expected: Type) -> bool:
    if any(isinstance(get_proper_type(type_), (AnyType, TypeVarType)) for type_ in (given, expected)):
        return True
    return is_same_type(given, expected) or is_same_type(given, _without_none(expected))


def _without_none(type_: Type) -> Type:
    found = get_proper_type(type_)
    if isinstance(found, UnionType):
        return UnionType.make_union([item for item in found.items if not isinstance(get_proper_type(item), NoneType)])
    return type_


RULE: Final = Rule(
    code=CODE,
    reason=(
        "`get` would be typed to take what identifies no aggregate, and every call of it would find nothing. An `X` "
        "fits an identity declared as `X | None`. Repositories that are generic themselves may leave the parameters to "
        "their children."
    ),
    bad="""\
from dataclasses import dataclass
from uuid import UUID

from dddkit.dataclasses import Aggregate, Repository


@dataclass(kw_only=True)
class Basket(Aggregate):
    id: UUID


class BasketRepository(Repository[Basket, str]): ...
""",
    good="""\
from dataclasses import dataclass
from uuid import UUID

from dddkit.dataclasses import Aggregate, Repository


@dataclass(kw_only=True)
class Basket(Aggregate):
    id: UUID


class BasketRepository(Repository[Basket, UUID]): ...
""",
    checks=(
        OnAnalysed(_ROOTS, _classes_of_parameters),
        OnClass(_ROOTS, check),
        OnAnalysed((names.UNIT,), _classes_of_declarations),
        OnClass((names.UNIT,), check_declarations),
    ),
)
