"""The fields that a class and its bases declare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy.nodes import AssignmentStmt, ClassDef, IntExpr, MemberExpr, NameExpr, StrExpr, TypeInfo, Var

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api


def fields_of(info: TypeInfo) -> Iterator[tuple[TypeInfo, str, Var]]:
    """Yield the variables in the bodies of the user's own classes in the MRO, with the class that declares each.

    An attribute that only a method assigns is no field: the runtime sees no annotation of it, and a mapper may add more
    attributes to such a class.
    """
    seen: set[str] = set()
    for base in info.mro:
        if mypy_api.is_ours(base) or base.fullname in _NO_FIELDS or base.module_name == "enum":
            continue
        by_attrs = "attrs" in base.metadata  # for mypy, what attrs initializes is a variable of `__init__`
        for name, symbol in base.names.items():
            node = symbol.node
            if isinstance(node, Var) and not (node.is_initialized_in_class or by_attrs):
                continue  # the copy that pydantic's plugin makes of an inherited field too
            if name not in seen:
                seen.add(name)
                if isinstance(node, Var) and not node.is_classvar:
                    yield base, name, node


_NO_FIELDS: Final = ("builtins.object", "pydantic.main.BaseModel", "abc.ABC", "typing.Generic", "typing.Protocol")


def is_field(owner: TypeInfo, name: str, var: Var) -> bool:
    """Whether a variable in the body of a class is a field of its objects."""
    if name.startswith("__") and name.endswith("__"):
        return False  # `__slots__`, and what dataclasses add
    if var.is_final and var.has_explicit_value and not _makes_fields_of_constants(owner):
        return False
    if not var.is_inferred:
        return not (name.startswith("_") and owner.has_base(names.MODEL))  # pydantic keeps it beside the fields
    attributes = owner.metadata.get("attrs", {}).get("attributes", ())
    return any(attribute["name"] == name for attribute in attributes)  # `x = attrs.field(type=X)`


def is_constant(defn: ClassDef, name: str) -> bool:
    """Whether a class body says no more about a name than `id = 3`, and no method may give an object a value of it."""
    values = [
        statement.rvalue
        for statement in defn.defs.body
        if isinstance(statement, AssignmentStmt)
        and statement.unanalyzed_type is None
        and any(isinstance(target, NameExpr) and target.name == name for target in statement.lvalues)
    ]
    if not values or not isinstance(values[-1], (IntExpr, StrExpr)):
        return False
    writers = {name, "__dict__", "__setattr__", "setattr", "vars"}
    return not any(
        isinstance(node, (NameExpr, MemberExpr)) and node.name in writers
        for statement in defn.defs.body
        if not isinstance(statement, (AssignmentStmt, ClassDef))
        for node in mypy_api.walk(statement)
    )


def _makes_fields_of_constants(owner: TypeInfo) -> bool:
    """Whether `x: Final[int] = 3` is a field with a default, as for dataclasses and attrs; for pydantic it is none."""
    return not owner.has_base(names.MODEL) and not {"dataclass", "attrs"}.isdisjoint(owner.metadata)
