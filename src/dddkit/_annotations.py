"""The annotations of a class: read without evaluating any, on every Python."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, get_args, get_origin

__all__ = [
    "UNRESOLVED",
    "is_class_level",
    "is_class_var",
    "is_final",
    "kind_of",
    "nothing_sets",
    "own_annotations",
    "resolve_name",
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
    return any(found is ClassVar for found in _qualifiers_of(annotation, owner))


def is_final(annotation: object, owner: type) -> bool:
    """Return whether the annotation says that the value is never replaced."""
    return any(found is Final for found in _qualifiers_of(annotation, owner))


def is_class_level(annotation: object, owner: type) -> bool:
    """Return whether the annotation is a ClassVar or Final: where nothing makes fields, the value is a constant."""
    return any(found is not Annotated for found in _qualifiers_of(annotation, owner))


def kind_of(annotation: object, owner: type) -> tuple[str, str]:
    """Return module and name of the class that the annotation is, or is an object of, for those of other libraries."""
    text = text_of(annotation)
    value = annotation if text is None else resolve_name(text.partition("[")[0].strip(), owner)
    kind = value if isinstance(value, type) else type(value)
    return kind.__module__, kind.__name__


def nothing_sets(owner: type, names: Sequence[str], decorator: str) -> TypeError:
    """Return the error for a class whose decorator is missing, so that nothing sets the fields it declares."""
    return TypeError(
        f"{owner.__qualname__} declares {', '.join(names)}, but nothing sets them; "
        f"decorate the class with {decorator}, or write its __init__"
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


def _qualifiers_of(annotation: object, owner: type) -> list[object]:
    """Return the qualifiers that the annotation begins with, from the outermost on: ClassVar, Final, Annotated.

    The module may know them under other names; what cannot be resolved counts by its text.
    """
    found: list[object] = []
    while True:
        text = text_of(annotation)
        inner: Any
        if text is None:
            head = get_origin(annotation) or annotation
            inner = next(iter(get_args(annotation)), None)
        else:
            name, _, inner = text.partition("[")  # what follows is cut nowhere: only how it begins is read
            head = resolve_name(name.strip(), owner)
            if head is UNRESOLVED:
                head = _QUALIFIERS.get(name.rpartition(".")[2].strip())
        if not any(head is qualifier for qualifier in _QUALIFIERS.values()):
            return found
        found.append(head)
        annotation = inner
