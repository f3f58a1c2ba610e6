"""No constructor sets the fields of an undecorated class; mypy treats them as usual attributes."""

from __future__ import annotations

from typing import Final

from mypy.nodes import AssignmentStmt, ClassDef, MemberExpr, NameExpr, RefExpr, TypeInfo, Var

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnClass, Rule
from dddkit_mypy.stories.assignments import assigned_targets
from dddkit_mypy.stories.declaration import is_story
from dddkit_mypy.stories.fields import reported_fields

CODE: Final = codes.UNDECORATED_CLASS


def check(ctx: ClassContext) -> None:
    """Report a class whose own fields no decorator and no `__init__` of its own sets."""
    info = ctx.info
    if ctx.tree.is_stub:
        return  # stubs leave out most decorators
    fields = _fields(info.defn)
    if fields and not info.is_enum and not _has_constructor(info):  # members of an Enum are made by their mixins
        _report(ctx, info.name, fields)


def check_story(ctx: ClassContext) -> None:
    """Report a story with fields, its own or inherited, that nothing sets."""
    for owner, fields in reported_fields(ctx.info):
        left = [field for field in fields if not _is_assigned_to_class(ctx, field)]
        if left:
            _report(ctx, owner, left)


def _is_assigned_to_class(ctx: ClassContext, field: str) -> bool:
    """Whether the module says `Checkout.field = value`."""
    return any(
        isinstance(target, MemberExpr)
        and target.name == field
        and isinstance(target.expr, RefExpr)
        and target.expr.node in ctx.info.mro
        for statement in ctx.tree.defs
        for target in assigned_targets(statement)
    )


def _report(ctx: ClassContext, owner: str, fields: list[str]) -> None:
    decorator, is_frozen = _decorator(ctx.info)
    is_own = owner == ctx.info.name
    ctx.report(
        f"{'' if is_own else f'{ctx.info.name}: '}{owner} declares {', '.join(fields)}, "
        f"but nothing sets {'it' if len(fields) == 1 else 'them'}; "
        f"decorate {'the class' if is_own else owner} with {decorator}"
        f"{'' if is_frozen else ', or write its __init__'}{_for_bases(ctx.info)}",
        ctx.info.defn,
        CODE,
    )


def _decorator(info: TypeInfo) -> tuple[str, bool]:
    """Return the decorator that is missing, and whether it freezes, so that an `__init__` could not assign."""
    is_frozen = info.has_base(names.FROZEN) or any(map(mypy_api.is_frozen, info.mro[1:]))
    options = ["frozen=True"] if is_frozen else []
    if info.has_base(names.DECLARED) and not info.has_base(names.VALUE_OBJECT):  # which mixes with Enum: not kw_only
        options.append("kw_only=True")
    return f"@dataclass({', '.join(options)})" if options else "@dataclass", is_frozen


def _for_bases(info: TypeInfo) -> str:
    """Return what to do with a story that is only a base."""
    return "; a base for others derives from ABC" if is_story(info) else ""


def _fields(defn: ClassDef) -> list[str]:
    """Return the names annotated in the body, in order; those under an `if` may not exist at run time."""
    return [
        name.name
        for statement in defn.defs.body
        if isinstance(statement, AssignmentStmt) and statement.unanalyzed_type is not None
        for name in statement.lvalues
        if isinstance(name, NameExpr) and not (isinstance(name.node, Var) and name.node.is_classvar)
    ]


def _has_constructor(info: TypeInfo) -> bool:
    """Whether code sets the fields, or may set them."""
    if not {"dataclass_tag", "attrs_tag"}.isdisjoint(info.metadata):
        return True
    if "__init__" in info.names or "__new__" in info.names or info.fallback_to_any:
        return True
    if mypy_api.making_dataclasses(info.defn):
        return True
    return any(
        "__init_subclass__" in base.names  # which may call `dataclass(cls)`
        for base in info.mro[1:]
        if base.module_name.partition(".")[0] not in ("dddkit", "builtins", "typing")
    )


RULE: Final = Rule(
    code=CODE,
    reason=(
        "Where the decorator was forgotten, the fields are annotations and nothing more: no constructor takes them. "
        "The runtime refuses such a class when it is first instantiated, and its subclasses when they are defined. A "
        "class with an `__init__` of its own needs no decorator; `attrs.define` is one as well. Of a story, only "
        "fields without a value count, and any method of it may set them; a base for other stories derives from `ABC`."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.dataclasses import Aggregate, AggregateEvent


@dataclass(kw_only=True)
class Basket(Aggregate):
    id: int

    class ItemAdded(AggregateEvent):
        sku: str
""",
    good="""\
from dataclasses import dataclass

from dddkit.dataclasses import Aggregate, AggregateEvent


@dataclass(kw_only=True)
class Basket(Aggregate):
    id: int

    @dataclass(frozen=True, kw_only=True)
    class ItemAdded(AggregateEvent):
        sku: str
""",
    checks=(OnClass((names.DECLARED,), check), OnClass((names.STORY,), check_story)),
)
