"""What is rejected when a story is defined or called: steps that do not exist, or that do not take the state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType, MemberDescriptorType, MethodType
from typing import Any, Final, NamedTuple, cast

from dddkit._annotations import own_annotations
from dddkit._awaitables import FINISHED, dispose, is_awaitable
from dddkit._callables import display_name, function_takes, without_partials
from dddkit.exceptions import StoryDefinitionError

__all__ = [
    "Found",
    "check_step_result",
    "is_field_of",
    "is_handwritten",
    "is_method",
    "look_up",
    "reject_async_hook",
    "sets_attributes",
    "shown_steps",
    "step_of",
    "supplies_names",
    "takes",
    "validate_class",
    "validate_method",
]

# A handwritten one of these may give an instance attributes that its class does not show.
_SUPPLIERS: Final = (
    "__init__",
    "__new__",
    "__post_init__",
    "__attrs_post_init__",
    "__getattr__",
    "__getattribute__",
)
_MAKERS: Final = ("attr", "dataclasses", "dddkit", "pydantic", "typing", "typing_extensions")
_NO_STEPS: Final = ("I", "State", "register_hook")

_GENERATORS: Final = 0x20 | 0x200  # inspect.CO_GENERATOR, CO_ASYNC_GENERATOR
_ITERABLE_COROUTINE: Final = 0x100  # a generator that `types.coroutine` has made awaitable


class Found(NamedTuple):
    """What a listed name stands for, read off the class dictionaries."""

    owner: type
    """The class in the MRO that defines the name."""
    value: Any
    """The value in the dictionary of that class; None for a field."""
    by_instance: bool
    """Whether only an instance can resolve it: a field, a slot, a property."""


def look_up(cls: type, name: str) -> Found | None:
    """Find a name along the MRO, in the dictionaries: `getattr` would find what metaclasses have."""
    for base in cls.__mro__:
        if name in own_annotations(base) or _is_built_field(base, name):
            return Found(base, None, by_instance=True)
        if name in base.__dict__:
            value = base.__dict__[name]
            return Found(base, value, by_instance=_needs_instance(value))
    return None


def is_field_of(cls: type, name: str) -> bool:
    """Whether dataclasses or attrs has made it a field of this class, so that the constructor decides about it."""
    return name in cls.__dict__.get("__dataclass_fields__", ()) or _is_built_field(cls, name)


def _is_built_field(cls: type, name: str) -> bool:
    """Whether it is a field of attrs, which leaves neither annotation nor value in the class."""
    return any(field.name == name for field in cls.__dict__.get("__attrs_attrs__", ()))


def _needs_instance(value: object) -> bool:
    kind = type(value)
    if is_method(value) or isinstance(value, MethodType):  # bound already, though some Pythons give it a `__get__`
        return False
    if isinstance(value, MemberDescriptorType) or (kind.__module__, kind.__name__) in (
        ("attr._make", "_CountingAttr"),  # attrs' `field()` before `define` has read it
        ("dataclasses", "Field"),  # without annotation; `dataclass` itself raises a better error
    ):
        return True
    return hasattr(kind, "__get__") and not isinstance(value, type)


def _may_be_supplied(cls: type) -> bool:
    """Whether a handwritten method may give instances any attribute."""
    for base in cls.__mro__:
        story = base.__dict__.get("__story__")
        if story is not None:  # recorded before a decorator could add an `__init__`
            if story.supplies_names:
                return True
            continue
        if any(is_handwritten(base, base.__dict__[name]) for name in _SUPPLIERS if name in base.__dict__):
            return True
    return False


def supplies_names(namespace: dict[str, Any]) -> bool:
    """Whether a class body defines a method that may supply any attribute."""
    return any(name in namespace for name in _SUPPLIERS)


def sets_attributes(cls: type) -> bool:
    """Whether a constructor may set any attribute: a handwritten one, also added later, or one that is no Python."""
    for base in cls.__mro__[:-1]:
        for name in _SUPPLIERS:
            method = base.__dict__.get(name)
            if method is not None and (is_handwritten(base, method) or not isinstance(_function(method), FunctionType)):
                return True
    return False


def _function(method: object) -> object:
    return getattr(method, "__func__", method)  # `__new__` is a static method


def is_handwritten(cls: type, method: object) -> bool:
    """Whether it is a function of the author's, and not one that a decorator or `typing` has made."""
    method = _function(method)
    if not isinstance(method, FunctionType):
        return False
    source = method.__code__.co_filename
    by_dataclass = "__dataclass_fields__" in cls.__dict__ and source == "<string>"
    by_attrs = source.startswith("<attrs generated")
    by_others = str(method.__module__).partition(".")[0] in _MAKERS
    return not (by_dataclass or by_attrs or by_others)


def validate_class(cls: type, names: tuple[str, ...]) -> dict[str, object]:
    """Reject what is visible when a class is defined; return the steps that the class shows, as `shown_steps` does.

    Raises:
        StoryDefinitionError: a name that can never resolve, a step that is not callable, or that cannot take
            the state as its one positional argument.
    """
    shown: dict[str, object] = {}
    for name in dict.fromkeys(names):
        found = look_up(cls, name)
        if found is None:
            if not _may_be_supplied(cls):
                _reject_missing(cls, name)
        elif not found.by_instance:
            shown[name] = found.value
            if hasattr(cast("type[object]", type(found.value)), "__not_a_step__"):
                continue  # a Signal, which a durable run waits for; a plain one rejects it
            if is_method(found.value) or not _may_be_supplied(cls):
                _validate_step(cls, name, found.value, bound=False)
    return shown


def shown_steps(cls: type, names: Iterable[str]) -> dict[str, object]:
    """Return the steps that a class shows, and not only its instances, as they stand in the class dictionaries."""
    found = {name: look_up(cls, name) for name in names}
    return {name: step.value for name, step in found.items() if step is not None and not step.by_instance}


def is_method(value: object) -> bool:
    """Whether it is a function as class bodies define it, so that every instance of the class has it."""
    return isinstance(value, (FunctionType, staticmethod, classmethod))


def _reject_missing(cls: type, name: str) -> None:
    """Raise for a listed name that stands for nothing."""
    from dddkit.stories._engine.advice import missing

    _reject_reserved(cls, name)
    raise _error(cls, name, missing(cls, name))


def _reject_reserved(cls: type, name: str) -> None:
    """Raise for a name that means something else in every story."""
    from dddkit.stories._engine.advice import RESERVED

    if name in RESERVED:
        raise _error(cls, name, f"is no step: {RESERVED[name]}; give the step another name")


def validate_method(cls: type, name: str, described: str) -> None:
    """Reject a compensation that a class shows and that cannot be called with the state.

    Args:
        cls: the story.
        name: its name.
        described: what messages call it.
    """
    found = look_up(cls, name)
    if found is not None and not found.by_instance:
        _validate_step(cls, name, found.value, bound=False, described=described)


def _validate_step(cls: type, name: str, value: object, *, bound: bool, described: str = "") -> None:
    """Reject a step that cannot be called with the state.

    Args:
        cls: the story.
        name: the listed name.
        value: what the name stands for.
        described: what messages call it, instead of I.name.
        bound: whether `value` was read off an instance, so that a function takes the state alone.

    Raises:
        StoryDefinitionError: naming story and step.
    """
    if isinstance(value, type):
        _reject_reserved(cls, name)
        kind = value.__qualname__
        raise _error(cls, name, f"is the class {kind}, where an instance belongs; did you mean {kind}()?", described)
    call, given = _unwrapped(value, bound=bound)
    if not callable(call) or isinstance(call, str):  # a listed name can be called only to raise
        from dddkit.stories._engine.advice import not_callable

        _reject_reserved(cls, name)
        own_text: str | None = getattr(cast("type[object]", type(call)), "__not_a_step__", None)
        what = own_text or not_callable(name, value, is_name=callable(call), bound=bound)
        raise _error(cls, name, what, described)
    if not isinstance(call, FunctionType):
        own: object = getattr(type(call), "__call__", None)  # noqa: B004  # the function itself is wanted, not a yes or no
        if isinstance(own, FunctionType):
            call, given = own, given + 1
        elif callable(own) and not hasattr(type(own), "__get__"):  # an object, such as a story: not bound
            call = own
    if not (function_takes(call, given) if isinstance(call, FunctionType) else _takes(call, given)):
        from dddkit.stories._engine.advice import misfit

        if getattr(call, "__module__", "") == "dddkit.stories.story":  # `register_hook`
            _reject_reserved(cls, name)
        raise _error(cls, name, misfit(cls, name, value, bound=bound), described)
    call = without_partials(call)
    flags = call.__code__.co_flags if isinstance(call, FunctionType) else 0
    if flags & _GENERATORS and not flags & _ITERABLE_COROUTINE:
        raise _error(
            cls, name, "is a generator function: calling it runs nothing of its body; take the yield out", described
        )


def _unwrapped(value: object, *, bound: bool) -> tuple[Any, int]:
    """Return the function that is called in the end, and the number of positional arguments, the state included."""
    wrapped: Any = value
    if isinstance(value, staticmethod):
        return wrapped.__func__, 1
    if isinstance(value, (classmethod, MethodType)):
        return wrapped.__func__, 2
    return wrapped, 2 if isinstance(value, FunctionType) and not bound else 1


def takes(call: Any, given: int) -> bool:
    """Whether a callable takes so many positional arguments; True where it has no signature to tell."""
    if type(call) is MethodType and type(call.__func__) is FunctionType:  # a mock says that its class is this one
        return function_takes(call.__func__, given + 1)
    return function_takes(call, given) if type(call) is FunctionType else _takes(call, given)


def _takes(call: Callable[..., object], given: int) -> bool:
    """Whether anything else (a partial, a function in C) takes so many; True where it has no signature."""
    from inspect import signature

    try:
        shape = signature(call, follow_wrapped=False)
    except (TypeError, ValueError):  # many built-in functions have no signature to show
        return True
    try:
        shape.bind(*[None] * given)
    except TypeError:
        return False
    return True


def step_of(cls: type, story: object, name: str) -> Any:
    """Read a step off the instance that is about to run, and validate it.

    Raises:
        StoryDefinitionError: the instance has no such attribute, or something there that takes no state.
    """
    try:
        value = getattr(story, name)
    except AttributeError as error:
        _reject_unset(cls, name, error)
        raise
    try:
        _validate_step(cls, name, value, bound=True)
    except StoryDefinitionError:
        from dddkit.stories._engine.advice import is_hidden_method

        if not is_hidden_method(cls, name):
            raise
        what = "is a field and a method, and the field hides the method; give one of them another name"
        raise _error(cls, name, what) from None
    return value


def _reject_unset(cls: type, name: str, error: AttributeError) -> None:
    from dddkit.stories._engine.advice import unset

    found = look_up(cls, name)
    if found is None:
        _reject_missing(cls, name)
        return
    value: object = found.value
    is_read = hasattr(type(value), "__get__") and not isinstance(value, MemberDescriptorType)
    setter = None
    if is_field_of(found.owner, name):
        setter = "__attrs_post_init__" if "__attrs_attrs__" in found.owner.__dict__ else "__post_init__"
    elif sets_attributes(cls):
        setter = "__init__"
    raise _error(cls, name, unset(cls, name, value if is_read else None, setter, error)) from error


def _error(cls: type, name: str, what: str, described: str = "") -> StoryDefinitionError:
    return StoryDefinitionError(f"{cls.__qualname__}: {described or f'I.{name}'} {what}", cls.__name__, name)


# At a call


def reject_async_hook(cls: type, kind: str, hook: object) -> None:
    """Raise for an async hook of a sync story."""
    raise TypeError(
        f"{cls.__qualname__}: the {kind} hook {display_name(hook)} is async, but no step of the story is; "
        f"make the hook a plain function, or make one step async and await the story"
    )


def check_step_result(story: object, name: str, result: object) -> None:
    """Reject an awaitable from a step of a sync story; FINISHED counts as None, and what can finish by itself does."""
    if result is FINISHED or not is_awaitable(result):
        return
    finish: Callable[[object], object] | None = getattr(type(result), "__finish__", None)
    if finish is not None:  # a delay
        finish(result)
        return
    dispose(result)
    found = look_up(type(story), name)
    advice = (
        f"write `async def {name}(self, state)`, await that in it, and await the story"
        if found is not None and is_method(found.value)
        else f"list an async method that awaits self.{name}(state), and await the story"
    )
    raise TypeError(
        f"{type(story).__qualname__}: step {name} returned an awaitable ({type(result).__name__}), but the story is "
        f"sync: none of its steps is declared async; {advice}"
    )
