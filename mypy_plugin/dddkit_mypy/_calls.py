"""What calling a story gives: every story is given a `__call__` that says it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

from mypy.nodes import (
    NOT_ABSTRACT,
    Decorator,
    FuncDef,
    OverloadedFuncDef,
    SymbolNode,
    TypeInfo,
    Var,
)
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

from dddkit_mypy import _flow as flow
from dddkit_mypy import _mypy_api as mypy_api
from dddkit_mypy import _noted as noted
from dddkit_mypy import _stories as stories
from dddkit_mypy._plain import PlainStory, read_plain, resolve


class Result(Enum):
    """What calling a step or a story gives, as far as it matters to who calls it."""

    NONE = "none"
    COROUTINE = "coroutine"
    UNKNOWN = "unknown"
    PENDING = "pending"  # nobody has inferred the type of the step yet

    def type(self, named_type: mypy_api.NamedType) -> Type:
        """The type of `story(state)`."""
        if self is Result.NONE:
            return NoneType()
        if self is Result.COROUTINE:
            return mypy_api.coroutine_of_none(named_type)
        return AnyType(TypeOfAny.explicit)


def result_of_calling(info: TypeInfo) -> Result:
    """What calling a story gives, by the `__call__` it has been given; one written by hand is its author's business."""
    result = mypy_api.generated_result(info)
    return Result.UNKNOWN if result is None else result_of_returning(result)


class Calls:
    """Gives every story its `__call__`.

    A story may hold another one, whose own `__call__` is made later in the same round of analysis: those that wait
    are known here, and made when they are needed.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[TypeInfo, mypy_api.Place]] = {}
        self._plain: set[TypeInfo] = set()
        self._settled: set[TypeInfo] = set()
        self._results: dict[TypeInfo, Result] = {}

    def expect(self, info: TypeInfo, place: mypy_api.Place) -> None:
        """Note a story that is being analysed."""
        self._waiting[info.fullname] = (info, place)

    def make(self, info: TypeInfo) -> None:
        """Read the steps of a story that has been analysed, and give it its `__call__`."""
        waiting = self._waiting.pop(info.fullname, None)
        if waiting is None:
            return
        place = waiting[1]
        simple = read_plain(info) if place.is_for_diagnostics else None
        if simple is not None:
            self._make_plain(info, simple, place)
            return
        for base in info.mro[1:]:
            self.make(base)
        body = stories.read_body(info.defn)
        listed = [node.name for node in body.listed if not node.name.startswith("_")]
        notes = _note(info, listed, dynamic=body.dynamic, comprehended=bool(body.comprehended))
        notes["flows"] = flows = noted.flows_of(info)
        notes["namespace"] = noted.note_namespace(info, place)
        plain = stories.plain_steps(info)
        if stories.has_our_call(info):
            named_type = place.analyzer.named_type
            result = _Decision(self, info, plain, named_type).result
            if result is not None:
                notes["pending"] = result is Result.PENDING
                mypy_api.generate_call(place.analyzer, info, result.type(named_type))
        if place.is_for_daemon:
            notes_seen = f"{listed} {notes['namespace']} {flow.without_places(flows)}"
            mypy_api.mark(place.analyzer, info, mypy_api.NOTES, notes_seen)
        elif plain and len(plain) == len(listed):
            self._plain.add(info)
        place.depend_on(info, noted.used_by(info, plain))

    def _make_plain(self, info: TypeInfo, story: PlainStory, place: mypy_api.Place) -> None:
        notes = _note(info, story.steps)
        result = Result.COROUTINE if story.is_async else Result.NONE
        mypy_api.give_call(info, result.type(place.analyzer.named_type), story.function)
        resolve(story.listed)
        if story.has_plain_state:
            self._settled.update((info, story.state))
            self._results[info] = result
        else:
            notes["flows"] = noted.flows_of(info)
            notes["namespace"] = noted.note_namespace(info, place)
            self._plain.add(info)
            place.depend_on(info, noted.used_by(info, story.steps))

    def is_settled(self, info: TypeInfo) -> bool:
        """Whether a class is a plain story or its State: nothing can be wrong with it. Never in the daemon."""
        return info in self._settled

    def settled_result(self, info: TypeInfo) -> Result | None:
        """What calling a story gives that has been settled."""
        return self._results.get(info)

    def are_plain(self, info: TypeInfo) -> bool:
        """Whether each step of a story has been found to be a plain one; asked once, when the story is checked.

        Never in the daemon, which analyses the steps of a story again without the story.
        """
        is_plain = info in self._plain
        self._plain.discard(info)
        return is_plain

    def complete(self, info: TypeInfo, named_type: mypy_api.NamedType) -> Result | None:
        """Decide again what calling a story gives, once the types of its steps may have been inferred.

        None when it has been decided before.
        """
        for base in info.mro:
            symbol = base.names.get("__call__")
            if symbol is not None:
                break
        else:
            return None
        notes = mypy_api.notes_of(base)
        if not notes.get("pending") or not isinstance(symbol.node, FuncDef):
            return None
        result = _Decision(self, base, stories.plain_steps(base), named_type).result
        if result is not None and result is not Result.PENDING:
            notes["pending"] = False
            mypy_api.set_result(symbol.node, result.type(named_type))
        return result


def _note(info: TypeInfo, steps: list[str], *, dynamic: bool = False, comprehended: bool = False) -> dict[str, Any]:
    """Begin the notes that the cache keeps of a story."""
    return mypy_api.note(
        info,
        {
            "steps": steps,
            "dynamic": dynamic,
            "comprehended": comprehended,
            "pending": False,
            "flows": {},
            "namespace": None,
        },
    )


class _Decision:
    """What calling one story gives."""

    def __init__(self, calls: Calls, info: TypeInfo, plain: dict[str, FuncDef], named_type: mypy_api.NamedType) -> None:
        self._calls = calls
        self._story = mypy_api.self_type(info)
        self._plain = plain
        self._named_type = named_type
        steps = stories.steps_of(info)
        self.result = None if steps is None else self._of_steps(steps)
        """None when the story has no steps."""

    def _of_steps(self, steps: stories.Steps) -> Result:
        if any([step.is_coroutine for step in self._plain.values()]):  # noqa: C419  # faster than a generator
            return Result.COROUTINE
        results = [self._of_step(name) for name in steps.names if name not in self._plain]
        if Result.COROUTINE in results:
            return Result.COROUTINE
        if Result.PENDING in results:
            return Result.PENDING
        return Result.UNKNOWN if steps.dynamic or Result.UNKNOWN in results else Result.NONE

    def _of_step(self, name: str) -> Result:
        result = self._of_member(self._story, name)
        symbol = self._story.type.get(name)
        if (
            result is Result.COROUTINE
            and symbol is not None
            and isinstance(symbol.node, FuncDef)
            and not symbol.node.is_coroutine
            and symbol.node.abstract_status == NOT_ABSTRACT
        ):
            return Result.NONE  # a mistake: at run time, nothing but `async def` makes a method async
        return result

    def _of_member(self, owner: Instance, name: str) -> Result:
        """What calling a method gives, or what a field holds."""
        for base in owner.type.mro:
            symbol = base.names.get(name)
            if symbol is not None:
                return self._of_node(symbol.node, base, owner)
        return Result.UNKNOWN

    def _of_node(self, node: SymbolNode | None, base: TypeInfo, owner: Instance) -> Result:
        if isinstance(node, FuncDef):
            return Result.COROUTINE if node.is_coroutine else self._of_type(node.type, base, owner)
        if isinstance(node, Decorator):
            if node.var.type is None:
                return Result.PENDING
            return self._of_type(_value(node.var) if node.func.is_property else node.var.type, base, owner)
        if isinstance(node, OverloadedFuncDef):
            first = node.items[0]
            if node.is_property and isinstance(first, Decorator):
                return self._of_type(_value(first.var), base, owner)
            return self._of_type(node.type, base, owner)
        if isinstance(node, Var):
            pending = node.type is None and node.is_inferred
            return Result.PENDING if pending else self._of_type(node.type, base, owner)
        return Result.NONE if isinstance(node, TypeInfo) else Result.UNKNOWN

    def _of_type(self, type_: Type | None, base: TypeInfo, owner: Instance) -> Result:
        """What calling an object gives whose type is written in the class `base`, and seen from `owner`."""
        if type_ is None:
            return Result.UNKNOWN
        return self._of_object(mypy_api.seen_from(type_, base, owner))

    def _of_object(self, type_: Type) -> Result:
        called = get_proper_type(type_)
        if isinstance(called, TypeVarType):
            called = get_proper_type(called.upper_bound)
        if isinstance(called, CallableType):
            return Result.NONE if called.is_type_obj() else result_of_returning(called.ret_type)
        if isinstance(called, Overloaded):
            return _agreed(result_of_returning(item.ret_type) for item in called.items)
        if isinstance(called, UnionType):
            items = [item for item in called.items if not isinstance(get_proper_type(item), NoneType)]
            return _agreed(self._of_object(item) for item in items)
        if isinstance(called, TypeType):
            return Result.NONE
        if isinstance(called, Instance):
            if called.type is self._story.type:
                return Result.UNKNOWN  # it runs itself
            self._calls.make(called.type)
            if self._calls.complete(called.type, self._named_type) is Result.PENDING:
                return Result.PENDING
            if mypy_api.generated_result(called.type) is not None:
                return result_of_calling(called.type)
            return self._of_member(called, "__call__")
        return Result.UNKNOWN


def _value(getter: Var) -> Type | None:
    """The type of a property."""
    type_ = get_proper_type(getter.type)
    return type_.ret_type if isinstance(type_, CallableType) else None


def _agreed(results: Iterable[Result]) -> Result:
    different = set(results)
    return different.pop() if len(different) == 1 else Result.UNKNOWN


def result_of_returning(type_: Type) -> Result:
    """What calling a step gives whose return type this is."""
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
