"""What is wrong with a step that cannot run, and what to write instead.

Only an error imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import Signature, signature
from types import FunctionType, MethodType
from typing import Any, Final

from dddkit._annotations import own_annotations
from dddkit._callables import kind_of

__all__ = ["RESERVED", "is_hidden_method", "misfit", "missing", "no_steps", "not_callable", "unset"]

RESERVED: Final = {
    "I": "I is the list of its steps",
    "State": "State is the class of its state",
    "register_hook": "register_hook is a method of every story",
}
"""Why a name of every story is no step, unless a story gives it another meaning."""

_COROUTINE: Final = 0x80  # inspect.CO_COROUTINE


def missing(cls: type, name: str) -> str:
    """Return what to say of a listed name that stands for nothing, with the nearest name that exists."""
    from difflib import get_close_matches
    from unicodedata import normalize

    names = list(_names_like_steps(cls))
    for other in names:
        if normalize("NFKC", other) == name:
            return (
                f"names no step; the class spells it {other!a}, which is not normalized; "
                f'give it the name unicodedata.normalize("NFKC", name), as Python does in source'
            )
    near = get_close_matches(name, names, n=1)
    hint = (
        f'did you mean "{near[0]}"?'
        if near
        else f"define a method {name}(self, state), abstract where a subclass provides it, or annotate a field {name}"
    )
    return f"names no step; {hint}"


def _names_like_steps(cls: type) -> Iterator[str]:
    for base in cls.__mro__:
        for name in [*base.__dict__, *own_annotations(base)]:
            if not name.startswith("_") and name not in RESERVED:
                yield name


def no_steps(cls: type) -> str:
    """Return what to say of a story that lists no steps; a method is taken for one if it takes what it calls state."""
    methods = dict.fromkeys(
        f"I.{name}"
        for base in reversed(cls.__mro__)
        for name, value in base.__dict__.items()
        if isinstance(value, FunctionType)
        and not name.startswith("_")
        and value.__code__.co_varnames[1 : value.__code__.co_argcount] == ("state",)
    )
    listed = f"list in its body, in order: {', '.join(methods)}" if methods else "list them with I.name in its body"
    return f"lists no steps, so calling it would do nothing; {listed}"


def unset(cls: type, name: str, declared: object, setter: str | None, error: AttributeError) -> str:
    """Return what to say of a step that is declared, and that this object lacks.

    Args:
        cls: the story.
        name: the listed name.
        declared: the descriptor that reads it; None for a field or a slot.
        setter: the method that could set it, if the class has any.
        error: what reading it raised.
    """
    if declared is not None:
        return f"is {kind_of(declared)}, and reading it failed: {error}"
    story = cls.__qualname__.rpartition("<locals>.")[2]
    advice = (
        f"set self.{name} in {setter}"
        if setter
        else f"write def {name}(self, state), or decorate {story} with @dataclass and pass {name}=..."
    )
    return f"is declared, but this {story} has no value for it; {advice}"


def not_callable(name: str, value: object, *, is_name: bool, bound: bool) -> str:
    """Return what to say of a step that cannot be called; `bound` means that it was read off an instance."""
    found = "the name of a step" if is_name else kind_of(value)
    is_collaborator = bound and type(value).__module__ != "builtins"
    advice = (
        f"list a method that calls what it needs of self.{name}"
        if is_collaborator
        else "a step is a method or any callable"
    )
    return f"is no callable, but {found}; {advice}"


def misfit(cls: type, name: str, value: Any, *, bound: bool) -> str:
    """Return what to say of a step that cannot be called with the state alone."""
    declared = _declared(cls, name) if bound else value
    function: Any = getattr(declared, "__func__", declared)
    # A field may have taken its value from the class, which then keeps it as the default.
    is_field = bound and (declared is value or getattr(value, "__func__", value) is not function)
    if isinstance(function, FunctionType) and not isinstance(declared, MethodType) and not is_field:
        shape, advice = _shape(function), _method_advice(cls, name, declared, function)
    else:
        callee = value if bound or isinstance(declared, MethodType) else function
        shape, advice = _shape(callee), f"list a method that calls self.{name} with what it needs"
    return f"is {name}{shape}, which cannot be called with the state alone; {advice}"


def _declared(cls: type, name: str) -> object:
    return next((base.__dict__[name] for base in cls.__mro__ if name in base.__dict__), None)


def _shape(call: Callable[..., object]) -> Signature:
    parameters = signature(call, follow_wrapped=False).parameters.values()
    return Signature([parameter.replace(annotation=parameter.empty) for parameter in parameters])


def _method_advice(cls: type, name: str, declared: object, function: FunctionType) -> str:
    code = function.__code__
    positional = list(code.co_varnames[: code.co_argcount])
    is_static = isinstance(declared, staticmethod)
    if is_static and positional[:1] == ["self"]:
        return "take @staticmethod off, which passes no self"
    if not is_static and function.__name__ != name and len(positional) == 1 and positional[0] not in ("self", "cls"):
        return f"write {name} = staticmethod({function.__name__})"
    default = "cls" if isinstance(declared, classmethod) else "self"
    lacks_owner = not is_static and (
        positional[:1] == ["state"] or (len(positional) == 1 and positional[0] not in ("self", "cls"))
    )
    owner = "" if is_static else f"{positional[0] if positional and not lacks_owner else default}, "
    keyword = "async def" if code.co_flags & _COROUTINE else "def"
    written = f"{f'it takes no {default}; ' if lacks_owner else ''}write {keyword} {name}({owner}state)"
    others = _required_besides(function, positional[1 if is_static or lacks_owner else 2 :])
    if not others:
        return written
    if len(positional) == (0 if is_static else 1) and others == ["state"]:
        return f"{written}, without the *"
    sources = [_source_of(cls, other, has_self=default == "self" and not is_static) for other in others]
    if all(sources):
        return f"{written}, and read {' and '.join(sources)}"
    comes = "comes" if len(others) == 1 else "come"
    return f"{written}; {', '.join(others)} {comes} from the state, or from a field of the story"


def _source_of(cls: Any, name: str, *, has_self: bool) -> str:
    """Return the field that has the name of a parameter, as a step reads it; nothing where there is none."""
    if has_self and any(name in own_annotations(base) for base in cls.__mro__):
        return f"self.{name}"
    bases: tuple[type, ...] = getattr(getattr(cls, "State", None), "__mro__", ())
    return f"state.{name}" if any(name in own_annotations(base) for base in bases) else ""


def _required_besides(function: FunctionType, positional: list[str]) -> list[str]:
    """Return which of these parameters, and of those that are given by keyword, have no default."""
    code, defaults = function.__code__, function.__defaults__ or ()
    required = [name for name in positional if code.co_varnames.index(name) < code.co_argcount - len(defaults)]
    keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return required + [name for name in keywords if name not in (function.__kwdefaults__ or {})]


def is_hidden_method(cls: type, name: str) -> bool:
    """Whether a field of dataclasses or attrs has the name of a method, which it has taken for its default."""
    for base in cls.__mro__:
        fields: dict[str, Any] = {
            **base.__dict__.get("__dataclass_fields__", {}),
            **{field.name: field for field in base.__dict__.get("__attrs_attrs__", ())},
        }
        default = getattr(fields.get(name), "default", None)
        if isinstance(default, FunctionType) and default.__qualname__ == f"{base.__qualname__}.{name}":
            return True
    return False
