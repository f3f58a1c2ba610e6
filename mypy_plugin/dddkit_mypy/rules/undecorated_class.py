"""No constructor sets the fields of an undecorated class; mypy treats them as usual attributes."""

from __future__ import annotations

from typing import Final

from mypy.nodes import AssignmentStmt, ClassDef, NameExpr, TypeInfo, Var

from dddkit_mypy import _names as names
from dddkit_mypy._rule import ClassContext, OnClass, Rule, new_code
from dddkit_mypy.blocks.decorators import making_dataclasses

_TITLE: Final = "A building block that declares fields is a dataclass"
CODE: Final = new_code("dddkit-undecorated-class", _TITLE)


def check(ctx: ClassContext) -> None:
    """Report a class whose own fields no decorator and no `__init__` of its own sets."""
    info = ctx.info
    if ctx.tree.is_stub:
        return  # stubs leave out most decorators
    fields = _fields(info.defn)
    if not fields or info.is_enum or _has_constructor(info):  # members of an Enum are made by their mixins
        return
    ctx.report(
        f"{info.name} declares {', '.join(fields)}, but nothing sets {'it' if len(fields) == 1 else 'them'}; "
        f"decorate the class with {_decorator(info)}, or write its __init__",
        info.defn,
        CODE,
    )


def _decorator(info: TypeInfo) -> str:
    if info.has_base(names.VALUE_OBJECT):  # as the mixin of an Enum it must not be `kw_only`
        return "@dataclass(frozen=True)"
    return "@dataclass(frozen=True, kw_only=True)" if info.has_base(names.FROZEN) else "@dataclass(kw_only=True)"


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
    if making_dataclasses(info.defn):
        return True
    return any(
        "__init_subclass__" in base.names  # which may call `dataclass(cls)`
        for base in info.mro[1:]
        if base.module_name.partition(".")[0] not in ("dddkit", "builtins", "typing")
    )


RULE: Final = Rule(
    code=CODE,
    title=_TITLE,
    reason=(
        "Where the decorator was forgotten, the fields are annotations and nothing more: no constructor takes them. "
        "The runtime refuses such a class when it is first instantiated, and its subclasses when they are defined. A "
        "class with an `__init__` of its own needs no decorator; `attrs.define` is one as well."
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
    checks=(OnClass((names.DECLARED,), check),),
)
