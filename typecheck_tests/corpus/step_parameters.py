"""What a step calls its state, and how it writes the type of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Generic, Optional, Protocol, TypeVar, Union

from typing_extensions import TypeAlias

from dddkit.stories import I, Story, StoryState

if TYPE_CHECKING:
    from collections.abc import Awaitable

T_contra = TypeVar("T_contra", contravariant=True)
StateT = TypeVar("StateT", bound="HasPath")


class HasPath(Protocol):
    @property
    def path(self) -> list[str]: ...


class Base(StoryState):
    path: list[str] = []


class Step(Protocol[T_contra]):
    def __call__(self, ctx: T_contra, /) -> Any: ...


class Steps(Story):
    I.plain
    I.other_name
    I.positional
    I.annotated
    I.optional
    I.union
    I.protocol
    I.generic
    I.rest
    I.defaults
    I.quoted
    I.alias
    I.everything
    I.klass
    I.static
    I.private_self

    class State(Base):
        pass

    Alias: TypeAlias = Base

    def plain(self, state: State) -> None: ...

    def other_name(self, ctx: Steps.State) -> None:
        ctx.path.append("other")

    def positional(self, s: State, /) -> None: ...

    def annotated(self, state: Annotated[State, "the state"]) -> None: ...

    def optional(self, state: Optional[State] = None) -> None: ...

    def union(self, state: Union[int, State, None]) -> None: ...

    def protocol(self, state: HasPath) -> None:
        state.path.append("protocol")

    def generic(self, state: StateT) -> None: ...

    def rest(self, *states: State) -> None: ...

    def defaults(self, state: Base, retries: int = 3, *, loud: bool = False, **options: Any) -> None: ...

    def quoted(self, state: "Steps.State") -> None: ...

    def alias(self, state: Alias) -> None: ...

    def everything(self, *args: Any, **kwargs: Any) -> None: ...

    @classmethod
    def klass(cls, state: State) -> None: ...

    @staticmethod
    def static(state: object) -> None: ...

    def private_self(_, state: State) -> None: ...


def built(state: Base) -> None:
    state.path.append("built")


@dataclass(frozen=True)
class Injected(Story, Generic[StateT]):
    I.step
    I.callback
    I.loose
    I.later

    step: Step[Any]
    callback: Callable[..., object]
    loose: Any
    later: Callable[[StateT], Optional[Awaitable[None]]]


state = Steps.State()
Steps()(state)
assert state.path == ["other", "protocol"]
injected: Injected[Base] = Injected(lambda s: s.path.clear(), lambda *_: None, built, lambda s: None)
injected(state)
assert state.path == ["built"]
