"""Making a story class, and invalidating what was prepared for it when it changes."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import ref

from dddkit._callables import kind_of
from dddkit.exceptions import StoryDefinitionError
from dddkit.stories._engine.call import async_first_call
from dddkit.stories._engine.plan import PREPARING, Plan, async_steps, is_engine_call
from dddkit.stories._engine.registry import Registry
from dddkit.stories._engine.steps import StepList
from dddkit.stories._engine.undecorated import SignatureOfStory
from dddkit.stories._engine.validation import shown_steps, supplies_names, validate_class, validate_state

if TYPE_CHECKING:
    from abc import ABCMeta as _Meta
    from types import CellType
else:
    from dddkit.stories._engine.protocol import ProtocolMeta as _Meta

__all__ = ["StoryMeta"]


class Declaration:
    """What the class statement of a story has declared; it is in the class dictionary as `__story__`."""

    __slots__ = ("async_steps", "cell", "plan", "supplies_names")

    def __init__(self, supplies_names: bool, cell: CellType | None) -> None:
        self.supplies_names: Final = supplies_names
        self.cell: Final = cell  # what zero-argument super() in its methods reads
        self.async_steps: set[str] = set()  # those that the class shows; with any, its `__call__` is async
        self.plan: Plan | None = None


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
            # The base below Story is private; its `__new__` supplies nothing.
            declaration = Declaration(bool(bases) and supplies_names(namespace), namespace.get("__classcell__"))
            if bases:
                namespace["__step_hooks__"] = Registry({})
        namespace["__story__"] = declaration
        namespace["__is_made_plainly__"] = False  # until the first object is made: its decorator comes after this
        made: Any = super().__new__(cls, name, bases, namespace, **kwargs)
        if isinstance(first, Declaration):
            if first.cell is not None:
                first.cell.cell_contents = made
        elif "State" in namespace:
            validate_state(name, namespace["State"], stacklevel=3)
        shown = validate_class(made, tuple(made.I.__steps__))
        made.__story__.async_steps = async_steps(shown)  # by now another declaration: ABCMeta has set attributes
        _reset_call(made)
        if not is_engine_call(made.__call__):
            _invalidate_bases(made)
        if bases:
            _watch_hooks(made, namespace["__step_hooks__"])
        return made

    def __setattr__(cls, name: str, value: Any) -> None:
        if name == "__step_hooks__" and not isinstance(value, Registry):
            if not isinstance(value, Mapping):
                raise TypeError(
                    f"{cls.__qualname__}: __step_hooks__ is a dict, kind to list of hooks, and not {kind_of(value)}"
                )
            value = Registry(cast("Mapping[str, Any]", value))
            _watch_hooks(cls, value)
        super().__setattr__(name, value)
        _invalidate(cls, name)

    def __delattr__(cls, name: str) -> None:
        super().__delattr__(name)
        _invalidate(cls, name)


def _close_steps(story: str, bases: tuple[type, ...], namespace: dict[str, Any], prepared: object) -> None:
    """Close the list that the body has filled; remove an empty one, so that the parent's is inherited."""
    listed = namespace.get("I", prepared)
    if listed is None:  # made by calling the metaclass, without a body
        return
    if not isinstance(listed, StepList):
        raise StoryDefinitionError(f"{story}: I is the list of its steps, and cannot be {listed!r}", story)
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
    with PREPARING:
        known: Declaration = cls.__dict__["__story__"]
        # A new one, since another thread may be about to store in the old one what it has found before the change.
        declaration = Declaration(known.supplies_names, known.cell)
        listed = getattr(getattr(cls, "I", None), "__steps__", ())
        names = set(listed) if changed in ("I", "__bases__") else {changed}.intersection(listed)
        declaration.async_steps = known.async_steps.intersection(listed) - names | async_steps(shown_steps(cls, names))
        type.__setattr__(cls, "__story__", declaration)
        _reset_call(cls)
    children: list[type] = type.__subclasses__(cls)
    for child in children:
        _invalidate_plan(child, changed)


def _watch_hooks(cls: type, hooks: Registry) -> None:
    """Discard what the class and its children have prepared whenever the hooks of the registry change."""
    weak = ref(cls)

    def invalidate() -> None:
        changed = weak()
        if changed is None:
            hooks.listeners.remove(invalidate)  # the first of the two classes that `dataclass(slots=True)` makes
        else:
            with PREPARING:
                _invalidate_hooks(changed)

    hooks.listeners.append(invalidate)


def _invalidate_hooks(cls: type) -> None:
    known: Declaration = cls.__dict__["__story__"]
    if known.plan is not None:
        known.plan.invalidate_hooks()
        _reset_call(cls)
    children: list[type] = type.__subclasses__(cls)
    for child in children:
        _invalidate_hooks(child)


def _reset_call(cls: type) -> None:
    """Give a class `Story.__call__` as its own, which its first call replaces; none beside a handwritten one."""
    own, *inherited = [base.__dict__.get("__call__") for base in cls.__mro__]
    if own is not None and not is_engine_call(own):
        return
    nearest = next((call for call in inherited if call is not None), None)
    if nearest is None or is_engine_call(nearest):
        if own is not None or nearest is not None:
            type.__setattr__(cls, "__call__", _first_call(cls))
    elif own is not None:
        type.__delattr__(cls, "__call__")


def _first_call(cls: type) -> object:
    """Return `Story.__call__`: of the engine's own, that of the last class in the MRO."""
    calls = (base.__dict__.get("__call__") for base in reversed(cls.__mro__))
    call: Any = next(call for call in calls if is_engine_call(call))
    return async_first_call(cls, call) if cls.__dict__["__story__"].async_steps else call
