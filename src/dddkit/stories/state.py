"""The typed state of a story: what the caller gives, what has a default, what a step sets."""

from __future__ import annotations

from collections.abc import Collection, Container
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, cast, final

from dddkit._typing import dataclass_transform
from dddkit.exceptions import StoryStateError
from dddkit.stories._engine.defaults import Default
from dddkit.stories._engine.fields import REQUIRED, VARIABLE, read_fields

if not TYPE_CHECKING:
    from dddkit.stories._engine.protocol import ProtocolMeta as _Meta

__all__ = ["StoryState", "variable"]


_DECORATORS: Final = {"__dataclass_fields__": "dataclasses", "__attrs_attrs__": "attrs"}  # by what they add to a class


def variable(*, init: Literal[False] = False) -> Any:
    """Declare an attribute of a `StoryState` that a step sets; the constructor does not take it.

        class State(StoryState):
            payment: Payment = variable()

    Until a step has set it, reading it raises `StoryStateError`. In any other class it is rejected.

    Args:
        init: tells type checkers that the constructor leaves it out; there is nothing to choose.
    """
    return VARIABLE


def _reject_decorated(cls: type, new_names: Container[str]) -> None:
    for mark, decorator in _DECORATORS.items():
        if mark in new_names:
            raise TypeError(
                f"{cls.__qualname__} is a StoryState, which has its constructor already; take the decorator of "
                f"{decorator} off (a State made by {decorator} works too, and then does not derive from StoryState)"
            )


def _reject_argument(cls: type, name: str, why: str) -> None:
    raise TypeError(f"{names_of(cls)[1]}(): {name} {why}")


def _reject_missing(cls: Any, given: Collection[str]) -> None:
    """Raise for the required fields that are not given."""
    fields = cls.__state_fields__
    missing = [name for name, default in fields.items() if default is REQUIRED and name not in given]
    *others, last = missing
    verb = f"{', '.join(others)} and {last} are required, and were" if others else f"{last} is required, and was"
    unknown = next((other for other in given if other not in fields), None)  # perhaps one of them, misspelt
    if unknown is None:
        it = "one" if others else "it"
        hint = f"; where a step sets {it}, write `{missing[0]}: <its type> = variable()`"
    else:
        hint = f"; {unknown} is not declared; {_hint(cls, unknown, 'caller')}"
    raise TypeError(f"{names_of(cls)[1]}(): {verb} not given{hint}")


def _reject_positional(cls: Any, number: int) -> None:
    fields = [name for name, default in cls.__state_fields__.items() if default is not VARIABLE]
    what = f"{number} argument without a name" if number == 1 else f"{number} arguments without names"
    name = names_of(cls)[1]
    example = f"; write {name}({', '.join(f'{field}=...' for field in fields)})" if fields else "; it takes none"
    raise TypeError(f"{name}() takes its fields by keyword, and got {what}{example}")


def _reject_change(state: StoryState, name: str) -> None:
    story, full_name = names_of(type(state))
    raise StoryStateError(
        f"{full_name}.{name} is Final, so it keeps the value that the object was made with; "
        f"take Final off where steps change it",
        story,
        name,
    )


def _reject_undeclared(cls: type, name: str) -> None:
    story, full_name = names_of(cls)
    if any(name in base.__dict__ for base in cls.__mro__):
        why = f"{full_name}.{name} belongs to the class, and cannot be set; set a field of another name"
    else:
        why = f"{full_name} declares no {name!r}, so it cannot be set; {_hint(cls, name, 'step')}"
    raise StoryStateError(why, story, name)


def _class_value(cls: type, name: str) -> Any:
    """What the class itself says of a name, None for nothing; `getattr` would ask the metaclass too."""
    return next((base.__dict__[name] for base in cls.__mro__ if name in base.__dict__), None)


def fields_set(state: StoryState) -> dict[str, Any]:
    """Return the fields that are set, in order; other attributes, such as those of a cached_property, are none."""
    cls, values = type(state), state.__dict__
    if cls.__state_slots__:
        values = values.copy()
        for name, slot in cls.__state_slots__.items():
            try:
                values[name] = slot.__get__(state, cls)
            except AttributeError:
                continue
    return {name: values[name] for name in cls.__state_fields__ if name in values}


def names_of(cls: type) -> tuple[str, str]:
    """The story, and the State as its reader knows it: `Checkout`, `Checkout.State`."""
    full_name = cls.__qualname__.rpartition("<locals>.")[2]
    return full_name.rpartition(".")[0] or full_name, full_name


def _hint(cls: Any, name: str, setter: Literal["step", "caller", "either"]) -> str:
    """Return what to write for a name that is not declared; it depends on who sets it, as far as that is known."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(cls.__state_fields__), n=1)
    if near:
        return f'did you mean "{near[0]}"?'
    by_caller, by_step = f"`{name}: <its type>`", f"`{name}: <its type> = variable()`"
    if setter == "either":
        return f"add {by_step} to its body if a step sets it, {by_caller} if the caller gives it"
    return f"add {by_step if setter == 'step' else by_caller} to its body"


@final
class _Unset:
    """The message about a field that is not set, made when somebody reads it: `hasattr` never does."""

    __slots__ = ("_cls", "_name")

    def __init__(self, cls: type, name: str) -> None:
        self._cls: Final = cls
        self._name: Final = name

    def __str__(self) -> str:
        from dddkit.stories._engine.unset import why_unset

        return f"{names_of(self._cls)[1]}.{self._name} is not set: {why_unset(self._cls, self._name)}"

    def __repr__(self) -> str:
        return repr(str(self))

    def __reduce__(self) -> tuple[object, ...]:
        return str, (str(self),)


# Checkers are shown neither the metaclass nor `__setattr__` and `__getattr__`: to them the fields are all there is.

if not TYPE_CHECKING:

    class _SignatureOfState:
        """Makes the signature of a State when somebody reads it, as `inspect.signature` does.

        No property, which would stand before a `__signature__` that the class itself has.
        """

        def __get__(self, cls, metaclass=None):
            made_by = (base.__dict__["__init__"] for base in cls.__mro__ if "__init__" in base.__dict__)
            # A Protocol's, which steps aside for the next one when the first object is made.
            init = next(init for init in made_by if not init.__name__.startswith("_no_init"))
            if init is not StoryState.__init__ or cls.__new__ is not object.__new__:
                raise AttributeError(f"{cls.__qualname__} has a constructor of its own")
            from dddkit.stories._engine.signature import signature_of

            try:
                return signature_of(cls)
            except ValueError as error:  # a field was made whose name is no identifier
                raise AttributeError(str(error)) from None

    class _StateMeta(_Meta):
        """Reads the fields of a State, and rejects decorators that would give it a second constructor."""

        __signature__ = _SignatureOfState()

        def __new__(mcs, name, bases, namespace, /, **kwargs):
            made = super().__new__(mcs, name, bases, namespace, **kwargs)
            _reject_decorated(made, namespace)
            if "__state_fields__" not in namespace:  # dill makes a class from its dictionary
                read_fields(made)
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
    A default that can change is copied deeply for every object: an unhashable one, an entity, an object that is hashed
    by its identity and has attributes. Others, and those that cannot be copied, are shared. A Final field keeps the
    value that the object was made with. The State of a story that derives from another derives from the other's:
    `class State(Parent.State)`.

    Objects are equal when they are of one class and their fields hold the same; being mutable, they have no hash.
    Copying and pickling keep what is set; so does `copy.replace`, which makes an object with other fields.

    Raises:
        TypeError: from the constructor: a required field is missing, or a name that it does not take is given.
        StoryStateError: reading a variable that no step has set, or using a name that is not declared.
    """

    __state_fields__: ClassVar[dict[str, Any]]
    __state_final__: ClassVar[frozenset[str]]
    __state_slots__: ClassVar[dict[str, MemberDescriptorType]]

    if not TYPE_CHECKING:

        def __init__(self, /, *positional, **values):
            if positional:
                _reject_positional(type(self), len(positional))
            for name, default in type(self).__state_fields__.items():
                if name in values:
                    if default is VARIABLE:
                        _reject_argument(
                            type(self), name, "is set by a step; leave it out, since the constructor does not take it"
                        )
                    value = values.pop(name)
                elif default is VARIABLE:
                    continue
                elif default is REQUIRED:
                    _reject_missing(type(self), [*fields_set(self), *values])
                else:
                    value = default.for_object() if type(default) is Default else default
                object.__setattr__(self, name, value)
            for name in values:
                _reject_argument(type(self), name, f"is not declared; {_hint(type(self), name, 'caller')}")

        def __getattr__(self, name):
            cls = type(self)
            story, full_name = names_of(cls)
            if name in cls.__state_fields__:
                raise StoryStateError(cast("str", _Unset(cls, name)), story, name)
            if hasattr(_class_value(cls, name), "__get__"):
                # A property has raised an AttributeError, which Python drops; let it say again what is missing.
                return object.__getattribute__(self, name)
            raise StoryStateError(f"{full_name} declares no {name!r}; {_hint(cls, name, 'either')}", story, name)

        def __setattr__(self, name, value):
            cls = type(self)
            if name not in cls.__state_fields__ and not hasattr(_class_value(cls, name), "__set__"):
                _reject_undeclared(cls, name)
            if name in cls.__state_final__ and name in self.__dict__:
                _reject_change(self, name)
            object.__setattr__(self, name, value)

        __hash__ = None

        def __delattr__(self, name):
            cls = type(self)
            if name in cls.__state_fields__ and name not in fields_set(self):
                self.__getattr__(name)
            if name in cls.__state_final__:
                _reject_change(self, name)
            object.__delattr__(self, name)

        def __replace__(self, /, **changes):
            cls = type(self)
            held = fields_set(self)
            variables = {name: held.pop(name) for name in [*held] if cls.__state_fields__[name] is VARIABLE}
            made = cls(**{**held, **changes})
            for name, value in variables.items():
                object.__setattr__(made, name, value)
            return made

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StoryState) or type(self) is not type(other):
            return NotImplemented
        return fields_set(self) == fields_set(other)

    __hash__: ClassVar[None]  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride]  # mutable

    @recursive_repr()
    def __repr__(self) -> str:
        held = ", ".join(f"{name}={value!r}" for name, value in fields_set(self).items())
        return f"{names_of(type(self))[1]}({held})"
