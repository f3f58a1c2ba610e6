"""What is drawn of a story: its steps, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from mypy.nodes import IS_ABSTRACT, CallExpr, Decorator, FuncDef, OverloadedFuncDef, SymbolNode, TypeInfo, Var
from mypy.types import AnyType, CallableType, Instance, ProperType, Type, TypeVarType, get_proper_type

from dddkit.cli._drawing.analysis import Analysis
from dddkit.cli._drawing.usage import Usage, usage_of
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.mypy_api import name_in_source
from dddkit_mypy.stories.call_type import Result, result_of_calling, result_of_step
from dddkit_mypy.stories.compensations import compensations_of
from dddkit_mypy.stories.declaration import is_story, may_have, steps_of
from dddkit_mypy.stories.state import class_of_state, state_of


class Kind(Enum):
    """What a step looks like in a picture."""

    STEP = auto()
    WAITING = auto()
    """A signal or a delay."""
    UNDOING = auto()


@dataclass(frozen=True)
class Step:
    """A step, or what undoes one."""

    name: str
    is_async: bool | None
    """None where only the run shows it."""
    remarks: tuple[str, ...] = ()
    usage: Usage | None = None
    kind: Kind = Kind.STEP
    story: StoryToDraw | None = None
    """What it is made of, where it is a story itself."""
    undone_by: Step | None = None
    is_undone_if_failed: bool = False


@dataclass(frozen=True)
class StoryToDraw:
    """A story with its steps."""

    name: str
    full_name: str
    is_async: bool | None
    begins_with: tuple[str, ...]
    """The fields that are given to its State by the caller."""
    steps: tuple[Step, ...]
    may_list_more: bool


def story_to_draw(info: TypeInfo, analysis: Analysis, outer: Sequence[TypeInfo] = ()) -> StoryToDraw:
    """Return what is drawn of a story that has steps.

    Args:
        info: the story.
        analysis: where it is from.
        outer: the stories around it, whose steps are not drawn again.
    """
    listed = steps_of(info)
    assert listed is not None
    steps = _Steps(info, analysis, (*outer, info))
    return StoryToDraw(
        mypy_api.qualified_name(info),
        info.fullname,
        _is_async(result_of_calling(info)),
        _given_fields(steps.state),
        tuple(steps.step(name) for name in listed.names),
        listed.dynamic,
    )


def _is_async(result: Result) -> bool | None:
    return {Result.COROUTINE: True, Result.NONE: False}.get(result)


def _given_fields(state: TypeInfo | None) -> tuple[str, ...]:
    attributes = () if state is None else state.metadata.get("dataclass", {}).get("attributes", ())
    return tuple(attribute["name"] for attribute in attributes if attribute["is_in_init"])


class _Steps:
    """Reads the steps of one story."""

    def __init__(self, info: TypeInfo, analysis: Analysis, path: tuple[TypeInfo, ...]) -> None:
        self._info = info
        self._analysis = analysis
        self._path = path
        self._self = mypy_api.self_type(info)
        self._compensations = compensations_of(info)
        self.state = class_of_state(info, state_of(self._self))

    def step(self, name: str) -> Step:
        """Return a step, with what undoes it."""
        one = self._compensations.get(name)
        undone_by = None if one is None else self._member(one.method, Kind.UNDOING)
        return self._member(name, Kind.STEP, undone_by, one is not None and one.even_if_failed)

    def _member(self, name: str, kind: Kind, undone_by: Step | None = None, if_failed: bool = False) -> Step:
        symbol = self._info.get(name)
        node = None if symbol is None else symbol.node
        remarks: list[str] = []
        usage: Usage | None = None
        story: StoryToDraw | None = None
        if isinstance(node, OverloadedFuncDef) and not node.is_property:
            node = node.impl or node.items[0]
        if isinstance(node, (FuncDef, Decorator)) and not _is_property(node):
            is_read = _function_of(node).info.module_name in self._analysis.own  # the cache has no bodies
            usage = usage_of(node, self.state) if is_read else None
            remarks += _remarks_on(node) if is_read else []
        elif node is None:
            remarks.append("given" if may_have(self._info, name) else "names no step")
        elif isinstance(node, TypeInfo):
            remarks.append("a class")
        else:
            value = self._value(node, name)
            kind = Kind.WAITING if _is_waiting(value) else kind
            story = self._nested(value)
            remarks.append(self._given(value, node, story))
        is_async = None if node is None else _is_async(result_of_step(self._info, name, self._analysis.named_type))
        is_async = None if kind is Kind.WAITING else is_async
        return Step(name, is_async, tuple(filter(None, remarks)), usage, kind, story, undone_by, if_failed)

    def _value(self, node: SymbolNode, name: str) -> ProperType | None:
        """Return the type of a step that is an attribute or a property."""
        type_: Type | None = None
        if isinstance(node, OverloadedFuncDef):
            node = node.items[0]
        if isinstance(node, Decorator):
            getter = get_proper_type(node.var.type or node.func.type)
            type_ = getter.ret_type if isinstance(getter, CallableType) else getter
        elif isinstance(node, Var):
            type_ = node.type
        owner = self._info.get_containing_type_info(name)
        if type_ is not None and owner is not None:
            type_ = mypy_api.seen_from(type_, owner, self._self)
        found = get_proper_type(type_)
        return get_proper_type(found.upper_bound) if isinstance(found, TypeVarType) else found

    def _nested(self, value: ProperType | None) -> StoryToDraw | None:
        if not isinstance(value, Instance) or not is_story(value.type) or value.type in self._path:
            return None
        return None if steps_of(value.type) is None else story_to_draw(value.type, self._analysis, self._path)

    def _given(self, value: ProperType | None, node: SymbolNode, story: StoryToDraw | None) -> str:
        """Return how to tell what a step is that comes with the object; nothing where its steps are drawn."""
        if story is not None:
            return ""
        if isinstance(value, Instance) and value.type.fullname == names.SIGNAL:
            return "waits for a signal"
        if isinstance(value, Instance) and value.type.fullname == names.DELAY:
            return "waits for some time"
        if not isinstance(node, Var):
            return "a property"
        if node.is_inferred:
            return "set in the class"
        if value is None or isinstance(value, AnyType):
            return "given"
        is_around = isinstance(value, Instance) and value.type in self._path
        return f"given: {self._analysis.text_of(value)}{', drawn already' if is_around else ''}"


def _is_waiting(value: ProperType | None) -> bool:
    return isinstance(value, Instance) and value.type.fullname in (names.SIGNAL, names.DELAY)


def _is_property(node: FuncDef | Decorator) -> bool:
    return _function_of(node).is_property


def _function_of(node: FuncDef | Decorator) -> FuncDef:
    return node.func if isinstance(node, Decorator) else node


def _remarks_on(node: FuncDef | Decorator) -> list[str]:
    remarks = ["abstract"] if _function_of(node).abstract_status == IS_ABSTRACT else []
    if isinstance(node, Decorator):
        for decorator in node.original_decorators:
            called = decorator.callee if isinstance(decorator, CallExpr) else decorator
            if getattr(called, "fullname", "") not in _SAYS_NOTHING:
                remarks.append(f"@{name_in_source(called) or '...'}")
    return remarks


_SAYS_NOTHING = frozenset(
    {
        names.COMPENSATES,
        "abc.abstractmethod",
        "builtins.classmethod",
        "builtins.staticmethod",
        "typing.override",
        "typing_extensions.override",
    }
)
