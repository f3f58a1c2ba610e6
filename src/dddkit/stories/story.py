"""Declaring a story: the steps that `I` lists, and the class that holds them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, cast
from weakref import ref

from dddkit.exceptions import StoryDefinitionError
from dddkit.stories._engine.codegen import Listed
from dddkit.stories._engine.facts import StepExecutionInfo, StoryExecutionContext
from dddkit.stories._engine.plan import PREPARING, Plan, is_ours, run
from dddkit.stories._engine.registry import HookRegistration, HookRegistry, Registry, add
from dddkit.stories._engine.validation import judge_class, supplies_names
from dddkit.stories.state import warn_of_shared_defaults

if TYPE_CHECKING:
    from abc import ABC
    from abc import ABCMeta as _Meta
    from types import CellType
else:
    from dddkit.stories._engine.protocol import ProtocolMeta as _Meta

__all__ = ["I", "Story", "steps"]


class StepList:
    """The steps of one story, in order: open in the body of the class, closed after it."""

    __slots__ = ("__closed", "__listed")

    def __init__(self) -> None:
        self.__listed: list[Listed] = []
        self.__closed = False

    def __getattr__(self, name: str, /) -> Any:
        # Any, as `I.charge` says nothing about the type of the step; at run time it is the name.
        if name.startswith("_"):
            raise AttributeError(f"I.{name} lists no step: names of steps do not begin with an underscore")
        if not self.__closed:
            frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # as logging and warnings find their caller
            self.__listed.append(Listed(name, frame.f_code.co_filename, frame.f_lineno))
        elif name not in self.__steps__:
            listed = ", ".join(f"I.{step}" for step in self.__steps__)
            raise AttributeError(f"I.{name} is no step of this story; it lists {listed or 'none'}")
        return name

    @property
    def __steps__(self) -> list[str]:
        """The names in order, in a list that is the caller's."""
        return [step.name for step in self.__listed]

    @property
    def __places__(self) -> tuple[Listed, ...]:
        """The steps, and the line of the class body that lists each."""
        return tuple(self.__listed)

    def __close__(self) -> None:
        self.__closed = True

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.__steps__]

    def __repr__(self) -> str:
        return f"<steps: {', '.join(self.__steps__) or 'none'}>"


class _ImportedSteps(StepList):
    """What `from dddkit.stories import I` gives: the name, for the body of a story to take its place."""

    __slots__ = ()

    def __getattr__(self, name: str, /) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"I.{name} lists no step: names of steps do not begin with an underscore")
        raise StoryDefinitionError(
            f"I.{name} lists no step here: `I` is a story's own only in the body of a class that derives from Story. "
            f"A comprehension, a function or a class inside the body sees the imported one; "
            f"list dynamic steps with a for statement and getattr(I, name)",
            step=name,
        )


I: Final[StepList] = _ImportedSteps()  # the vocabulary: "I reserve, I charge, I ship"


def steps() -> Any:
    """Give a story its list of steps by hand, so that every type checker can look them up on the class itself.

        class Checkout(Story):
            I: ClassVar[Checkout] = steps()
            I.reserve
            I.charge

    Optional: it changes nothing at run time. Write it before the first step.
    """
    return StepList()


class Declaration:
    """What the class statement of one story said, kept in its dictionary as `__story__`."""

    __slots__ = ("cell", "plan", "supplies_names")

    def __init__(self, supplies_names: bool, cell: CellType | None) -> None:
        self.supplies_names: Final = supplies_names
        self.cell: Final = cell  # what zero-argument super() in its methods reads
        self.plan: Plan | None = None


class StoryMeta(_Meta):
    """Gives every story its own `I` and hook registry, and refuses what could never run."""

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
            _settle_steps(name, bases, namespace, first)
            declaration = Declaration(supplies_names(namespace), namespace.get("__classcell__"))
            if bases:  # nobody can reach the root below Story
                namespace["__step_hooks__"] = Registry({})
        namespace["__story__"] = declaration
        made: Any = super().__new__(cls, name, bases, namespace, **kwargs)
        if isinstance(first, Declaration):
            if first.cell is not None:
                first.cell.cell_contents = made
        elif "State" in namespace:
            warn_of_shared_defaults(name, namespace["State"], stacklevel=3)
        judge_class(made, tuple(made.I.__steps__))
        _settle_call(made)
        if not is_ours(made.__call__):
            _forget_bases(made)
        if bases:
            _listen(made, namespace["__step_hooks__"])
        return made

    def __setattr__(cls, name: str, value: Any) -> None:
        if name == "__step_hooks__" and not isinstance(value, Registry):
            if not isinstance(value, Mapping):
                raise TypeError(
                    f"{cls.__qualname__}: __step_hooks__ is a dict, kind to list of hooks, and not {value!r}"
                )
            value = Registry(cast("Mapping[str, Any]", value))
            _listen(cls, value)
        super().__setattr__(name, value)
        _forget(cls, name)

    def __delattr__(cls, name: str) -> None:
        super().__delattr__(name)
        _forget(cls, name)


def _settle_steps(story: str, bases: tuple[type, ...], namespace: dict[str, Any], prepared: object) -> None:
    """Close the list the body has filled; leave out an empty one, so that the parent's is inherited."""
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


def _forget(cls: type, changed: str) -> None:
    _forget_plan(cls)
    if changed == "__call__":
        _forget_bases(cls)


def _forget_bases(cls: type) -> None:
    """What the bases have prepared does not reckon with a child that calls them by `super().__call__(state)`."""
    for base in cls.__mro__[1:]:
        declaration = base.__dict__.get("__story__")
        if declaration is not None and declaration.plan is not None:
            _forget_plan(base)


def _forget_plan(cls: type) -> None:
    """A class attribute has changed: what was prepared for the class and its children may be wrong."""
    with PREPARING:
        known: Declaration = cls.__dict__["__story__"]
        # A new one, since another thread may be about to note in the old one what it has found before the change.
        type.__setattr__(cls, "__story__", Declaration(known.supplies_names, known.cell))
        _settle_call(cls)
    children: list[type] = type.__subclasses__(cls)
    for child in children:
        _forget_plan(child)


def _listen(cls: type, hooks: Registry) -> None:
    """Let the class and its children look for hooks again when those of the registry have changed."""
    weak = ref(cls)

    def look_again() -> None:
        changed = weak()
        if changed is None:
            hooks.listeners.remove(look_again)  # the first of two that `dataclass` has made
        else:
            with PREPARING:
                _forget_hooks(changed)

    hooks.listeners.append(look_again)


def _forget_hooks(cls: type) -> None:
    known: Declaration = cls.__dict__["__story__"]
    if known.plan is not None:
        known.plan.forget_hooks()
        _settle_call(cls)
    children: list[type] = type.__subclasses__(cls)
    for child in children:
        _forget_hooks(child)


def _settle_call(cls: type) -> None:
    """Give a class an engine's `__call__` of its own, to be replaced by its steps written out; none beside a user's."""
    own, *inherited = [base.__dict__.get("__call__") for base in cls.__mro__]
    if own is not None and not is_ours(own):
        return
    nearest = next((call for call in inherited if call is not None), None)
    if nearest is None or is_ours(nearest):
        if own is not None or nearest is not None:
            type.__setattr__(cls, "__call__", _FIRST_CALL)
    elif own is not None:
        type.__delattr__(cls, "__call__")


if TYPE_CHECKING:
    # Checkers see an abstract base class: they check `@abstractmethod`, and mypy runs the plugin's class-level
    # hooks, which it skips for classes with a metaclass of their own.
    _Base = ABC
else:

    class _Base(metaclass=StoryMeta):
        __slots__ = ()


class Story(_Base):
    """A business operation as a list of steps, run in order by calling the story with its state.

        @dataclass(frozen=True, slots=True)
        class Checkout(Story):
            I.reserve
            I.charge

            class State(StoryState):
                order_id: OrderId
                payment: Payment = variable()

            gateway: Gateway

            def reserve(self, state: State) -> None: ...
            async def charge(self, state: State) -> None: ...

        await Checkout(gateway)(Checkout.State(order_id=order_id))

    A step is a method or any callable attribute, another story included. A subclass inherits the steps when it
    lists none, and replaces them when it lists some. A name that can never resolve, or a step that does not take
    the state, is a `StoryDefinitionError` when the class is defined.

    After stories by Artem Malyshev and others (the `I` of the class body), rebuilt on typed state.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        I: ClassVar[Any]  # Any, so that `I: ClassVar[Checkout] = steps()` is a legal override
        __step_hooks__: ClassVar[HookRegistry]

    def __call__(self, state: Any, /) -> Any:
        """Run the steps in order, each with `state`.

        Only the steps know whether the story is sync or async, so the type here is Any; the mypy plugin gives every
        story its own. All sync: they run now, and what comes back need not be awaited, but may be. Any async: a
        coroutine, which runs nothing before it is awaited.

        Raises:
            StoryDefinitionError: no steps, or one that this instance does not have; nothing has run yet.
            TypeError: a hook is async and the story is not (nothing has run yet), or a step of a sync story
                returned an awaitable.
            Exception: whatever a step raises, unchanged; later steps do not run and the state stays as it was left.
        """
        return run(self, state)

    @classmethod
    def register_hook(
        cls,
        kind: Literal["before", "after", "error"],
        callback: Callable[[StoryExecutionContext, StepExecutionInfo], object],
    ) -> HookRegistration:
        """Call `callback(context, step)` before each step of this class and its subclasses, after it, or on its error.

        It may be `async def` where the story is async. The same callback twice is called once.

        Raises:
            ValueError: another kind than these three.
            TypeError: a callback that cannot be called.
        """
        if kind not in ("before", "after", "error"):
            raise ValueError(f"{cls.__qualname__}: no hook kind {kind!r}; there are 'before', 'after' and 'error'")
        if not callable(callback):
            raise TypeError(f"{cls.__qualname__}: a {kind!r} hook is a callable, not {callback!r}")
        return add(cls.__step_hooks__, {kind: [callback]})


_FIRST_CALL: Final[Any] = Story.__dict__["__call__"]
_FIRST_CALL.__ours__ = True
