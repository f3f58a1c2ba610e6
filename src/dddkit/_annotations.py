"""The annotations of a class: read without evaluating any, on every Python."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, get_args, get_origin

__all__ = [
    "UNRESOLVED",
    "is_among",
    "is_class_level",
    "is_class_var",
    "nothing_sets",
    "own_annotations",
    "resolve_name",
    "split",
    "text_of",
]

UNRESOLVED: Final = object()
"""What `resolve_name` returns for a name that is not there: only checkers import it, or it is misspelt."""

_QUALIFIERS: Final[dict[str, object]] = {"Annotated": Annotated, "ClassVar": ClassVar, "Final": Final}

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
    """Return whether the annotation declares a class variable; anything else declares a field."""
    return is_among(ClassVar, split(annotation, owner)[0])


def is_class_level(annotation: object, owner: type) -> bool:
    """Return whether the annotation is a ClassVar or Final: where nothing makes fields, the value is a constant."""
    qualifiers = split(annotation, owner)[0]
    return is_among(ClassVar, qualifiers) or is_among(Final, qualifiers)


def is_among(qualifier: object, qualifiers: Sequence[object]) -> bool:
    """Return whether it is one of them: `in` would compare, which annotations may answer as they like."""
    return any(found is qualifier for found in qualifiers)


def nothing_sets(owner: type, names: Sequence[str], decorator: str) -> TypeError:
    """Return the error for a class whose decorator is missing, so that nothing sets the fields it declares."""
    instead = "" if "frozen" in decorator else ", or write its __init__"  # which could not assign
    return TypeError(
        f"{owner.__qualname__} declares {', '.join(names)}, but nothing sets {'it' if len(names) == 1 else 'them'}; "
        f"decorate the class with {decorator}{instead}"
    )


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


def split(annotation: object, owner: type) -> tuple[Sequence[object], object]:
    """Return the qualifiers that an annotation begins with, outermost first, and what the type after them begins with.

    Qualifiers are ClassVar, Final and Annotated. The module may know them under other names; what cannot be resolved
    counts by its text, and a type that cannot is UNRESOLVED.
    """
    found: list[object] = []
    while True:
        text = text_of(annotation)
        inner: Any
        if text is None:
            head = get_origin(annotation) or annotation
            inner = next(iter(get_args(annotation)), None)
        else:
            name, _, inner = text.partition("[")  # the end may stay, since only beginnings are read
            head = resolve_name(name.strip(), owner)
            if head is UNRESOLVED:
                head = _QUALIFIERS.get(name.rpartition(".")[2].strip(), UNRESOLVED)
        if head is not ClassVar and head is not Final and head is not Annotated:
            return found, head
        found.append(head)
        annotation = inner
