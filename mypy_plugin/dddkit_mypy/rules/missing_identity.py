"""An entity without an identity equals only itself, which no type says."""

from __future__ import annotations

from typing import Final

from mypy.nodes import NOT_ABSTRACT, Decorator, FuncDef, OverloadedFuncDef, SymbolNode, TypeInfo, Var
from mypy.types import AnyType, Type, TypeAliasType, TypeOfAny, UnionType, get_proper_type

from dddkit_mypy import _identity as identity
from dddkit_mypy import _mypy_api as mypy_api
from dddkit_mypy import _names as names
from dddkit_mypy._rule import ClassContext, OnAnalysed, OnClass, Rule, new_code

_TITLE: Final = "Every entity and every aggregate has an identity"
CODE: Final = new_code("dddkit-missing-identity", _TITLE)


_ALIASED: Final = "aliased"


def note_aliases(info: TypeInfo, place: mypy_api.Place) -> tuple[()]:
    """Note the fields that may be the identity for all we know, the class's own and those of mixins beside it."""
    aliased = [
        name
        for base in info.mro
        if base.module_name == info.module_name and (base is info or not base.has_base(names.IDENTIFIED))
        for name in mypy_api.written_aliases(base, place.tree)
    ]
    if aliased or _ALIASED in mypy_api.notes_of(info):
        mypy_api.note(info, {_ALIASED: aliased})
    return ()


def check(ctx: ClassContext) -> None:
    """Report a class that has fields, none of which can be the identity; once, not at its children again."""
    info = ctx.info
    if not _lacks_identity(info) or any(_lacks_identity(base) for base in info.mro[1:]):
        return
    named = identity.candidates(info)[1]
    ctx.report(
        f'{info.name} has no identity, so each object equals only itself; name a field "id" or "{named}", or '
        f"annotate it as Identity[...]; a base for others derives from ABC",
        info.defn,
        CODE,
    )


def _lacks_identity(info: TypeInfo) -> bool:
    """Whether a class, as far as it can be followed, is meant to have an identity and has none."""
    if identity.is_ours(info) or not info.has_base(names.IDENTIFIED) or info.fallback_to_any:
        return False
    fields = list(identity.fields_of(info))
    aliased = {name for base in info.mro for name in mypy_api.notes_of(base).get(_ALIASED, ())}
    return (
        bool(fields)
        and not any(name in aliased or _may_be_marked(var.type) for _, name, var in fields)
        and not any(_may_hold(info, name) for name in identity.candidates(info))
        and not any("__getattr__" in base.names for base in info.mro if base.fullname not in _WITH_GETATTR)
        and not _is_abstract(info)
    )


_WITH_GETATTR: Final = ("pydantic.main.BaseModel",)


def _may_be_marked(type_: Type | None) -> bool:
    """Whether an annotation is an alias, which may stand for `Identity[...]`, or was never found."""
    if isinstance(type_, TypeAliasType):
        return True
    found = get_proper_type(type_)
    if isinstance(found, UnionType):
        return any(_may_be_marked(item) for item in found.items)
    return isinstance(found, AnyType) and found.type_of_any in _NEVER_FOUND


_NEVER_FOUND: Final = (TypeOfAny.from_unimported_type, TypeOfAny.from_error)


def _may_hold(info: TypeInfo, name: str) -> bool:
    """Whether an object may have a value under this name: everything may but a method and a ClassVar."""
    for base in info.mro:
        if base.slots is not None and name in base.slots:
            return True
        symbol = base.names.get(name)
        if symbol is not None:
            node = symbol.node
            return not isinstance(node, (FuncDef, TypeInfo)) and not (isinstance(node, Var) and node.is_classvar)
    return False


def _is_abstract(info: TypeInfo) -> bool:
    """Whether the class is a base for others: it says so itself, or leaves a method to them."""
    if info.is_protocol or any(base.type.fullname == "abc.ABC" for base in info.bases):
        return True
    meta = info.declared_metaclass
    if meta is not None and meta.type.fullname == "abc.ABCMeta":
        return True
    seen: set[str] = set()
    for base in info.mro:
        for name, symbol in base.names.items():
            if name not in seen and _is_open(symbol.node):
                return True
        seen.update(base.names)
    return False


def _is_open(node: SymbolNode | None) -> bool:
    if isinstance(node, OverloadedFuncDef) and node.items:
        node = node.items[0]
    if isinstance(node, Decorator):
        node = node.func
    return isinstance(node, FuncDef) and node.abstract_status != NOT_ABSTRACT


RULE: Final = Rule(
    code=CODE,
    title=_TITLE,
    reason=(
        "Two objects that stand for the same basket, loaded twice, would be different ones in every comparison, set "
        "and dict, and no repository in memory would store them. The identity is the field annotated `Identity[...]`, "
        "else `id`, else `<class name>_id`; a property counts. A base for others derives from `ABC`."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.dataclasses import Entity


@dataclass(kw_only=True)
class Item(Entity):
    sku: str
    quantity: int
""",
    good="""\
from dataclasses import dataclass

from dddkit.dataclasses import Entity, Identity


@dataclass(kw_only=True)
class Item(Entity):
    sku: Identity[str]
    quantity: int
""",
    checks=(OnAnalysed((names.IDENTIFIED,), note_aliases), OnClass((names.IDENTIFIED,), check)),
)
