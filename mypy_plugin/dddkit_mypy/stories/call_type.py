"""The result of calling a story: the plugin generates a `__call__` for every story that declares it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, Final

from mypy.nodes import (
    NOT_ABSTRACT,
    CallExpr,
    Context,
    Decorator,
    FuncDef,
    Node,
    OverloadedFuncDef,
    SymbolNode,
    TypeInfo,
    Var,
)
from mypy.plugin import AttributeContext
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    NoneType,
    Overloaded,
    Type,
    TypeOfAny,
    TypeType,
    TypeVarType,
    UnionType,
    get_proper_type,
)

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.stories.attributes import uses_of_attributes
from dddkit_mypy.stories.compensations import member_named, read_compensations
from dddkit_mypy.stories.declaration import read_body
from dddkit_mypy.stories.dependencies import UsedClasses
from dddkit_mypy.stories.fields import unset_fields
from dddkit_mypy.stories.flow import without_locations
from dddkit_mypy.stories.flow_metadata import flows_of_methods
from dddkit_mypy.stories.namespaces import store_namespace
from dddkit_mypy.stories.reading import Readings, StoryReading
from dddkit_mypy.stories.simple import SimpleStory, read_simple_story, resolve, resolve_listings
from dddkit_mypy.stories.state import state_of


class Result(Enum):
    """The kind of result of a step or a story, as far as its caller needs to know."""

    NONE = "none"
    COROUTINE = "coroutine"
    UNKNOWN = "unknown"
    PENDING = "pending"  # mypy has not inferred the type of the step yet

    def type(self, named_type: mypy_api.NamedType) -> Type:
        """Return the type of `story(state)`."""
        if self is Result.NONE:
            return NoneType()
        if self is Result.COROUTINE:
            return mypy_api.coroutine_of_none(named_type)
        return AnyType(TypeOfAny.explicit)


def result_of_calling(info: TypeInfo) -> Result:
    """Return the result of calling a story, by its generated `__call__`; UNKNOWN where the user defines the method."""
    result = mypy_api.generated_call_result(info)
    return Result.UNKNOWN if result is None else result_of_returning(result)


def result_of_step(info: TypeInfo, name: str, named_type: mypy_api.NamedType) -> Result:
    """Return the result of calling a step or a compensation of a story, once mypy has checked all of the code."""
    return _Decision(CallTypes(), Readings().read(info, is_for_daemon=False), named_type).of_step(name)


def anything_if_others_are_async(result: Type, checker: mypy_api.TypeChecker, call: Context) -> Type:
    """Return the result of calling a story; Any for the None of a sync one in a union with async ones.

    The caller may await whichever runs.
    """
    if isinstance(get_proper_type(result), NoneType) and isinstance(call, CallExpr):
        for member in mypy_api.members_of_callee(checker, call):
            if isinstance(member, Instance) and result_of_calling(member.type) is Result.COROUTINE:
                return AnyType(TypeOfAny.special_form)
    return result


def type_as_callback(ctx: AttributeContext) -> Type:
    """Return the type of the generated `__call__` where a story is passed on, to be called with its State.

    Where it is called in the source, a rule checks the argument, so any will do; and so it will for a method that a
    subclass writes by hand, which mypy compares with ours.
    """
    called, story = get_proper_type(ctx.default_attr_type), ctx.type
    if isinstance(ctx.context, Node) or not isinstance(called, CallableType) or not isinstance(story, Instance):
        return ctx.default_attr_type
    if len(called.arg_types) != 1 or mypy_api.has_uninhabited_component(story):
        return ctx.default_attr_type
    mypy_api.dependencies_of(ctx.api).add_member(story.type, "State")
    state = state_of(story)
    return called if state is None else mypy_api.with_argument_type(called, state)


class CallTypes:
    """Generates the `__call__` of every story.

    A step may be another story, whose own `__call__` is generated later in the same round of analysis. So this class
    knows the stories under analysis, and generates the method as soon as another story needs it.
    """

    def __init__(self) -> None:
        self._under_analysis: dict[str, mypy_api.AnalysisScope] = {}
        self.correct: Final[set[TypeInfo]] = set()
        """Simple stories, which no rule needs to check. None in the daemon."""
        self._scope: mypy_api.AnalysisScope | None = None
        self._known: Final[dict[TypeInfo, StoryReading]] = {}
        self._readings: Final = Readings()
        self._classes = UsedClasses()

    def expect(self, scope: mypy_api.AnalysisScope) -> None:
        """Remember a story under analysis."""
        self._under_analysis[scope.info.fullname] = self._scope = scope

    def is_in_stub(self, info: TypeInfo) -> bool:
        """Whether a class is declared in a stub."""
        return self._scope is not None and mypy_api.is_in_stub(info, self._scope)

    def generate(self, info: TypeInfo) -> None:
        """Read the steps of a story that mypy has analysed, and generate its `__call__`."""
        scope = self._under_analysis.pop(info.fullname, None)
        if scope is None:
            return
        is_for_diagnostics = scope.is_for_diagnostics
        simple = read_simple_story(info) if is_for_diagnostics else None
        if simple is not None:
            self._generate_for_simple(simple, scope)
            return
        for base in info.mro[1:]:
            if base.fullname in self._under_analysis:
                self.generate(base)
        body = read_body(info.defn)
        listed = [node.name for node in body.listed if not node.name.startswith("_")]
        dynamic = body.dynamic or (scope.tree.is_stub and not listed)  # stubs leave out the steps
        metadata = _store_steps(info, listed, [])
        metadata["compensations"] = compensations = [] if body.is_plain else read_compensations(info)
        metadata["dynamic"], metadata["comprehended"] = dynamic, bool(body.comprehended)
        metadata["open"], metadata["misused"] = body.is_open, bool(body.misused) or "State" in listed
        story = self._readings.read(info, is_for_daemon=scope.is_for_daemon)
        metadata["unset"] = unset = unset_fields(story, scope.tree)
        metadata["attributes"] = attributes = uses_of_attributes(story)
        metadata["flows"] = flows = {} if scope.tree.is_stub else flows_of_methods(story, scope)
        metadata["namespace"] = store_namespace(story, scope)
        if is_for_diagnostics:
            resolve_listings(info, body.listed)
            self._known[info] = story
        if story.has_our_call:
            named_type = scope.analyzer.named_type
            result = _Decision(self, story, named_type).result
            if result is not None:
                metadata["pending"] = result is Result.PENDING
                mypy_api.replace_call(scope.analyzer, info, result.type(named_type))
        if scope.is_for_daemon:
            stored = f"{metadata['namespace']} {without_locations(flows)} {unset} {attributes} {compensations}"
            text = f"{listed} {dynamic} {body.is_open} {stored}"
            mypy_api.set_private_text(scope.analyzer, info, mypy_api.METADATA, text)
        self._classes.add_to_dependencies(scope, story)

    def _generate_for_simple(self, story: SimpleStory, scope: mypy_api.AnalysisScope) -> None:
        info = scope.info
        metadata = _store_steps(info, story.steps, story.compensations)
        result = Result.COROUTINE if story.is_async else Result.NONE
        mypy_api.add_call(info, result.type(scope.analyzer.named_type), story.function)
        resolve(story.listed)
        if story.has_simple_state:
            self.correct.add(info)
        else:
            reading = self._readings.read(info, is_for_daemon=False)
            metadata["flows"] = {} if scope.tree.is_stub else flows_of_methods(reading, scope)
            metadata["namespace"] = store_namespace(reading, scope)
            self._classes.add_to_dependencies(scope, reading)

    def known_of(self, info: TypeInfo) -> StoryReading | None:
        """Return a story that this run has analysed; None in the daemon, which may edit it."""
        return self._known.get(info)

    def complete(self, info: TypeInfo, named_type: mypy_api.NamedType) -> Result | None:
        """Decide the result of calling a story again, when mypy may have inferred the types of its steps.

        None when there is nothing left to decide.
        """
        symbol = info.get("__call__")
        if symbol is None or not isinstance(symbol.node, Decorator):
            return None
        base = symbol.node.func.info
        metadata = mypy_api.metadata_of(base)
        if not metadata.get("pending"):
            return None
        story = self.known_of(base)
        if story is None:
            story = self._readings.read(base, is_for_daemon=self._scope is None or self._scope.is_for_daemon)
        result = _Decision(self, story, named_type).result
        if result is not None and result is not Result.PENDING:
            metadata["pending"] = False
            mypy_api.set_call_result(symbol.node, result.type(named_type))
        return result


def _store_steps(info: TypeInfo, steps: list[str], compensations: list[list[Any]]) -> dict[str, Any]:
    """Store the steps of a story in its metadata, which the cache keeps; return the metadata, to be completed."""
    return mypy_api.update_metadata(
        info,
        {
            "steps": steps,
            "compensations": compensations,
            "dynamic": False,
            "comprehended": False,
            "pending": False,
            "unset": [],
            "attributes": {},
            "flows": {},
            "namespace": None,
        },
    )


class _Decision:
    """The result of calling one story."""

    def __init__(self, calls: CallTypes, story: StoryReading, named_type: mypy_api.NamedType) -> None:
        self._calls = calls
        self._story = story.type
        self._named_type = named_type
        self.result = None if story.steps is None else self._of_steps(story, story.steps.dynamic)
        """None when the story has no steps."""

    def _of_steps(self, story: StoryReading, is_dynamic: bool) -> Result:
        for step in story.simple.values():
            if step.is_coroutine:
                return Result.COROUTINE
        results = [self._of_step(name, node) for name, node in story.called.items() if name not in story.simple]
        if Result.COROUTINE in results:
            return Result.COROUTINE
        if Result.PENDING in results:
            return Result.PENDING
        return Result.UNKNOWN if is_dynamic or Result.UNKNOWN in results else Result.NONE

    def of_step(self, name: str) -> Result:
        """Return the result of calling what a name in the story stands for."""
        return self._of_step(name, member_named(self._story.type, name))

    def _of_step(self, name: str, method: SymbolNode | None) -> Result:
        result = self._of_node(method, name, self._story)
        if (
            result is Result.COROUTINE
            and isinstance(method, FuncDef)
            and not method.is_coroutine
            and method.abstract_status == NOT_ABSTRACT
            and not self._calls.is_in_stub(method.info)  # where `async def` may be written like this
        ):
            return Result.NONE  # a mistake: at run time, nothing but `async def` makes a method async
        return result

    def _of_node(self, node: SymbolNode | None, name: str, owner: Instance) -> Result:
        """Return the result of calling a method, or the value of a field."""
        if isinstance(node, FuncDef):
            return Result.COROUTINE if node.is_coroutine else self._of_type(node.type, name, owner)
        if isinstance(node, Decorator):
            if node.var.type is None:
                return Result.PENDING
            return self._of_type(_value(node.var) if node.func.is_property else node.var.type, name, owner)
        if isinstance(node, OverloadedFuncDef):
            first = node.items[0]
            if node.is_property and isinstance(first, Decorator):
                return self._of_type(_value(first.var), name, owner)
            return self._of_type(node.type, name, owner)
        if isinstance(node, Var):
            pending = node.type is None and node.is_inferred
            return Result.PENDING if pending else self._of_type(node.type, name, owner)
        return Result.NONE if isinstance(node, TypeInfo) else Result.UNKNOWN

    def _of_type(self, type_: Type | None, name: str, owner: Instance) -> Result:
        """Return the result of calling what a base of `owner` declares with this type."""
        if type_ is None:
            return Result.UNKNOWN
        base = owner.type.get_containing_type_info(name)
        if base is not None and base.defn.type_vars:
            type_ = mypy_api.seen_from(type_, base, owner)
        return self._of_object(type_)

    def _of_object(self, type_: Type) -> Result:
        called = get_proper_type(type_)
        if isinstance(called, TypeVarType):
            called = get_proper_type(called.upper_bound)
        if isinstance(called, CallableType):
            return Result.NONE if called.is_type_obj() else result_of_returning(called.ret_type)
        if isinstance(called, Overloaded):
            return _agreed(result_of_returning(item.ret_type) for item in called.items)
        if isinstance(called, UnionType):
            items = [item for item in called.items if not _decides_nothing(item)]
            return _agreed(self._of_object(item) for item in items)
        if isinstance(called, TypeType):
            return Result.NONE
        if isinstance(called, Instance):
            if called.type is self._story.type:
                return Result.UNKNOWN  # the story is its own step
            if _decides_nothing(called):
                return Result.NONE
            self._calls.generate(called.type)
            if self._calls.complete(called.type, self._named_type) is Result.PENDING:
                return Result.PENDING
            if mypy_api.generated_call_result(called.type) is not None:
                return result_of_calling(called.type)
            return self._of_node(member_named(called.type, "__call__"), "__call__", called)
        return Result.UNKNOWN


def _decides_nothing(type_: Type) -> bool:
    """Whether a type is None, or a step that waits as the story runs: the others decide whether that is async."""
    found = get_proper_type(type_)
    return isinstance(found, NoneType) or (
        isinstance(found, Instance) and found.type.fullname in (names.SIGNAL, names.DELAY)
    )


def _value(getter: Var) -> Type | None:
    """Return the type of a property."""
    type_ = get_proper_type(getter.type)
    return type_.ret_type if isinstance(type_, CallableType) else None


def _agreed(results: Iterable[Result]) -> Result:
    different = set(results) or {Result.NONE}
    return different.pop() if len(different) == 1 else Result.UNKNOWN


def result_of_returning(type_: Type) -> Result:
    """Return the result of calling a step with this return type."""
    returned = get_proper_type(type_)
    if isinstance(returned, TypeVarType):
        returned = get_proper_type(returned.upper_bound)
    if isinstance(returned, AnyType):
        return Result.UNKNOWN
    if isinstance(returned, UnionType):
        return _agreed(result_of_returning(item) for item in returned.items)
    if isinstance(returned, Instance):
        if returned.type.fullname == "builtins.object":
            return Result.UNKNOWN
        if returned.type.has_base("typing.Awaitable") or returned.type.get("__await__") is not None:
            return Result.COROUTINE
    return Result.NONE
