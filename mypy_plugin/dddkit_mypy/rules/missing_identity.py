"""An entity without an identity equals only itself, which no type says."""

from __future__ import annotations

from typing import Final

from mypy.nodes import NOT_ABSTRACT, Decorator, FuncDef, OverloadedFuncDef, SymbolNode, TypeInfo, Var
from mypy.types import AnyType, Instance, Type, TypeAliasType, TypeOfAny, UnionType, get_proper_type

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnAnalysed, OnClass, Rule
from dddkit_mypy.blocks.aliases import aliased_fields
from dddkit_mypy.blocks.fields import fields_of, is_constant, is_field
from dddkit_mypy.blocks.identity import candidates

CODE: Final = codes.MISSING_IDENTITY


_ALIASED: Final = "aliased"
_CONSTANTS: Final = "constants"


def store_aliases(scope: mypy_api.AnalysisScope) -> tuple[()]:
    """Store the fields that may be the identity through an alias, of the class and of mixins in its module.

    And the names of an identity that the class gives to constants.
    """
    info = scope.info
    constants = [name for name in candidates(info) if is_constant(info.defn, name)]
    if constants or _CONSTANTS in mypy_api.metadata_of(info):
        mypy_api.update_metadata(info, {_CONSTANTS: constants})
    aliased = [
        name
        for base in info.mro
        if base.module_name == info.module_name and (base is info or not base.has_base(names.IDENTIFIED))
        for name in aliased_fields(base, scope.tree)
    ]
    if aliased or _ALIASED in mypy_api.metadata_of(info):
        mypy_api.update_metadata(info, {_ALIASED: aliased})
    return ()


def check(ctx: ClassContext) -> None:
    """Report a class that has fields, none of which can be the identity; once, and not at its children."""
    info = ctx.info
    if not _lacks_identity(info) or any(_lacks_identity(base) for base in info.mro[1:]):
        return
    if mypy_api.comes_from_stub(info, ctx.api):
        return  # the identity may be a private field, which stubs leave out
    named = candidates(info)[1]
    flavour = "pydantic" if info.has_base(names.MODEL) else "dataclasses"
    ctx.report(
        f"{info.name} has no identity, so each object equals only itself; mark the field that identifies it, as in "
        f'"{_marked_field(ctx)}", with Identity from dddkit.{flavour}, or name it "id" or "{named}"; a base for others '
        f"derives from ABC",
        info.defn,
        CODE,
    )


def _marked_field(ctx: ClassContext) -> str:
    """Return a field as it is written when it is the identity: the first that can be one, if possible of the class."""
    fields = [(owner, name, var.type) for owner, name, var in fields_of(ctx.info) if is_field(owner, name, var)]
    fields.sort(key=lambda field: (field[0] is not ctx.info, _is_collection(field[2])))
    _, name, found = fields[0]
    type_ = "Any" if found is None else mypy_api.format_type(found, ctx.api.options).strip('"')
    return f"{name}: Identity[{type_}]"


def _is_collection(type_: Type | None) -> bool:
    found = get_proper_type(type_)
    return isinstance(found, Instance) and found.type.fullname in ("builtins.list", "builtins.dict", "builtins.set")


def _lacks_identity(info: TypeInfo) -> bool:
    """Whether a class needs an identity and has none, as far as the plugin can see."""
    if mypy_api.is_ours(info) or not info.has_base(names.IDENTIFIED) or info.fallback_to_any:
        return False
    fields = [(name, var) for owner, name, var in fields_of(info) if is_field(owner, name, var)]
    aliased = {name for base in info.mro for name in mypy_api.metadata_of(base).get(_ALIASED, ())}
    return (
        bool(fields)
        and not any(name in aliased or _may_be_identity(var.type) for name, var in fields)
        and not any(_may_have_value(info, name) for name in candidates(info))
        and not any("__getattr__" in base.names for base in info.mro if base.fullname not in _WITH_GETATTR)
        and not _is_abstract(info)
    )


_WITH_GETATTR: Final = ("pydantic.main.BaseModel",)


def _may_be_identity(type_: Type | None) -> bool:
    """Whether an annotation is an alias, which may stand for `Identity[...]`, or is unknown."""
    if isinstance(type_, TypeAliasType):
        return True
    found = get_proper_type(type_)
    if isinstance(found, UnionType):
        return any(_may_be_identity(item) for item in found.items)
    if isinstance(found, Instance) and found.type.fullname == names.MAPPED:
        return any(_may_be_identity(item) for item in found.args)
    return isinstance(found, AnyType) and found.type_of_any in _UNKNOWN


_UNKNOWN: Final = (TypeOfAny.from_unimported_type, TypeOfAny.from_error)


def _may_have_value(info: TypeInfo, name: str) -> bool:
    """Whether an object may have a value of this name: anything but a method, a ClassVar and a constant."""
    if name in mypy_api.metadata_of(info).get(_CONSTANTS, ()):
        return False
    for base in info.mro:
        if base.slots is not None and name in base.slots:
            return True
        symbol = base.names.get(name)
        if symbol is not None:
            node = symbol.node
            return not isinstance(node, (FuncDef, TypeInfo)) and not (isinstance(node, Var) and node.is_classvar)
    return False


def _is_abstract(info: TypeInfo) -> bool:
    """Whether the class is a base for others, as the runtime sees it: it derives from ABC, or a method is abstract."""
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
    checks=(OnAnalysed((names.IDENTIFIED,), store_aliases), OnClass((names.IDENTIFIED,), check)),
)
