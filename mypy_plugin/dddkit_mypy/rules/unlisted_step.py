"""A method that takes the State is meant as a step; without its `I.name` it never runs."""

from __future__ import annotations

from typing import Final

from mypy.nodes import SymbolNode

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnClass, Rule
from dddkit_mypy.stories.candidates import class_of, parameter_of_step
from dddkit_mypy.stories.compensations import methods_of
from dddkit_mypy.stories.declaration import may_have, steps_of
from dddkit_mypy.stories.state import state_of

CODE: Final = codes.UNLISTED_STEP


def check(ctx: ClassContext) -> None:
    """Report the public methods of a story's own body that take exactly its State, unlisted, and undo no step."""
    listed = steps_of(ctx.info)
    if ctx.checker is None or listed is None or listed.dynamic or ctx.tree.is_stub:
        return
    names_listed = set(listed.names)
    undoing = methods_of(ctx.info)
    state = class_of(state_of(mypy_api.self_type(ctx.info)))
    if state is None:
        return
    found: dict[str, SymbolNode] = {}
    for name, symbol in mypy_api.members_of(ctx.info):
        method = symbol.node
        if name in names_listed or name in undoing or name.startswith("_") or method is None:
            continue
        if class_of(parameter_of_step(method)) is state:
            found[name] = method
    if not found or not all(may_have(ctx.info, name) for name in names_listed):
        return  # a misspelt `I.name` may mean this method
    for name, method in found.items():
        ctx.report(
            f'{ctx.info.name}: the method "{name}" takes the State, but no I.{name} lists it, so it never runs as '
            f"a step; list it, or begin its name with an underscore",
            method,
            CODE,
        )


RULE: Final = Rule(
    code=CODE,
    reason=(
        "A step that was written and not listed never runs. A helper that takes the State too looks the same, so this "
        "rule is for projects whose helpers begin with an underscore."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


@dataclass(frozen=True)
class Checkout(Story):
    I.charge

    class State(StoryState):
        order_id: int

    def charge(self, state: State) -> None: ...

    def ship(self, state: State) -> None: ...
""",
    good="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


@dataclass(frozen=True)
class Checkout(Story):
    I.charge
    I.ship

    class State(StoryState):
        order_id: int

    def charge(self, state: State) -> None: ...

    def ship(self, state: State) -> None: ...
""",
    checks=(OnClass((names.STORY,), check),),
)
