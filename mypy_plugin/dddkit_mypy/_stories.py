"""What a story declares, as mypy sees it: the steps it lists, its State, and what calling it gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, Final, NamedTuple

from mypy.checker import TypeChecker
from mypy.nodes import (
    ARG_NAMED_OPT,
    ARG_OPT,
    MDEF,
    NOT_ABSTRACT,
    AssignmentStmt,
    CallExpr,
    ClassDef,
    Decorator,
    DictionaryComprehension,
    ExpressionStmt,
    FuncDef,
    GeneratorExpr,
    LambdaExpr,
    MemberExpr,
    MypyFile,
    NameExpr,
    Node,
    OverloadedFuncDef,
    RefExpr,
    SymbolNode,
    TypeAlias,
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
from mypy.typevars import fill_typevars_with_any

from dddkit_mypy import _flow as flow
from dddkit_mypy import _mypy_api as mypy_api
from dddkit_mypy import _names as names

# --- the body of the class --------------------------------------------------------------------------------------


class Body(NamedTuple):
    """What the statements of a story's body do with `I`."""

    listed: list[MemberExpr]
    """Each `I.name` that runs, in the order of the source; those that list nothing (`I._name`) are among them."""
    dynamic: bool
    """Whether `I` is also used in other ways, as in `getattr(I, name)`: more may be listed than can be seen."""
    comprehended: list[MemberExpr]
    """Each `I.name` in a comprehension, which sees the imported `I`."""


def read_body(defn: ClassDef) -> Body:
    """Read the body of a story whose source this run has analysed."""
    body = Body([], False, [])
    dynamic = False
    for statement in defn.defs.body:
        if isinstance(statement, ExpressionStmt):
            expr = statement.expr
            if isinstance(expr, MemberExpr) and is_the_list(expr.expr):
                body.listed.append(expr)
                continue
        elif isinstance(statement, FuncDef):
            kinds = statement.arg_kinds
            if ARG_OPT not in kinds and ARG_NAMED_OPT not in kinds:
                continue  # only the defaults run here
        for node, in_comprehension in _class_scope(statement, False):
            if isinstance(node, MemberExpr):
                (body.comprehended if in_comprehension else body.listed).append(node)
            elif not in_comprehension:
                dynamic = True
    return body._replace(dynamic=dynamic)


def is_surely_listed(node: MemberExpr, story: TypeInfo) -> bool:
    """Whether a class is a story, and an `I.name` of the imported `I` in its body names a step: most do."""
    return (
        mypy_api.notes_of(story).get("comprehended") is False
        and story.get(node.name) is not None
        and isinstance(node.expr, NameExpr)
        and node.expr.name == "I"
        and not node.name.startswith("_")
    )


def is_comprehended(node: MemberExpr, story: TypeInfo) -> bool:
    """Whether an `I.name` in the body of a story stands in a comprehension there."""
    return mypy_api.notes_of(story).get("comprehended", True) and any(
        node is inside for inside in read_body(story.defn).comprehended
    )


def is_the_list(expr: Node) -> bool:
    """Whether an expression in the body of a story is its list of steps: the name `I`, imported or the class's own."""
    return (
        isinstance(expr, NameExpr)
        and expr.name == "I"
        and isinstance(expr.node, Var)
        and (expr.node.fullname == names.IMPORTED_I or expr.kind == MDEF)
    )


def _class_scope(node: Node, in_comprehension: bool) -> Iterator[tuple[Node, bool]]:
    """Each `I.name`, and each other use of `I`, that runs with the class statement."""
    if isinstance(node, ExpressionStmt):
        node = node.expr
    if isinstance(node, MemberExpr) and is_the_list(node.expr):
        yield node, in_comprehension
    elif isinstance(node, (FuncDef, LambdaExpr)):  # only the defaults run here
        for argument in getattr(node, "arguments", ()):
            if argument.initializer is not None:
                yield from _class_scope(argument.initializer, in_comprehension)
    elif isinstance(node, AssignmentStmt):  # `I: ClassVar[Checkout] = steps()` is no use of `I`
        yield from _class_scope(node.rvalue, in_comprehension)
    elif is_the_list(node):
        yield node, in_comprehension
    elif not isinstance(node, ClassDef):
        inside = in_comprehension or isinstance(node, (GeneratorExpr, DictionaryComprehension))
        for part in mypy_api.children(node):
            yield from _class_scope(part, inside)


# --- the steps of a story, out of this run or the cache ---------------------------------------------------------


class Steps(NamedTuple):
    """The steps that a story lists, itself or through a base."""

    owner: TypeInfo
    """The class whose body lists them."""
    names: list[str]
    dynamic: bool
    """Whether there may be more."""


def steps_of(info: TypeInfo) -> Steps | None:
    """The steps of a story; None when it lists none and inherits none."""
    for base in info.mro:
        noted = mypy_api.notes_of(base)
        if noted.get("steps") or noted.get("dynamic"):
            return Steps(base, list(noted["steps"]), noted["dynamic"])
    return None


def listed_by(info: TypeInfo) -> list[str]:
    """Each name that the body of a story lists itself, as often as it does."""
    names_listed: list[str] = mypy_api.notes_of(info).get("steps", [])
    return names_listed


def is_story(info: TypeInfo) -> bool:
    """Whether a class is a story, other than Story itself."""
    return info.fullname != names.STORY and info.has_base(names.STORY)


def state_of(story: Instance) -> Type | None:
    """The State of a story, as the type of its objects; None when there is none that can be told."""
    for base in story.type.mro:
        symbol = base.names.get("State")
        if symbol is not None:
            return _objects_of(symbol.node, base, story)
    return None


def _objects_of(node: SymbolNode | None, owner: TypeInfo, story: Instance) -> Type | None:
    if isinstance(node, TypeInfo):
        return fill_typevars_with_any(node)
    if isinstance(node, TypeAlias):
        return _told(node.target)
    if isinstance(node, Var) and node.type is not None:
        held = get_proper_type(mypy_api.seen_from(node.type, owner, story))
        if isinstance(held, TypeType):
            return _told(held.item)
        if isinstance(held, CallableType) and held.is_type_obj():
            return _told(held.ret_type)
        if isinstance(held, Overloaded) and held.is_type_obj():
            return fill_typevars_with_any(held.type_object())
    return None


def plain_steps(info: TypeInfo) -> dict[str, FuncDef]:
    """Those of the steps of a story that are methods which take exactly its State, and give nothing: nearly all are.

    Nothing is wrong with such a step, and what calling it gives is plain to see.
    """
    steps, state = steps_of(info), get_proper_type(state_of(mypy_api.self_type(info)))
    if steps is None or not isinstance(state, Instance):
        return {}
    plain: dict[str, FuncDef] = {}
    for name in steps.names:
        symbol = info.get(name)
        method = None if symbol is None else symbol.node
        if isinstance(method, FuncDef) and mypy_api.is_taking(method, state) and mypy_api.gives_nothing(method):
            plain[name] = method
    return plain


def variables_of(state: Type | None) -> frozenset[str]:
    """The variables of a StoryState, which nobody but a step sets; none where code of its own may set them."""
    held = get_proper_type(state)
    if not isinstance(held, Instance) or not held.type.has_base(names.STORY_STATE) or held.type.fallback_to_any:
        return frozenset()
    info = held.type
    found: set[str] = set()
    for attribute in info.metadata.get("dataclass", {}).get("attributes", ()):
        if not attribute["is_in_init"]:
            symbol = info.get(attribute["name"])
            node = None if symbol is None else symbol.node
            if isinstance(node, Var) and not node.is_inferred and not node.is_property:
                found.add(attribute["name"])
    if not found or has_own_access(info):
        return frozenset()
    return frozenset(found)


def has_own_access(info: TypeInfo) -> bool:
    """Whether a State makes its objects, or finds their attributes, by code written by hand."""
    for base in info.mro:
        if base.fullname in (names.STORY_STATE, names.SIMPLE_NAMESPACE, "builtins.object"):
            continue
        for name in _OWN_ACCESS:
            symbol = base.names.get(name)
            if symbol is not None and not symbol.plugin_generated:
                return True
    return False


_OWN_ACCESS: Final = ("__init__", "__new__", "__getattr__", "__getattribute__", "__setattr__", "__delattr__")


def _told(type_: Type) -> Type | None:
    return None if isinstance(get_proper_type(type_), AnyType) else type_


_SUPPLIERS: Final = (
    "__init__",
    "__new__",
    "__post_init__",
    "__attrs_post_init__",
    "__getattr__",
    "__getattribute__",
)


def may_have(info: TypeInfo, name: str) -> bool:
    """Whether objects of a class may have the attribute, as far as its declaration shows."""
    if info.get(name) is not None or info.fallback_to_any:
        return True
    for base in info.mro:
        if base.fullname == "builtins.object" or base.fullname == names.STORY:
            continue
        if base.slots is not None and name in base.slots:
            return True
        for supplier in _SUPPLIERS:
            symbol = base.names.get(supplier)
            if symbol is not None and not symbol.plugin_generated:
                return True
    return False


# --- what calling a story gives ---------------------------------------------------------------------------------


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

    def expect(self, info: TypeInfo, place: mypy_api.Place) -> None:
        """Note a story that is being analysed."""
        self._waiting[info.fullname] = (info, place)

    def make(self, info: TypeInfo) -> None:
        """Read the steps of a story that has been analysed, and give it its `__call__`."""
        waiting = self._waiting.pop(info.fullname, None)
        if waiting is None:
            return
        place = waiting[1]
        for base in info.mro[1:]:
            self.make(base)
        body = read_body(info.defn)
        listed = [node.name for node in body.listed if not node.name.startswith("_")]
        notes = mypy_api.note(
            info,
            {
                "steps": listed,
                "dynamic": body.dynamic,
                "comprehended": bool(body.comprehended),
                "pending": False,
            },
        )
        notes["flows"] = flows = _flows(info)
        notes["namespace"] = _note_namespace(info, place)
        plain = plain_steps(info)
        if has_our_call(info):
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
        place.depend_on(info, _used_by(info, plain))

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
        result = _Decision(self, base, plain_steps(base), named_type).result
        if result is not None and result is not Result.PENDING:
            notes["pending"] = False
            mypy_api.set_result(symbol.node, result.type(named_type))
        return result


def _note_namespace(info: TypeInfo, place: mypy_api.Place) -> str | None:
    """Note on the class that a story makes its State that it is one, if it is a SimpleNamespace.

    One from another module cannot be told that its cached form is to say so; its name is the answer.
    """
    state = _class_of_state(info) if "State" in info.names else None
    if state is None or state.fullname == names.SIMPLE_NAMESPACE or not state.has_base(names.SIMPLE_NAMESPACE):
        return None
    if state.module_name != info.module_name:
        return state.fullname
    mypy_api.note(state, {"state of": info.name})
    if place.is_for_daemon:
        mypy_api.mark(place.analyzer, state, mypy_api.NOTES, info.name)
    return None


def _class_of_state(info: TypeInfo) -> TypeInfo | None:
    """The State of a story, before mypy has inferred what `State = X` is."""
    told = get_proper_type(state_of(mypy_api.self_type(info)))
    if isinstance(told, Instance):
        return told.type
    symbol = info.get("State")
    if told is None and symbol is not None and isinstance(symbol.node, Var) and symbol.node.type is None:
        for statement in symbol.node.info.defn.defs.body:
            if isinstance(statement, AssignmentStmt) and isinstance(statement.rvalue, RefExpr):
                given = statement.rvalue.node
                if isinstance(given, TypeInfo) and any(
                    isinstance(target, NameExpr) and target.name == "State" for target in statement.lvalues
                ):
                    return given
    return None


def story_of_namespace(checker: TypeChecker, info: TypeInfo, visible: Iterable[MypyFile]) -> str | None:
    """The name of the story that has a SimpleNamespace for its State; None where no such story can be seen.

    Also where the State is a base of the class.
    """
    bases = [base for base in info.mro if base.has_base(names.SIMPLE_NAMESPACE)]
    mypy_api.depend_on_names(checker, bases, ())
    for base in bases:
        story: str | None = mypy_api.notes_of(base).get("state of")
        if story is not None:
            return story
    wanted = {base.fullname for base in bases}
    for module in visible:
        found = [symbol.node for symbol in module.names.values() if isinstance(symbol.node, TypeInfo)]
        seen = [candidate for candidate in found if is_story(candidate)]
        mypy_api.depend_on_names(checker, seen, [module])
        mypy_api.depend_on_modules(checker, seen)
        for candidate in seen:
            if mypy_api.notes_of(candidate).get("namespace") in wanted:
                return candidate.name
    return None


def _flows(info: TypeInfo) -> dict[str, Any]:
    """What the methods of a story do with its state, as far as its module shows and no base has noted it.

    Only where the State has variables, or cannot be told: nobody asks for the others.
    """
    state = _class_of_state(info)
    if state is not None and not _may_have_variables(state, info):
        return {}
    return flow.flows_of(
        (name, symbol.node)
        for base in info.mro
        if base.module_name == info.module_name
        for name, symbol in base.names.items()
        if _resolves_to(info, name, symbol.node) and flow_of(info, name) is None
    )


def _may_have_variables(state: TypeInfo, story: TypeInfo) -> bool:
    """Like `variables_of`, while mypy has not yet made the constructors of the module's own classes."""
    for base in state.mro:
        if not base.has_base(names.STORY_STATE) or base.fullname == names.STORY_STATE:
            continue
        made = base.metadata.get("dataclass")
        if made is not None and base.module_name != story.module_name:
            if not all(attribute["is_in_init"] for attribute in made["attributes"]):
                return True
        elif any(map(_declares_variable, base.defn.defs.body)):
            return True
    return False


def _declares_variable(statement: Node) -> bool:
    return (
        isinstance(statement, AssignmentStmt)
        and isinstance(statement.rvalue, CallExpr)
        and isinstance(statement.rvalue.callee, RefExpr)
        and statement.rvalue.callee.fullname == names.VARIABLE
    )


def _resolves_to(info: TypeInfo, name: str, node: SymbolNode | None) -> bool:
    symbol = info.get(name)
    return symbol is not None and symbol.node is node


def flow_of(info: TypeInfo, name: str) -> flow.Flow | None:
    """What a step does with the state; None where that is not known."""
    symbol = info.get(name)
    if symbol is not None:
        for base in info.mro:
            noted = mypy_api.notes_of(base).get("flows", {}).get(name)
            if noted is not None and _resolves_to(base, name, symbol.node):
                return flow.noted_flow(noted)
    return None


class _Decision:
    """What calling one story gives."""

    def __init__(self, calls: Calls, info: TypeInfo, plain: dict[str, FuncDef], named_type: mypy_api.NamedType) -> None:
        self._calls = calls
        self._story = mypy_api.self_type(info)
        self._plain = plain
        self._named_type = named_type
        steps = steps_of(info)
        self.result = None if steps is None else self._of_steps(steps)
        """None when the story has no steps."""

    def _of_steps(self, steps: Steps) -> Result:
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


def _used_by(info: TypeInfo, plain: dict[str, FuncDef]) -> set[TypeInfo]:
    """The classes that decide what is reported about a story: its bases, what its steps and its State are made of."""
    used: set[TypeInfo] = set()
    to_do = [info]
    steps = steps_of(info)
    own = ["State", *(name for name in (() if steps is None else steps.names) if name not in plain)]
    state = get_proper_type(state_of(mypy_api.self_type(info)))
    if isinstance(state, Instance):
        to_do.append(state.type)  # what the plain steps are made of
    while to_do:
        found = to_do.pop()
        if found in used or found.module_name in _NEVER_EDITED:
            continue
        used.add(found)
        to_do += found.mro
        # Of others: what a nested story, or an object that can be called, is made of.
        for member in own if found is info else ("State", "__call__"):
            symbol = found.get(member)
            to_do += _classes_of(symbol.node if symbol is not None else None)
    used.discard(info)
    return used


_NEVER_EDITED: Final = (
    "builtins",
    "typing",
    "typing_extensions",
    "abc",
    "types",
    "dddkit.stories.story",
    "dddkit.stories.state",
)


def _classes_of(node: SymbolNode | None) -> Iterator[TypeInfo]:
    if isinstance(node, TypeInfo):
        yield node
    elif isinstance(node, TypeAlias):
        yield from mypy_api.classes_in(node.target)
    elif isinstance(node, Decorator):
        yield from mypy_api.classes_in(node.func.type)
        yield from mypy_api.classes_in(node.var.type)
    elif isinstance(node, (FuncDef, OverloadedFuncDef, Var)):
        yield from mypy_api.classes_in(node.type)


def has_our_call(info: TypeInfo) -> bool:
    """Whether nobody has written the `__call__` of a story by hand."""
    for base in info.mro:
        symbol = base.names.get("__call__")
        if symbol is not None and not symbol.plugin_generated:
            return base.fullname == names.STORY
    return False


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
