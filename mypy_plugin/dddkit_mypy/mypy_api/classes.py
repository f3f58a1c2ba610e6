"""Facts about one class, as mypy represents it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from mypy.nodes import CallExpr, ClassDef, Expression, NameExpr, RefExpr, SymbolTableNode, TypeInfo, Var


def has_own_metaclass(info: TypeInfo) -> bool:
    """Whether mypy skips `__init_subclass__` of the class, and with it the hook that checks classes."""
    meta = info.metaclass_type
    return meta is not None and meta.type.fullname not in ("builtins.type", "abc.ABCMeta")


def is_abstract(info: TypeInfo) -> bool:
    """Whether a class is a base for other classes: it derives from ABC itself, or has abstract methods."""
    return bool(info.abstract_attributes) or any(base.type.fullname == "abc.ABC" for base in info.bases)


def is_ours(info: TypeInfo) -> bool:
    """Whether the class comes with the library."""
    return info.module_name.partition(".")[0] == "dddkit"


def is_never_edited(info: TypeInfo) -> bool:
    """Whether the module of a class stays the same while the user works, so that nothing needs to depend on it."""
    return _is_never_edited(info.module_name)


@cache
def _is_never_edited(module: str) -> bool:
    return module.partition(".")[0] in _NEVER_EDITED


_NEVER_EDITED: Final = frozenset({"builtins", "typing", "typing_extensions", "abc", "types", "dddkit", "pydantic"})


def qualified_name(info: TypeInfo) -> str:
    """Return the name of a class in its module, as in `Checkout.State`; of a local class, mypy keeps only `State`."""
    return re.sub(r"@\d+", "", info.fullname.removeprefix(f"{info.module_name}."))


def source_name(info: TypeInfo) -> str:
    """Return the name of a class in its source: before mypy 2, the name of a NamedTuple in a function has the line."""
    return info.name.partition("@")[0]


def name_in_body(name: str) -> str:
    """Return the name of a member as the body of its class has it.

    What `try` declares, and `except` again, mypy keeps a second time, under a name that no source can have.
    """
    return name.partition("-redefinition")[0]


def members_of(info: TypeInfo) -> Iterator[tuple[str, SymbolTableNode]]:
    """Yield what the body of a class declares, by name, and each name once."""
    return ((name, symbol) for name, symbol in info.names.items() if name == name_in_body(name))


def is_frozen(info: TypeInfo) -> bool:
    """Whether a class is itself a frozen dataclass, of attrs too.

    Its decorator says so before mypy makes the dataclass, which is after the analysis.
    """
    metadata = info.metadata
    if not metadata:
        return False
    for maker in ("dataclass", "attrs"):
        if maker in metadata:
            return bool(metadata[maker]["frozen"])
    return any(map(_makes_frozen, info.defn.decorators))


def _makes_frozen(decorator: Expression) -> bool:
    """Whether a decorator is `@dataclass(frozen=True)`, without the help of a variable."""
    if isinstance(decorator, CallExpr) and _name_of(decorator) == "dataclasses.dataclass":
        for name, value in zip(decorator.arg_names, decorator.args, strict=True):
            if name == "frozen":
                return isinstance(value, NameExpr) and value.fullname == "builtins.True"
    return False


def declares_assignable(info: TypeInfo) -> bool:
    """Whether a class declares a public variable that mypy lets methods assign: no field of a frozen dataclass.

    `self.x = ...` and `x = 0` declare no fields.
    """
    frozen = is_frozen(info)
    for name, symbol in info.names.items():
        node = symbol.node
        if isinstance(node, Var) and name[0] != "_" and (not frozen or symbol.implicit or node.is_inferred):
            return True
    return False


def making_dataclasses(defn: ClassDef) -> list[Expression]:
    """Return the decorators that may generate the constructor of the class."""
    return [decorator for decorator in defn.decorators if _name_of(decorator) not in _MAKE_NO_DATACLASS]


def _name_of(decorator: Expression) -> str:
    called = decorator.callee if isinstance(decorator, CallExpr) else decorator
    return called.fullname if isinstance(called, RefExpr) else ""


# Any other decorator may make a dataclass.
_MAKE_NO_DATACLASS: Final = frozenset(
    {
        "typing.final",
        "typing_extensions.final",
        "functools.total_ordering",
        "warnings.deprecated",
        "typing_extensions.deprecated",
    }
)
