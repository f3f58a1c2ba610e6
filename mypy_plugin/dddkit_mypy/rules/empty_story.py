"""A story without steps does nothing, and a call of it looks like success."""

from __future__ import annotations

from operator import itemgetter
from typing import Final

from mypy.nodes import SymbolNode, TypeInfo
from mypy.types import Instance, TypeVarType, get_proper_type

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnClass, Rule
from dddkit_mypy.stories.candidates import parameter_of_step
from dddkit_mypy.stories.compensations import methods_of
from dddkit_mypy.stories.declaration import read_body, steps_of
from dddkit_mypy.stories.state import state_of

CODE: Final = codes.EMPTY_STORY


def check(ctx: ClassContext) -> None:
    """Report a story without steps that has a State, or methods that look like steps."""
    info = ctx.info
    if ctx.checker is None or steps_of(info) is not None or mypy_api.is_abstract(info):
        return
    body = read_body(info.defn)
    if body.listed or body.comprehended:
        return  # it tries to list steps, which another rule reports
    evidence = _evidence(info)
    if evidence is not None:
        ctx.report(
            f"{info.name} has {evidence}, but lists no steps, so calling it does nothing; list them as I.name in its "
            f"body, or derive it from ABC if it is a base for other stories",
            info.defn,
            CODE,
        )


def _evidence(info: TypeInfo) -> str | None:
    """Return what shows that a class is meant to run."""
    undoing = methods_of(info)
    methods = [
        f'"{name}"'
        for base in info.mro[: next(place for place, base in enumerate(info.mro) if base.fullname == names.STORY)]
        for name, symbol in sorted(mypy_api.members_of(base), key=itemgetter(0))  # as mypy's cache has them
        if not name.startswith("_") and name not in undoing and _takes_a_state(symbol.node)
    ]
    *others, last = dict.fromkeys(methods) or ("",)
    if others:
        return f"the methods {', '.join(others)} and {last}, which take a state"
    if last:
        return f"the method {last}, which takes a state"
    return "a State" if state_of(mypy_api.self_type(info)) is not None else None


def _takes_a_state(method: SymbolNode | None) -> bool:
    """Whether the annotation of the one parameter is a subclass of StoryState or SimpleNamespace."""
    taken = get_proper_type(parameter_of_step(method))
    if isinstance(taken, TypeVarType):
        taken = get_proper_type(taken.upper_bound)
    if not isinstance(taken, Instance):
        return False
    bases = {base.fullname for base in taken.type.mro[1:]}
    return names.STORY_STATE in bases or names.SIMPLE_NAMESPACE in bases


RULE: Final = Rule(
    code=CODE,
    reason=(
        "Calling a story without steps does nothing, and looks like success. A class that has a State, or methods "
        "that take one, was meant to run; one that only holds what others share derives from `ABC`."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.stories import Story, StoryState


@dataclass(frozen=True)
class Checkout(Story):
    class State(StoryState):
        order_id: int

    def charge(self, state: State) -> None: ...
""",
    good="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState


@dataclass(frozen=True)
class Checkout(Story):
    I.charge

    class State(StoryState):
        order_id: int

    def charge(self, state: State) -> None: ...
""",
    checks=(OnClass((names.STORY,), check),),
)
