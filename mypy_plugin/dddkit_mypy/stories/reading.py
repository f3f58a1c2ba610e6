"""What the analysis asks more than once about a story whose steps are known: found once, and shared."""

from __future__ import annotations

from typing import Final

from mypy.nodes import FuncDef, SymbolNode, TypeInfo
from mypy.types import Instance, Type, get_proper_type

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.stories.compensations import compensations_of, declared_by, member_named
from dddkit_mypy.stories.declaration import Steps, steps_declared_by
from dddkit_mypy.stories.fitting import is_simple
from dddkit_mypy.stories.state import state_of_node


class Bases:
    """What the bases of a story say together, from their metadata and the names in their bodies."""

    __slots__ = ("assignable", "attributes", "call", "flows", "modules", "state", "steps", "undoing", "unset")

    def __init__(self, bases: list[TypeInfo]) -> None:
        self.modules: Final = frozenset([base.module_name for base in bases])
        self.steps: Steps | None = None
        """Those of the nearest one that lists any."""
        self.undoing: Final[set[str]] = set()
        """The methods that are marked as compensations."""
        self.unset: Final[list[TypeInfo]] = []
        """Those with fields that nothing sets."""
        self.attributes: Final[list[TypeInfo]] = []
        """Those whose methods assign attributes."""
        self.assignable: Final = any(
            mypy_api.declares_assignable(base) for base in bases if not mypy_api.is_never_edited(base)
        )
        """Whether one declares a variable that mypy lets methods assign."""
        self.flows: Final[list[TypeInfo]] = []
        """Those with flows of steps."""
        self.state: tuple[SymbolNode | None, TypeInfo] | None = None
        """What the nearest State stands for, and the class that declares it."""
        self.call: TypeInfo | None = None
        """The nearest one whose body has a `__call__`."""
        for base in bases:
            metadata = mypy_api.metadata_of(base) if base.metadata else None
            if metadata:
                if self.steps is None:
                    self.steps = steps_declared_by(base)
                if metadata.get("compensations"):
                    self.undoing.update([one.method for one in declared_by(base)])
                for name, found in (("unset", self.unset), ("attributes", self.attributes), ("flows", self.flows)):
                    if metadata.get(name):
                        found.append(base)
            symbol = base.names.get("State")
            if symbol is not None and self.state is None:
                self.state = (symbol.node, base)
            symbol = base.names.get("__call__")
            if symbol is not None and not symbol.plugin_generated and self.call is None:
                self.call = base


class StoryReading:
    """A story, its State and its steps, as they are known at this moment of the analysis."""

    __slots__ = ("bases", "called", "has_our_call", "info", "local", "simple", "state", "steps", "type", "undoing")

    def __init__(self, info: TypeInfo, bases: Bases) -> None:
        self.info: Final = info
        self.bases: Final = bases
        self.type: Final[Instance] = mypy_api.self_type(info)
        own = mypy_api.metadata_of(info)
        symbol = info.names.get("State")
        state = bases.state if symbol is None else (symbol.node, info)
        self.state: Final[Type | None] = None if state is None else state_of_node(*state, self.type)
        """As the type of its objects; None when there is none, or it is unknown."""
        self.steps: Final = steps_declared_by(info) or bases.steps
        """None when it lists none and inherits none."""
        marked = own.get("compensations")
        self.undoing: Final = (
            bases.undoing.union([one.method for one in declared_by(info)]) if marked else bases.undoing
        )
        """The methods that are marked as compensations, whether they undo a step or not."""
        undone = compensations_of(info).values() if self.undoing else ()
        called = [*(() if self.steps is None else self.steps.names), *[one.method for one in undone]]
        self.called: Final = {name: member_named(info, name) for name in called}
        """What the steps stand for, then the compensations that undo one of them; None where there is no such name."""
        taken = get_proper_type(self.state)
        self.simple: Final[dict[str, FuncDef]] = (
            {
                name: method
                for name, method in self.called.items()
                if isinstance(method, FuncDef) and is_simple(method, self.type, taken)
            }
            if isinstance(taken, Instance)
            else {}
        )
        """Those of them that are methods which take the State, or a base of it, and return nothing.

        Nothing is wrong with such a step, and the result of calling it is certain.
        """
        symbol = info.names.get("__call__")
        is_own_call = symbol is not None and not symbol.plugin_generated
        self.has_our_call: Final = not is_own_call and bases.call is not None and bases.call.fullname == names.STORY
        """Whether no class of the user defines the `__call__` by hand."""
        module = info.module_name
        self.local: Final = (
            [base for base in info.mro if base.module_name == module] if module in bases.modules else [info]
        )
        """The story, and its bases in the same module."""


class Readings:
    """Reads stories. Most in a project have the same bases, which are read once."""

    def __init__(self) -> None:
        self._bases: Final[dict[tuple[TypeInfo, ...], Bases]] = {}

    def read(self, info: TypeInfo, *, is_for_daemon: bool) -> StoryReading:
        """Read a story whose bases have been analysed; the daemon may edit these."""
        bases = info.mro[1:]
        if is_for_daemon:
            return StoryReading(info, Bases(bases))
        known = tuple(bases)
        if known not in self._bases:
            self._bases[known] = Bases(bases)
        return StoryReading(info, self._bases[known])
