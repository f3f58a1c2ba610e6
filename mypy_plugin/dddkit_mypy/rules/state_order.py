"""A `variable()` has no value until a step sets it, so the order of the steps matters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy.nodes import Context, Decorator, FuncDef, OverloadedFuncDef, TypeInfo
from mypy.types import AnyType, Instance, NoneType, Type, TypeOfAny, TypeVarType, get_proper_type

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._record import Record
from dddkit_mypy._rule import ClassContext, OnClass, Rule
from dddkit_mypy.stories.compensations import compensations_of
from dddkit_mypy.stories.declaration import has_our_call, is_story, read_body, steps_of
from dddkit_mypy.stories.flags import is_behind_flag
from dddkit_mypy.stories.flow import Flow, Read, first_values, is_visible, location_of
from dddkit_mypy.stories.flow_metadata import flow_of_step, has_flows, reads_and_sets
from dddkit_mypy.stories.nested_stories import nested_stories
from dddkit_mypy.stories.state import state_of, variables_of
from dddkit_mypy.stories.undoing import EarlyRead, early_reads_in_undoing

CODE: Final = codes.STATE_ORDER


class _Finding(Record):
    """A read that comes too early."""

    position: int
    """The index of the step that reads, in the list of the story."""
    step: str
    variable: str
    read: Read
    setter: str | None
    """The later step that gives it its first value; None where only the step that reads sets it."""
    is_mutual: bool
    """Whether the setter in turn reads what this step, or one between the two, sets."""
    type: Type
    """The type of the variable."""

    @property
    def reported(self) -> tuple[str, str, str | None]:
        """What the message says: findings that are equal in this are one."""
        return self.step, self.variable, self.setter


def check(ctx: ClassContext) -> None:
    """Report the reads of variables that no earlier step sets, and this or a later one does; those in undoing too."""
    if ctx.checker is None or not has_flows(ctx.info):
        return
    found, undoing = list(_findings(ctx.info)), list(_findings_in_undoing(ctx.info))
    if not found and not undoing:
        return
    bases = [base.type for base in ctx.info.bases if is_story(base.type)]
    known = {finding.reported for base in bases for finding in _findings(base)}
    known_undoing = {read.reported for base in bases for read in _findings_in_undoing(base)}
    found = [finding for finding in found if finding.reported not in known]  # the others are reported at the bases
    undoing = [read for read in undoing if read.reported not in known_undoing]
    if not (found or undoing) or nested_stories(ctx.checker).may_have(ctx.info):
        return
    for read in undoing:
        own = read.method in ctx.info.names
        place = location_of(read.read) if own else ctx.info.defn
        ctx.report(
            f'{ctx.info.name}: {read.method}, which compensates I.{read.step}, reads "{read.variable}", '
            f"{_reason_in_undoing(read, ctx.info)}",
            place,
            CODE,
        )
    for finding in found:
        ctx.report(
            f'{ctx.info.name}: I.{finding.step} reads "{finding.variable}", {_reason(finding, ctx)}',
            _location(ctx.info, finding),
            CODE,
        )


def _reason(finding: _Finding, ctx: ClassContext) -> str:
    """Return why a read is wrong, and the cure."""
    step, setter = finding.step, finding.setter
    if setter is not None and finding.is_mutual:
        return (
            f"which is not set before I.{setter}, and I.{setter} reads what is set after that; "
            f"read it in a step after I.{setter}"
        )
    if setter is not None:
        return f"which is not set before I.{setter}; list I.{setter} before I.{step}"
    if not finding.read.updates:
        return "which no step has set before; set it before it is read"
    field = f"{finding.variable}: {mypy_api.format_type(finding.type, ctx.api.options).strip(chr(34))}"
    return (
        f'which no step has set before; give it a first value, "{field} = ...", or set it in an earlier step '
        f'(if a story around this one sets it, declare a plain field, "{field}")'
    )


def _reason_in_undoing(read: EarlyRead, info: TypeInfo) -> str:
    """Return why a read in a compensation is wrong, and the cure."""
    if read.setter == read.step:
        return (
            f"which I.{read.setter} sets, and even_if_failed runs it also when I.{read.setter} was stopped before "
            f"that; read what the caller or an earlier step sets"
        )
    own = compensations_of(info).get(read.setter)
    place = f"in {own.method}, which compensates I.{read.setter}" if own else f"in a compensation of I.{read.setter}"
    return f"which is not set when the run is stopped before I.{read.setter} has set it; read it {place}"


def _findings_in_undoing(info: TypeInfo) -> Iterator[EarlyRead]:
    judged = _judged(info) if mypy_api.bases_with(info, "compensations") else None
    if judged is None or not _is_for_its_steps(info, judged):
        return iter(())
    return early_reads_in_undoing(info, judged.steps, judged.state, judged.variables)


class _Judged(Record):
    """A story whose reads can be judged."""

    steps: list[str]
    state: TypeInfo
    variables: frozenset[str]


def _judged(info: TypeInfo) -> _Judged | None:
    """Return the steps of a story and the variables of its State; None where nothing can be said about them."""
    steps = steps_of(info)
    if steps is None or steps.dynamic or len(steps.names) == 0:
        return None
    state = get_proper_type(state_of(mypy_api.self_type(info)))
    variables = variables_of(state)
    if not variables or not isinstance(state, Instance):
        return None
    return _Judged(steps.names, state.type, variables)


def _is_for_its_steps(info: TypeInfo, judged: _Judged) -> bool:
    """Whether nobody but the steps sets the variables, and nobody but the story calls the steps."""
    return has_our_call(info) and not _may_set(judged.state)


def _may_read_early(info: TypeInfo, judged: _Judged) -> bool:
    """Whether a step may read a variable that no step before it sets: in most stories, none does."""
    already_set: set[str] = set()
    for name in judged.steps:
        read, set_there = reads_and_sets(info, name)
        if any(variable in judged.variables and variable not in already_set for variable in read):
            return True
        already_set.update(set_there)
    return False


def _findings(info: TypeInfo) -> Iterator[_Finding]:
    judged = _judged(info)
    if judged is None or not _may_read_early(info, judged) or not _is_for_its_steps(info, judged):
        return
    names, state, variables = judged.steps, judged.state, judged.variables
    flows: list[Flow] = []
    for name in names:
        flow = flow_of_step(info, name)
        if flow is None or not is_visible(flow, state):
            break  # from here on, anything may have happened
        flows.append(flow)
    unseen = [flow_of_step(info, name) for name in names[len(flows) :]]
    already_set: set[str] = set()
    for index, flow in enumerate(flows):
        rest = [flow, *flows[index + 1 :], *(other for other in unseen if other is not None)]
        later = list(zip(names[index + 1 :], [*flows[index + 1 :], *unseen], strict=True))
        for variable, found in flow.reads.items():
            if variable not in variables or variable in already_set:
                continue
            if not any(variable in other.sets for other in rest):
                continue
            reads = [Read(*read) for read in found]
            if any(variable in other.sets and variable not in other.updates for other in rest):
                reads = [read for read in reads if not is_behind_flag(state, variable, read, rest)]
            if reads:
                setter, is_mutual = _setter(later, variable, flow)
                type_ = state[variable].type or AnyType(TypeOfAny.special_form)
                yield _Finding(index, names[index], variable, reads[0], setter, is_mutual, type_)
                already_set.add(variable)  # report it once
        already_set.update(flow.sets)


def _may_set(state: TypeInfo) -> bool:
    """Whether the State has methods that may set variables for the caller, before the story is called.

    A method that returns something answers a question; a class method or a static one may make objects.
    """
    for base in state.mro:
        if base.fullname == names.STORY_STATE:
            return False
        for name, symbol in base.names.items():
            node = symbol.node
            if isinstance(node, OverloadedFuncDef):
                return True  # a property with a setter, too
            if isinstance(node, Decorator):
                node = node.func
            if isinstance(node, FuncDef) and not symbol.plugin_generated and not node.is_property:
                if node.is_class or node.is_static or node.type is None:
                    return True
                result = get_proper_type(mypy_api.return_type_of(node.type))
                if not (name.startswith("__") and name.endswith("__")) and (
                    isinstance(result, (AnyType, NoneType, TypeVarType))
                    or (isinstance(result, Instance) and state.has_base(result.type.fullname))
                ):
                    return True
    return False


def _setter(later: list[tuple[str, Flow | None]], variable: str, reader: Flow) -> tuple[str | None, bool]:
    """Return the first later step that gives a variable its first value, and whether it cannot come earlier."""
    set_by_then = first_values(reader)
    for name, flow in later:
        if flow is not None:
            if variable in first_values(flow) and variable not in flow.reads:
                return name, not set_by_then.isdisjoint(flow.reads)
            set_by_then |= first_values(flow)
    return None, False


def _location(info: TypeInfo, finding: _Finding) -> Context:
    """Return the read, where the class itself defines the step; else its `I.name`, else the class."""
    if finding.step in info.names:
        return location_of(finding.read)
    steps = steps_of(info)
    if steps is not None and steps.owner is info:
        listed = [node for node in read_body(info.defn).listed if not node.name.startswith("_")]
        return listed[finding.position]
    return info.defn


RULE: Final = Rule(
    code=CODE,
    reason=(
        "The read raises StoryStateError in the middle of the run, after the steps before it have done their work. "
        "Variables that no step sets come from outside, and nothing is said about them, nor about a read behind a "
        "condition that the setting step changes (`if state.paid:`), nor about what follows a step that hands the "
        "state on, asks for names with `hasattr`, or cannot be seen: injected, decorated, nested. A compensation runs "
        "when a later step was stopped, so it reads what its own step or an earlier one sets; with `even_if_failed` "
        "only what earlier ones set. A story that is a step of another one in its module is left alone, since the "
        "outer one may set anything. Of one in another module nobody knows that here: what the outer story sets is a "
        "plain field of the nested State, and the outer State declares it again as `variable()`."
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

    def charge(self, state: State) -> None:
        state.receipt = f"paid: {state.order_id}"

    def send_receipt(self, state: State) -> None:
        print(state.receipt)
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
