"""A `variable()` has no value until a step sets it, so the order of the steps matters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from mypy.nodes import ClassDef, Context, Decorator, MypyFile, SymbolNode, TypeInfo, Var
from mypy.types import Instance, Type, get_proper_type

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnClass, Rule, new_code
from dddkit_mypy.stories.declaration import is_story, read_body, steps_of
from dddkit_mypy.stories.flow import Flow, location_of
from dddkit_mypy.stories.flow_metadata import flow_of_step, has_flows
from dddkit_mypy.stories.state import state_of, variables_of

_TITLE: Final = "Every step reads only the variables that have been set by then"
CODE: Final = new_code("dddkit-state-order", _TITLE)


class _Finding(NamedTuple):
    """A read that comes too early."""

    position: int
    """The index of the step that reads, in the list of the story."""
    step: str
    variable: str
    read: list[int]
    setter: str
    """The first step that sets it, which may be the one that reads."""

    @property
    def reported(self) -> tuple[str, str, str]:
        """What the message says: findings that are equal in this are one."""
        return self.step, self.variable, self.setter


def check(ctx: ClassContext) -> None:
    """Report the reads of variables that no earlier step sets, and this or a later one does."""
    if ctx.checker is None or not has_flows(ctx.info):
        return
    found = list(_findings(ctx.info))
    if not found:
        return
    bases = [base.type for base in ctx.info.bases if is_story(base.type)]
    known = {finding.reported for base in bases for finding in _findings(base)}
    found = [finding for finding in found if finding.reported not in known]  # the others are reported at the bases
    if not found or _may_be_nested(ctx):
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
            _location(ctx.info, finding),
            CODE,
        )


def _findings(info: TypeInfo) -> Iterator[_Finding]:
    steps = steps_of(info)
    if steps is None or steps.dynamic or len(steps.names) == 0:
        return
    state = get_proper_type(state_of(mypy_api.self_type(info)))
    variables = variables_of(state)
    if not variables or not isinstance(state, Instance):
        return
    flows = [flow_of_step(info, name) for name in steps.names]
    already_set: set[str] = set()
    for index, (name, found) in enumerate(zip(steps.names, flows, strict=True)):
        if found is None or found.opaque or not all(_is_stored(state.type, used) for used in found.used):
            return
        for variable, read in found.reads.items():
            if variable in variables and variable not in already_set:
                setter = _setter(steps.names[index:], flows[index:], variable)
                if setter is not None:
                    yield _Finding(index, name, variable, read, setter)
                    already_set.add(variable)  # report it once
        already_set.update(found.sets)


def _is_stored(state: TypeInfo, name: str) -> bool:
    """Whether no code runs when an attribute of the State is read, called or set."""
    symbol = state.get(name)
    return symbol is not None and isinstance(symbol.node, Var) and not symbol.node.is_property


def _setter(listed: list[str], flows: list[Flow | None], variable: str) -> str | None:
    for name, found in zip(listed, flows, strict=True):
        if found is not None and variable in found.sets:
            return name
    return None


def _location(info: TypeInfo, finding: _Finding) -> Context:
    """Return the read, where the class itself defines the step; else its `I.name`, else the class."""
    if finding.step in info.names:
        return location_of(finding.read)
    steps = steps_of(info)
    if steps is not None and steps.owner is info:
        listed = [node for node in read_body(info.defn).listed if not node.name.startswith("_")]
        return listed[finding.position]
    return info.defn


def _may_be_nested(ctx: ClassContext) -> bool:
    """Whether this story may be a step of another one in the module, whose earlier steps may set anything."""
    if _STEPS not in ctx.of_module:  # reading the module for each story would be quadratic
        ctx.of_module[_STEPS] = list(_steps_in(ctx.tree))
    steps: list[SymbolNode] = ctx.of_module[_STEPS]
    return any(_may_be(step, ctx.info) for step in steps)


_STEPS: Final = "fields and properties that are steps"


def _steps_in(tree: MypyFile) -> Iterator[SymbolNode]:
    """Yield the fields and properties of a module's stories that are steps."""
    for node in mypy_api.walk(tree):
        if isinstance(node, ClassDef) and is_story(node.info):
            steps = steps_of(node.info)
            for name in () if steps is None else steps.names:
                symbol = node.info.get(name)
                if symbol is not None and isinstance(symbol.node, (Decorator, Var)):
                    yield symbol.node


def _may_be(node: SymbolNode | None, story: TypeInfo) -> bool:
    """Whether the value of a field or a property may be this story."""
    type_: Type | None
    if isinstance(node, Decorator) and node.func.is_property:
        type_ = node.func.type
    elif isinstance(node, Var):
        type_ = node.type
        if node.is_inferred:
            return True  # mypy may not know its type yet
    else:
        return False
    return any(
        found.has_base(story.fullname) or (found.fullname != names.STORY and story.has_base(found.fullname))
        for found in mypy_api.classes_in(type_)
        if is_story(found)
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
