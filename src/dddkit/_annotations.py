"""The annotations a class writes itself, on every Python, without evaluating what cannot be evaluated."""

from __future__ import annotations

import sys
from typing import Any, ClassVar, Final, get_origin

__all__ = ["is_class_level", "own_annotations"]

if sys.version_info >= (3, 14):

    def own_annotations(cls: type) -> dict[str, Any]:
        """Name to annotation, of this class alone: a type, a string or a forward reference."""
        # 3.14 computes annotations when they are asked for, so the class dictionary does not hold them.
        from annotationlib import Format, get_annotations

        return get_annotations(cls, format=Format.FORWARDREF)

else:

    def own_annotations(cls: type) -> dict[str, Any]:
        """Name to annotation, of this class alone: a type or a string."""
        # Not `cls.__annotations__`, which before 3.10 and for some classes reaches a base's.
        found: dict[str, Any] = cls.__dict__.get("__annotations__", {})
        return found


def is_class_level(annotation: object, cls: type) -> bool:
    """Whether the annotation says that the name is one of the class and no field: `ClassVar`, `Final`.

    A string is read as far as its head: `"ClassVar[int]"`, `"t.ClassVar"`, under whatever name `cls`'s module
    knows it.
    """
    if not isinstance(annotation, str):
        # A forward reference of 3.14 keeps its text; one that names no module says nothing about ClassVar.
        text = getattr(annotation, "__forward_arg__", None)
        if not isinstance(text, str):
            return annotation in _CLASS_LEVEL or get_origin(annotation) in _CLASS_LEVEL
        annotation = text
    head = annotation.partition("[")[0].strip()
    found: object = sys.modules.get(cls.__module__)
    for name in head.split("."):
        found = getattr(found, name.strip(), None)
    return found in _CLASS_LEVEL if found is not None else head.rpartition(".")[2] in ("ClassVar", "Final")


_CLASS_LEVEL: Final[tuple[Any, ...]] = (ClassVar, Final)
