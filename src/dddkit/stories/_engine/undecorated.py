"""Rejecting a story that declares fields which nothing sets, since its decorator is missing.

The decorator is applied after the class is made. So the class is checked when it is first instantiated.
"""

from __future__ import annotations

from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, Final

from dddkit._annotations import is_class_var, nothing_sets, own_annotations
from dddkit.stories._engine.assignments import assigns, codes_of
from dddkit.stories._engine.validation import is_field_of, sets_attributes

if TYPE_CHECKING:
    from inspect import Signature

__all__ = ["SignatureOfStory", "make_instance"]

_NO_FIELDS: Final = ("I", "State")


def make_instance(cls: Any, make: Any, arguments: tuple[object, ...], keywords: dict[str, object]) -> Any:
    """Make an object as Python does for a class without `__new__`; `make` is that of the next class in the MRO.

    Where that is `object`, and a constructor takes the arguments, the objects that follow are made without this.

    Raises:
        TypeError: nothing sets the fields of the class, or nothing takes the arguments.
    """
    if not cls.__abstractmethods__:  # else `object` says what is abstract
        _reject_unset_fields(cls)
        _let_protocols_step_aside(cls)
    if make is not object.__new__:
        return make(cls, *arguments, **keywords)
    if cls.__init__ is not object.__init__:
        type.__setattr__(cls, "__is_made_plainly__", True)
    elif arguments or keywords:
        state = f"; make the story, then call it with the state: {cls.__name__}()(state)"
        fields = ", ".join(f"{name}: <its type>" for name in keywords)
        advice = f"; declare {fields}, and decorate it with @dataclass" if keywords else state
        raise TypeError(f"{cls.__name__}() takes no arguments, since it declares no fields{advice}")
    return make(cls)


def _reject_unset_fields(cls: Any) -> None:
    """Raise TypeError for a story class whose fields nothing sets.

    A field is an annotation without a value, in the body of a story; what other mixins declare, somebody else gives. A
    handwritten constructor, or a method that sets the attribute, may set it. A field that is a step is checked at the
    call, before the first step.
    """
    if sets_attributes(cls):
        return
    steps = cls.I.__steps__
    for base in reversed(cls.__mro__):
        names = [name for name in _bare_names(base) if not _is_set(cls, name)]
        if not set(names) <= set(steps):
            raise nothing_sets(base, names, "@dataclass")


def _let_protocols_step_aside(cls: Any) -> None:
    """Replace the `__init__` of a Protocol, which takes anything, by the next one, as Protocols themselves do later."""
    inits = [base.__dict__["__init__"] for base in cls.__mro__ if "__init__" in base.__dict__]
    init = next(init for init in inits if not getattr(init, "__name__", "").startswith("_no_init"))
    if init is not inits[0]:
        type.__setattr__(cls, "__init__", init)


def _bare_names(base: type) -> list[str]:
    if "__story__" not in base.__dict__ or "__dataclass_fields__" in base.__dict__:  # `_: KW_ONLY` is no field
        return []
    return [
        name
        for name, annotation in own_annotations(base).items()
        if name not in _NO_FIELDS and not is_class_var(annotation, base)
    ]


def _is_set(cls: type, name: str) -> bool:
    """Whether the class has a value for the name, its constructor sets it, or one of its methods does."""
    for base in cls.__mro__:
        is_slot = isinstance(base.__dict__.get(name), MemberDescriptorType)
        if is_field_of(base, name) or (name in base.__dict__ and not is_slot):
            return True
    return any(assigns(code, name) for base in cls.__mro__ for _, code in codes_of(base))


class SignatureOfStory:
    """The signature of a story without any constructor, which is that of our `__new__` otherwise.

    No property, which would stand before a `__signature__` that the class itself has.
    """

    def __get__(self, cls: Any, metaclass: Any = None) -> Signature:
        makers = [base for base in cls.__mro__ if not {"__init__", "__new__"}.isdisjoint(base.__dict__)]
        if "__story__" in makers[0].__dict__ and makers[0].__module__.startswith("dddkit."):
            from inspect import Signature

            return Signature()
        raise AttributeError(f"{cls.__qualname__} has a constructor, which shows its signature itself")
