"""A `variable()` has no value until a step sets it; the order of the steps decides whether one has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from mypy.checker import TypeChecker
from mypy.nodes import ClassDef, Context, Decorator, SymbolNode, TypeInfo, Var
from mypy.types import Instance, Type, get_proper_type

from dddkit_mypy import _flow as flow
from dddkit_mypy import _mypy_api as mypy_api
from dddkit_mypy import _names as names
from dddkit_mypy import _noted as noted
from dddkit_mypy import _stories as stories
from dddkit_mypy import _trees as trees
from dddkit_mypy._rule import ClassContext, OnClass, Rule, new_code

_TITLE: Final = "Every step reads only the variables that have been set by then"
CODE: Final = new_code("dddkit-state-order", _TITLE)


class _Finding(NamedTuple):
    """A read that comes too early."""

    position: int
    """Of the step that reads, in the list of the story."""
    step: str
    variable: str
    read: list[int]
    setter: str
    """The first step that sets it, which may be the one that reads."""

    @property
    def says(self) -> tuple[str, str, str]:
        return self.step, self.variable, self.setter


def check(ctx: ClassContext) -> None:
    """Report the reads of variables that no earlier step sets, and this or a later one does."""
    if ctx.checker is None:
        return
    found = list(_findings(ctx.info))
    if not found:
        return
    bases = [base.type for base in ctx.info.bases if stories.is_story(base.type)]
    said = {finding.says for base in bases for finding in _findings(base)}
    found = [finding for finding in found if finding.says not in said]  # the others are reported there
    if not found or _may_be_nested(ctx.checker, ctx.info):
        return
    for finding in found:
        if finding.setter == finding.step:
            advice = "set it before, or give it a default instead of variable()"
            reason = "which no step has set before"
        else:
            advice = f"list I.{finding.setter} before I.{finding.step}"
            reason = f"which is not set before I.{finding.setter}"
        ctx.report(
            f'{ctx.info.name}: I.{finding.step} reads "{finding.variable}", {reason}; {advice}',
            _where(ctx.info, finding),
            CODE,
        )


def _findings(info: TypeInfo) -> Iterator[_Finding]:
    steps = stories.steps_of(info)
    if steps is None or steps.dynamic or len(steps.names) == 0:
        return
    state = get_proper_type(stories.state_of(mypy_api.self_type(info)))
    variables = stories.variables_of(state)
    if not variables or not isinstance(state, Instance):
        return
    flows = [noted.flow_of(info, name) for name in steps.names]
    known: set[str] = set()
    for index, (name, found) in enumerate(zip(steps.names, flows, strict=True)):
        if found is None or found.opaque or not all(_is_plain(state.type, used) for used in found.used):
            return
        for variable, read in found.reads.items():
            if variable in variables and variable not in known:
                setter = _setter(steps.names[index:], flows[index:], variable)
                if setter is not None:
                    yield _Finding(index, name, variable, read, setter)
                    known.add(variable)  # once is enough
        known.update(found.sets)


def _is_plain(state: TypeInfo, name: str) -> bool:
    """Whether nothing runs when an attribute of the State is read, called or set."""
    symbol = state.get(name)
    return symbol is not None and isinstance(symbol.node, Var) and not symbol.node.is_property


def _setter(listed: list[str], flows: list[flow.Flow | None], variable: str) -> str | None:
    for name, found in zip(listed, flows, strict=True):
        if found is not None and variable in found.sets:
            return name
    return None


def _where(info: TypeInfo, finding: _Finding) -> Context:
    """The read, where the class itself defines the step; else its place in the list, else the class."""
    if finding.step in info.names:
        return flow.place_of(finding.read)
    steps = stories.steps_of(info)
    if steps is not None and steps.owner is info:
        listed = [node for node in stories.read_body(info.defn).listed if not node.name.startswith("_")]
        return listed[finding.position]
    return info.defn


def _may_be_nested(checker: TypeChecker, info: TypeInfo) -> bool:
    """Whether a story of the same module may hold this one as a step: what runs before it there may set anything."""
    for node in trees.walk(checker.tree):
        if isinstance(node, ClassDef) and stories.is_story(node.info):
            steps = stories.steps_of(node.info)
            for name in () if steps is None else steps.names:
                symbol = node.info.get(name)
                if symbol is not None and _may_hold(symbol.node, info):
                    return True
    return False


def _may_hold(node: SymbolNode | None, story: TypeInfo) -> bool:
    type_: Type | None
    if isinstance(node, Decorator) and node.func.is_property:
        type_ = node.func.type
    elif isinstance(node, Var):
        type_ = node.type
        if node.is_inferred:
            return True  # what it holds may not be known yet
    else:
        return False
    return any(
        found.has_base(story.fullname) or (found.fullname != names.STORY and story.has_base(found.fullname))
        for found in mypy_api.classes_in(type_)
        if stories.is_story(found)
    )


RULE: Final = Rule(
    code=CODE,
    title=_TITLE,
    reason=(
        "The read raises StoryStateError in the middle of the run, after the steps before it have done their work. "
        "Variables that no step sets come from outside, and nothing is said about them, nor about what follows a step "
        "that hands the state on, asks for names with `hasattr`, or cannot be seen: injected, decorated, nested."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState, variable


@dataclass(frozen=True)
class Checkout(Story):
    I.send_receipt
    I.charge

    class State(StoryState):
        order_id: int
        receipt: str = variable()

    def send_receipt(self, state: State) -> None:
        print(state.receipt)

    def charge(self, state: State) -> None:
        state.receipt = f"paid: {state.order_id}"
""",
    good="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState, variable


@dataclass(frozen=True)
class Checkout(Story):
    I.charge
    I.send_receipt

    class State(StoryState):
        order_id: int
        receipt: str = variable()

    def charge(self, state: State) -> None:
        state.receipt = f"paid: {state.order_id}"

    def send_receipt(self, state: State) -> None:
        print(state.receipt)
""",
    checks=(OnClass((names.STORY,), check),),
)
