"""Making a story class, and invalidating what was prepared for it when it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from dddkit._callables import kind_of
from dddkit.exceptions import StoryDefinitionError
from dddkit.stories._engine.call import async_first_call
from dddkit.stories._engine.compensations import compensations_of, take_declared, validate_compensations
from dddkit.stories._engine.lock import LOCK
from dddkit.stories._engine.other_states import validate_state
from dddkit.stories._engine.plan import Plan
from dddkit.stories._engine.registry import Registry
from dddkit.stories._engine.steps import StepList
from dddkit.stories._engine.story_steps import async_steps, is_engine_call
from dddkit.stories._engine.undecorated import SignatureOfStory
from dddkit.stories._engine.validation import (
    shown_steps,
    supplies_names,
    validate_class,
    validate_method,
)

if TYPE_CHECKING:
    from abc import ABCMeta as _Meta
    from types import CellType
else:
    from dddkit.stories._engine.protocol import ProtocolMeta as _Meta

__all__ = ["StoryMeta"]

_set: Final[Callable[[type, str, object], object]] = type.__setattr__
_delete: Final[Callable[[type, str], object]] = type.__delattr__


class Declaration:
    """What the class statement of a story has declared; it is in the class dictionary as `__story__`."""

    __slots__ = ("async_steps", "cell", "plan", "supplies_names")

    def __init__(self, supplies_names: bool, cell: CellType | None, async_steps: Iterable[str] = ()) -> None:
        self.supplies_names: Final = supplies_names
        self.cell: Final = cell  # what zero-argument super() in its methods reads
        self.async_steps = frozenset(async_steps)  # those that the class shows; with any, its `__call__` is async
        self.plan: Plan | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """Cloudpickle and dill send a class of `__main__` with its dictionary: without what was prepared here."""
        return Declaration, (self.supplies_names, None, sorted(self.async_steps))


class StoryMeta(_Meta):
    """Gives every story its own `I` and hook registry, and rejects what could never run."""

    __signature__ = SignatureOfStory()

    @classmethod
    def __prepare__(cls, name: str, bases: tuple[type, ...], /, **kwargs: Any) -> MutableMapping[str, object]:
        listed = StepList()
        return {"I": listed, "__story__": listed}

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **kwargs: Any) -> Any:
        # `@dataclass(slots=True)` and `attrs.define` make the class a second time, from the first one's dictionary.
        first = namespace.get("__story__")
        if isinstance(first, Declaration):
            declaration = Declaration(first.supplies_names, first.cell)
        else:
            _close_steps(name, bases, namespace, first)
            take_declared(name, namespace)
            # The base below Story is private; its `__new__` supplies nothing.
            declaration = Declaration(bool(bases) and supplies_names(namespace), namespace.get("__classcell__"))
            if bases:
                namespace["__step_hooks__"] = _to_registry(name, namespace.get("__step_hooks__", {}))
        namespace["__story__"] = declaration
        namespace["__is_made_plainly__"] = False  # until the first object is made: its decorator comes after this
        made: Any = super().__new__(cls, name, bases, namespace, **kwargs)
        if isinstance(first, Declaration):
            if first.cell is not None:
                first.cell.cell_contents = made
        elif "State" in namespace:
            validate_state(name, namespace["State"], stacklevel=3)
        shown = validate_class(made, tuple(made.I.__steps__))
        shown |= shown_steps(made, validate_compensations(made, partial(validate_method, made)))
        # By now another declaration: ABCMeta has set attributes.
        made.__story__.async_steps = frozenset(async_steps(shown))
        _reset_call(made)
        if not is_engine_call(made.__call__):
            _invalidate_bases(made)
        if bases:
            namespace["__step_hooks__"].watch(made, _invalidate_hooks)
        return made

    def __setattr__(cls, name: str, value: Any) -> None:
        if name == "__step_hooks__":
            value = _to_registry(cls.__qualname__, value)
            value.watch(cls, _invalidate_hooks)
        super().__setattr__(name, value)
        _invalidate(cls, name)

    def __delattr__(cls, name: str) -> None:
        super().__delattr__(name)
        _invalidate(cls, name)


def _close_steps(story: str, bases: tuple[type, ...], namespace: dict[str, Any], prepared: object) -> None:
    """Close the list that the body has filled; remove an empty one, so that the parent's is inherited."""
    listed = namespace.get("I", prepared)
    if listed is None and "I" not in namespace:  # made by calling the metaclass, without a body
        return
    if not isinstance(listed, StepList):
        raise StoryDefinitionError(
            f"{story}: I is the list of its steps, and cannot be {kind_of(listed)}; "
            f"write one line `I.<name of the step>` for each step",
            story,
        )
    if isinstance(prepared, StepList) and listed is not prepared and prepared.__steps__:
        raise StoryDefinitionError(
            f"{story}: I.{prepared.__steps__[0]} is listed before I is given a new list; "
            f"write `I: ClassVar[{story}] = steps()` first",
            story,
        )
    if listed.__steps__ or not bases:
        listed.__close__()
    else:
        namespace.pop("I", None)


def _invalidate(cls: type, changed: str) -> None:
    _invalidate_plan(cls, changed)
    if changed == "__call__":
        _invalidate_bases(cls)


def _invalidate_bases(cls: type) -> None:
    """Discard what the bases have prepared, since a child calls them now by `super().__call__(state)`."""
    for base in cls.__mro__[1:]:
        declaration = base.__dict__.get("__story__")
        if declaration is not None and declaration.plan is not None:
            _invalidate_plan(base, "__call__")


def _invalidate_plan(cls: type, changed: str) -> None:
    """Discard what was prepared for a class and its children, since an attribute of the class has changed."""
    with LOCK:
        while True:
            known: Declaration = cls.__dict__["__story__"]
            listed = [*getattr(getattr(cls, "I", None), "__steps__", ()), *_compensating_methods(cls)]
            names = set(listed) if changed in ("I", "__bases__") else {changed}.intersection(listed)
            found = known.async_steps.intersection(listed) - names | async_steps(shown_steps(cls, names))
            # A new one, since another thread may be about to store in the old one what it found before the change.
            declaration = Declaration(known.supplies_names, known.cell, found)
            if cls.__dict__["__story__"] is known and _set(cls, "__story__", declaration) is None:
                break  # else a finalizer has changed the class at one of these lines
        _reset_call(cls)
    children: list[type] = type.__subclasses__(cls)
    for child in children:
        _invalidate_plan(child, changed)


def _compensating_methods(cls: type) -> list[str]:
    return [one.method for one in compensations_of(cls).values()] if hasattr(cls, "I") else []


def _to_registry(story: str, hooks: object) -> Registry:
    """Return the registry itself, which several classes may use, or a new one with the hooks of another mapping."""
    if isinstance(hooks, Registry):
        return hooks
    if not isinstance(hooks, Mapping):
        raise TypeError(f"{story}: __step_hooks__ is a dict, kind to list of hooks, and not {kind_of(hooks)}")
    return Registry(cast("Mapping[str, Any]", hooks))


def _invalidate_hooks(cls: type) -> None:
    """Discard what a class and its children have prepared for their hooks, since these have changed."""
    with LOCK:
        known: Declaration = cls.__dict__["__story__"]
        if known.plan is not None:
            known.plan.invalidate_hooks()
            _reset_call(cls)
        children: list[type] = type.__subclasses__(cls)
        for child in children:
            _invalidate_hooks(child)


def _reset_call(cls: type) -> None:
    """Give a class `Story.__call__` as its own, which its first call replaces; none beside a handwritten one."""
    while True:
        own, *inherited = [base.__dict__.get("__call__") for base in cls.__mro__]
        if own is not None and not is_engine_call(own):
            return
        nearest = next((call for call in inherited if call is not None), None)
        made = None
        if nearest is None or is_engine_call(nearest):
            if own is None and nearest is None:
                return
            made = _first_call(cls)
        elif own is None:
            return
        # As above: the line that looks at what there is also changes it.
        if (
            cls.__dict__.get("__call__") is own
            and (_delete(cls, "__call__") if made is None else _set(cls, "__call__", made)) is None
        ):
            return


def _first_call(cls: type) -> object:
    """Return `Story.__call__`: of the engine's own, that of the last class in the MRO."""
    calls = (base.__dict__.get("__call__") for base in reversed(cls.__mro__))
    call: Any = next(call for call in calls if is_engine_call(call))
    return async_first_call(cls, call) if cls.__dict__["__story__"].async_steps else call
