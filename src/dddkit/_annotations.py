"""The annotations of a class: read without evaluating any, on every Python."""

from __future__ import annotations

import sys
from typing import Any, ClassVar, Final, get_origin

__all__ = ["UNRESOLVED", "is_class_level", "is_class_var", "own_annotations", "resolve_name", "text_of"]

UNRESOLVED: Final = object()
"""What `resolve_name` returns for a name that is not there: only checkers import it, or it is misspelt."""

_QUALIFIERS: Final[dict[str, object]] = {"ClassVar": ClassVar, "Final": Final}

if sys.version_info >= (3, 14):

    def own_annotations(cls: type) -> dict[str, Any]:
        """Return the annotations of this class alone, by name: types, strings or forward references."""
        # 3.14 computes annotations when they are read, so the class dictionary does not contain them.
        from annotationlib import Format, get_annotations

        return get_annotations(cls, format=Format.FORWARDREF)

else:

    def own_annotations(cls: type) -> dict[str, Any]:
        """Return the annotations of this class alone, by name: types or strings."""
        # Not `cls.__annotations__`, which for a class without annotations can return those of a base.
        found: dict[str, Any] = cls.__dict__.get("__annotations__", {})
        return found


def is_class_var(annotation: object, owner: type) -> bool:
    """Return whether the annotation declares a class variable: for dataclasses anything else declares a field."""
    return _qualifier_of(annotation, owner) is ClassVar


def is_class_level(annotation: object, owner: type) -> bool:
    """Return whether the annotation is a ClassVar or Final: in a StoryState both are constants of the class."""
    return _qualifier_of(annotation, owner) is not None


def text_of(annotation: object) -> str | None:
    """Return the text of a string or a forward reference; None for what is evaluated already."""
    # Asked by attribute: to import ForwardRef takes 3.14 several milliseconds.
    text: object = annotation if isinstance(annotation, str) else getattr(annotation, "__forward_arg__", None)
    return text if isinstance(text, str) else None


def resolve_name(name: str, owner: type) -> Any:
    """Return what a dotted name means in the class body and its module, else UNRESOLVED."""
    first, *rest = (part.strip() for part in name.split("."))
    module = sys.modules.get(owner.__module__)
    found = owner.__dict__.get(first, getattr(module, first, UNRESOLVED))
    for part in rest:
        found = getattr(found, part, UNRESOLVED)
    return found


def _qualifier_of(annotation: object, owner: type) -> object:
    """Return the ClassVar or Final that the annotation is, or begins with; else None.

    The module may know them under other names; what cannot be resolved counts by its text.
    """
    text = text_of(annotation)
    if text is None:
        head = get_origin(annotation) or annotation
    else:
        name = text.partition("[")[0].strip()
        head = resolve_name(name, owner)
        if head is UNRESOLVED:
            head = _QUALIFIERS.get(name.rpartition(".")[2].strip())
    return head if head is ClassVar or head is Final else None
