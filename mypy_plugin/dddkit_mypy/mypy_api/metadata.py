"""What the plugin stores about a class, for rules, for later runs and for the daemon."""

from __future__ import annotations

from typing import Any, Final

from mypy.nodes import MDEF, SymbolTableNode, TypeInfo, Var
from mypy.semanal import SemanticAnalyzer
from mypy.types import LiteralType, get_proper_type

_KEY: Final = "dddkit"  # ours in TypeInfo.metadata, which mypy keeps in its cache


def metadata_of(info: TypeInfo) -> dict[str, Any]:
    """Return our metadata of a class, from this run or from the cache.

    Values are str, int, bool, None, list, tuple and dict with str keys.
    """
    metadata: dict[str, Any] = info.metadata.get(_KEY, {})
    return metadata


def bases_with(info: TypeInfo, name: str) -> list[TypeInfo]:
    """Return the classes in the MRO of a class whose metadata has this value; an empty value is none."""
    found: list[TypeInfo] = []
    for base in info.mro:
        metadata = base.metadata
        if metadata and _KEY in metadata and metadata[_KEY].get(name):
            found.append(base)
    return found


def update_metadata(info: TypeInfo, values: dict[str, Any]) -> dict[str, Any]:
    """Add values to our metadata of a class; return all of it, which the caller may change."""
    metadata: dict[str, Any] = info.metadata.setdefault(_KEY, {})
    metadata.update(values)
    return metadata


def set_private_text(analyzer: SemanticAnalyzer, info: TypeInfo, name: str, text: str) -> None:
    """Store a text about a class in a symbol that only the plugin knows.

    The daemon compares symbols, but neither values nor metadata: this way, what depends on the class is checked again
    when the text changes.
    """
    var = Var(private_name(name), LiteralType(text, analyzer.named_type("builtins.str")))
    var.info = info
    var._fullname = f"{info.fullname}.{var.name}"  # pyright: ignore[reportPrivateUsage]  # the daemon uses this one
    info.names[var.name] = SymbolTableNode(MDEF, var, plugin_generated=True)


def private_text_of(info: TypeInfo, name: str) -> str:
    """Return what `set_private_text` has stored about a class; empty where it has stored nothing."""
    symbol = info.names.get(private_name(name))
    type_ = get_proper_type(symbol.type) if symbol is not None else None
    return type_.value if isinstance(type_, LiteralType) and isinstance(type_.value, str) else ""


METADATA: Final = "metadata"
"""The private text that changes whenever the metadata of a class changes."""


def private_name(name: str) -> str:
    """Return the name of the symbol for a private text."""
    return f"__dddkit_{name}"  # mypy does not compare private names with those of other classes
