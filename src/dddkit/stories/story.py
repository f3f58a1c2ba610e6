"""The story: a business operation as a list of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from dddkit._callables import display_name, kind_of
from dddkit.stories._engine.call import is_async_call, run_story
from dddkit.stories._engine.facts import StepExecutionInfo, StoryExecutionContext
from dddkit.stories._engine.injection import check_callback
from dddkit.stories._engine.metaclass import StoryMeta
from dddkit.stories._engine.registry import HookRegistration, HookRegistry, add
from dddkit.stories._engine.steps import I, StepList, steps
from dddkit.stories._engine.undecorated import make_instance

if TYPE_CHECKING:
    from abc import ABC

__all__ = ["I", "StepExecutionInfo", "Steps", "Story", "StoryExecutionContext", "steps"]

Steps: TypeAlias = StepList  # its name in 0.5.0


if TYPE_CHECKING:
    # Checkers see an abstract base class: they check `@abstractmethod`, and mypy runs the plugin's class-level
    # hooks, which it skips for classes with a metaclass of their own.
    _Base = ABC
else:

    class _Base(metaclass=StoryMeta):
        __slots__ = ()

        def __new__(cls, *arguments, **keywords):
            if cls.__is_made_plainly__:
                return object.__new__(cls)
            return make_instance(cls, super().__new__, arguments, keywords)


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
    the state, is a `StoryDefinitionError` when the class is defined. A class whose fields nothing sets, since its
    decorator is missing, is a `TypeError` when it is instantiated.

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
        return run_story(self, state)

    if not TYPE_CHECKING:
        __is_async__ = is_async_call  # what `dddkit._awaitables.is_async` asks

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
            TypeError: a callback that cannot be called with `(context, step)`.
        """
        if kind not in ("before", "after", "error"):
            raise ValueError(f"{cls.__qualname__}: no hook kind {kind!r}; there are 'before', 'after' and 'error'")
        if not callable(callback):
            hint = f"; inject_hooks({cls.__name__}, [...]) takes such hooks" if hasattr(callback, kind) else ""
            raise TypeError(f"{cls.__qualname__}: a {kind!r} hook is a callable, not {kind_of(callback)}{hint}")
        check_callback(kind, callback, f"{cls.__qualname__}: the {kind!r} hook {display_name(callback)}")
        return add(cls.__step_hooks__, {kind: [callback]})


_call: Any = Story.__dict__["__call__"]
_call.__engine_call__ = True
# Evaluated, so that they mean the same where a compiled function stands for it, which knows no names of this module.
_call.__annotations__ = {"state": Any, "return": Any}
