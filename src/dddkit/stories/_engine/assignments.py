"""Which attributes the methods of a class assign, read off their code. Only rare paths and errors need it."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any, Final

from dddkit.stories._engine.validation import is_handwritten

__all__ = ["assigns", "codes_of"]

_SETTERS: Final = frozenset({"setattr", "__setattr__", "__dict__", "vars"})
_FUNCTIONS_OF: Final = ("__func__", "__wrapped__", "fget", "fset", "func")


def codes_of(cls: type) -> Iterator[tuple[str, CodeType]]:
    """Yield the code of the functions in the body of a class, each with the name it has there."""
    for name, value in cls.__dict__.items():
        for function in _functions_of(value):
            if is_handwritten(cls, function):
                yield name, function.__code__


def _functions_of(value: object) -> Iterator[FunctionType]:
    """Return the functions of a method, of a property and the like, below any number of decorators."""
    found: list[object] = [value, *(getattr(value, attribute, None) for attribute in _FUNCTIONS_OF)]
    seen: set[int] = set()
    while found:
        function = found.pop()
        if isinstance(function, FunctionType) and id(function) not in seen:
            seen.add(id(function))
            found.append(getattr(function, "__wrapped__", None))
            yield function


def assigns(code: CodeType, name: str, *, but_of: str | None = None) -> bool:
    """Whether the code assigns an attribute of this name, or may assign any, to another variable than `but_of`."""
    from dis import get_instructions

    if not _SETTERS.isdisjoint(code.co_names):  # it may set any name
        return True
    if name in code.co_names:
        owner: object = None
        instructions: Iterator[Any] = get_instructions(code)
        for found in instructions:
            if found.opname == "STORE_ATTR" and found.argval == name and (but_of is None or owner != but_of):
                return True
            # Newer Pythons load two variables at once; the last one is on top.
            owner = found.argval[-1] if _is_pair(found.argval) else found.argval
    return any(assigns(inner, name, but_of=but_of) for inner in code.co_consts if isinstance(inner, CodeType))


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and value != ()
