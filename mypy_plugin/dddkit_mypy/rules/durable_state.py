"""The State of a durable story is recorded as JSON; which fields cannot be, types show only in part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy.nodes import FuncDef, TypeInfo, Var
from mypy.plugin import FunctionContext
from mypy.types import CallableType, Instance, Type, get_proper_type

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import OnAnalysed, OnConstruction, Rule
from dddkit_mypy.blocks.contents import FieldReader
from dddkit_mypy.blocks.recordable import Judge
from dddkit_mypy.blocks.written_fields import store_excluded_fields, unseen_fields
from dddkit_mypy.stories.compensations import member_named
from dddkit_mypy.stories.declaration import is_story, steps_of
from dddkit_mypy.stories.state import state_of

CODE: Final = codes.DURABLE_STATE


def check(ctx: FunctionContext, info: TypeInfo) -> None:
    """Report each field of the State that cannot be recorded, where a story is made durable."""
    if info.fullname != names.DURABLE or "story" not in ctx.callee_arg_names:
        return
    place = ctx.callee_arg_names.index("story")
    story = get_proper_type(ctx.arg_types[place][0]) if len(ctx.arg_types[place]) == 1 else None
    if not isinstance(story, Instance) or not is_story(story.type) or mypy_api.has_uninhabited_component(story):
        return
    checker = mypy_api.checker_of(ctx.api)
    mypy_api.dependencies_of(checker).add_member(story.type, "State")
    state = get_proper_type(state_of(story))
    if not isinstance(state, Instance) or state.type.fallback_to_any:
        return
    name = mypy_api.qualified_name(state.type)
    if name == "State":  # of a local class, mypy keeps no more
        name = f"{mypy_api.source_name(story.type)}.State"
    for path, problem in _problems(checker, story, state):
        at = f"{path}: " if path else ""
        checker.fail(f"{name} cannot be recorded: {at}{problem}", ctx.args[place][0], code=CODE)


def _problems(checker: mypy_api.TypeChecker, story: Instance, state: Instance) -> Iterator[tuple[str, str]]:
    dependencies = mypy_api.dependencies_of(checker)
    if not state.type.has_base(names.STORY_STATE):
        dependencies.add_declarations([*story.type.mro, *state.type.mro])
        if not state.type.is_protocol and not _may_take_another(story.type):
            yield "", _NO_STORY_STATE
        return
    reader, judge = FieldReader({}), Judge(checker)
    unseen = {name for base in state.type.mro for name in unseen_fields(base)}
    declared = {field.name: field.type for field in reader.fields(state) if field.owner.has_base(names.STORY_STATE)}
    declared.update(_fields_for_functions(state.type))
    for name, type_ in declared.items():
        if name not in unseen:
            yield from judge.problems(type_, name)
    dependencies.add_metadata([*state.type.mro, *judge.classes])
    dependencies.add_types([*reader.classes, *judge.classes], reader.types)


def _fields_for_functions(state: TypeInfo) -> Iterator[tuple[str, Type]]:
    """Yield the fields of which mypy has made properties, so that the functions in them are not bound."""
    for base in state.mro:
        for name, symbol in base.names.items():
            if isinstance(symbol.node, Var) and symbol.node.is_property and symbol.node.type is not None:
                yield name, symbol.node.type


_NO_STORY_STATE: Final = (
    "it is no StoryState, so its fields are not known; write `class State(StoryState):` in the story, with the type of "
    "each field"
)


def _may_take_another(story: TypeInfo) -> bool:
    """Whether a step is annotated with a StoryState: the runtime then takes that for the State."""
    steps = steps_of(story)
    if steps is None or steps.dynamic:
        return True
    for name in steps.names:
        step = member_named(story, name)
        taken = step.type.arg_types[-1:] if isinstance(step, FuncDef) and isinstance(step.type, CallableType) else ()
        for type_ in map(get_proper_type, taken):
            if isinstance(type_, Instance) and type_.type.has_base(names.STORY_STATE):
                return True
    return False


RULE: Final = Rule(
    code=CODE,
    reason=(
        "A durable run goes on in another process with what was recorded of its State. What would not come back from "
        "JSON is rejected when the program starts; this says it before. Only what is certain is reported, where the "
        "story is given to `Durable` itself: a field that is annotated with `Annotated` or the name of an alias is not "
        "judged, nor is what a dataclass or model in a field holds inside."
    ),
    bad="""\
from dataclasses import dataclass
from typing import Any

from dddkit.stories import I, Story, StoryState
from dddkit.stories.dbos import Durable


@dataclass(frozen=True)
class Checkout(Story):
    I.charge

    class State(StoryState):
        order_id: int
        receipt: dict[str, Any]

    def charge(self, state: State) -> None: ...


def make() -> Durable[Checkout.State]:
    return Durable(Checkout(), name="checkout")
""",
    good="""\
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState
from dddkit.stories.dbos import Durable


@dataclass(frozen=True)
class Checkout(Story):
    I.charge

    class State(StoryState):
        order_id: int
        receipt: dict[str, str]

    def charge(self, state: State) -> None: ...


def make() -> Durable[Checkout.State]:
    return Durable(Checkout(), name="checkout")
""",
    checks=(
        OnConstruction(names.DURABLE, check),
        OnAnalysed(
            (
                names.AGGREGATE_EVENT_MODEL,
                names.DOMAIN_EVENT_MODEL,
                names.VALUE_OBJECT_MODEL,
                names.IDENTIFIED,
            ),
            store_excluded_fields,
        ),
    ),
)
