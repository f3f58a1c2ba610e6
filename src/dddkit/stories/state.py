"""The typed state of a story: what the caller gives, what has a default, what a step sets."""

from __future__ import annotations

from collections.abc import Container
from copy import deepcopy
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from dddkit._annotations import is_class_level, own_annotations
from dddkit._typing import dataclass_transform
from dddkit.exceptions import StoryStateError

if not TYPE_CHECKING:
    from dddkit.stories._engine.protocol import ProtocolMeta as _Meta

__all__ = ["StoryState", "variable"]


_DECORATORS: Final = {"__dataclass_fields__": "dataclasses", "__attrs_attrs__": "attrs"}  # by what they add to a class


class _Mark:
    """Pickled by its name, since a State may be sent by value."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __reduce__(self) -> str:
        return self._name


# How a field that has no default comes to its value: from the caller, or from a step.
_REQUIRED: Final = _Mark("_REQUIRED")
_VARIABLE: Final = _Mark("_VARIABLE")


def variable(*, init: Literal[False] = False) -> Any:
    """Declare an attribute of a `StoryState` that a step sets; the constructor does not take it.

        class State(StoryState):
            payment: Payment = variable()

    Until a step has set it, reading it raises `StoryStateError`.

    Args:
        init: tells type checkers that the constructor leaves it out; there is nothing to choose.
    """
    return _VARIABLE


def _read_fields(cls: Any) -> None:
    """Collect the annotated names, the bases' first, and take their values out of the class.

    Were they left there, an object that was made without them would find a default all objects share.
    """
    fields: dict[str, Any] = {}
    for base in reversed(cls.__mro__[1:]):
        inherited = base.__dict__.get("__state_fields__")
        # A mixin that is no StoryState declares names for the steps; checkers know no such constructor argument.
        fields.update(_declared(base, otherwise=_VARIABLE) if inherited is None else inherited)
    declared = _declared(cls, otherwise=_REQUIRED)
    fields.update(declared)
    for name, value in list(cls.__dict__.items()):
        if name in declared:
            type.__delattr__(cls, name)
        elif name in fields and hasattr(value, "__get__"):
            del fields[name]  # a property or method takes the place of a field of a base
        elif name in fields:
            fields[name] = value  # without annotation: a new default for a field of a base
            type.__delattr__(cls, name)
        elif value is _VARIABLE:
            raise TypeError(
                f"{cls.__qualname__}: {name} = variable() has no annotation; write `{name}: <its type> = variable()`"
            )
    type.__setattr__(cls, "__state_fields__", fields)


def _declared(cls: type, otherwise: object) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, annotation in own_annotations(cls).items():
        if not is_class_level(annotation, cls):
            value = cls.__dict__.get(name, otherwise)
            found[name] = otherwise if isinstance(value, MemberDescriptorType) else value  # a slot is no default
    return found


def _reject_decorated(cls: type, new_names: Container[str]) -> None:
    for mark, decorator in _DECORATORS.items():
        if mark in new_names:
            raise TypeError(
                f"{cls.__qualname__} is a StoryState, which has its constructor already; take the decorator of "
                f"{decorator} off (a State made by {decorator} works too, and then does not derive from StoryState)"
            )


def _reject_argument(cls: type, name: str, why: str) -> None:
    raise TypeError(f"{_names(cls)[1]}(): {name} {why}")


def _is_unhashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return True
    return False


def _class_value(cls: type, name: str) -> Any:
    """What the class itself says of a name, None for nothing; `getattr` would ask the metaclass too."""
    return next((base.__dict__[name] for base in cls.__mro__ if name in base.__dict__), None)


def _names(cls: type) -> tuple[str, str]:
    """The story, and the State as its reader knows it: `Checkout`, `Checkout.State`."""
    full_name = cls.__qualname__.rpartition("<locals>.")[2]
    return full_name.rpartition(".")[0] or full_name, full_name


def _hint(cls: Any, name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, list(cls.__state_fields__), n=1)
    return f'did you mean "{near[0]}"?' if near else f"add `{name}: <its type>` to its body"


# Checkers are shown neither the metaclass nor `__setattr__` and `__getattr__`: to them the fields are all there is.

if not TYPE_CHECKING:

    class _StateMeta(_Meta):
        """Reads the fields of a State, and rejects decorators that would give it a second constructor."""

        def __new__(mcs, name, bases, namespace, /, **kwargs):
            made = super().__new__(mcs, name, bases, namespace, **kwargs)
            _reject_decorated(made, namespace)
            if "__state_fields__" not in namespace:  # dill makes a class from its dictionary
                _read_fields(made)
            return made

        def __setattr__(cls, name, value):  # noqa: N805  # of a metaclass
            _reject_decorated(cls, (name,))
            super().__setattr__(name, value)

    class _Base(metaclass=_StateMeta):
        __slots__ = ()

else:

    class _Base: ...


@dataclass_transform(kw_only_default=True, field_specifiers=(variable,))
class StoryState(_Base):
    """The typed contract between a story, its steps and its callers.

        class State(StoryState):
            order_id: OrderId                  # required: the caller gives it, by keyword
            notes: list[str] = []              # has a default; every object gets its own copy
            payment: Payment = variable()      # a step sets it

    It is a `dataclass_transform` base (PEP 681), so every type checker knows the constructor; do not decorate it.
    Unhashable defaults are copied deeply for every object, hashable ones are shared. The State of a story that
    derives from another derives from the other's: `class State(Parent.State)`.

    Objects are equal when they are of one class and hold the same; being mutable, they have no hash. Copying and
    pickling keep what is set.

    Raises:
        TypeError: from the constructor: a required field is missing, or a name that it does not take is given.
        StoryStateError: reading a variable that no step has set, or using a name that is not declared.
    """

    __state_fields__: ClassVar[dict[str, Any]]

    if not TYPE_CHECKING:

        def __init__(self, /, **values):
            for name, default in type(self).__state_fields__.items():
                if name in values:
                    if default is _VARIABLE:
                        _reject_argument(type(self), name, "is set by a step; the constructor does not take it")
                    value = values.pop(name)
                elif default is _VARIABLE:
                    continue
                elif default is _REQUIRED:
                    _reject_argument(type(self), name, "is required, and was not given")
                else:
                    value = deepcopy(default) if _is_unhashable(default) else default
                object.__setattr__(self, name, value)
            for name in values:
                _reject_argument(type(self), name, f"is not declared; {_hint(type(self), name)}")

        def __getattr__(self, name):
            cls = type(self)
            story, full_name = _names(cls)
            if name in cls.__state_fields__:
                raise StoryStateError(f"{full_name}.{name} is not set: no step has set it yet", story, name)
            if hasattr(_class_value(cls, name), "__get__"):
                # A property has raised an AttributeError, which Python drops; let it say again what is missing.
                return object.__getattribute__(self, name)
            raise StoryStateError(f"{full_name} declares no {name!r}; {_hint(cls, name)}", story, name)

        def __setattr__(self, name, value):
            cls = type(self)
            if name not in cls.__state_fields__ and not hasattr(_class_value(cls, name), "__set__"):
                story, full_name = _names(cls)
                raise StoryStateError(
                    f"{full_name} declares no {name!r}, so it cannot be set; {_hint(cls, name)}", story, name
                )
            object.__setattr__(self, name, value)

        __hash__ = None

        def __delattr__(self, name):
            if name in type(self).__state_fields__ and name not in self.__dict__:
                self.__getattr__(name)
            object.__delattr__(self, name)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self.__dict__ == other.__dict__

    __hash__: ClassVar[None]  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride]  # mutable

    @recursive_repr()
    def __repr__(self) -> str:
        fields = type(self).__state_fields__
        held = ", ".join(f"{name}={self.__dict__[name]!r}" for name in fields if name in self.__dict__)
        return f"{_names(type(self))[1]}({held})"
