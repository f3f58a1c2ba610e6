"""What a story declares, as mypy sees it: the steps it lists, and its State."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from mypy.nodes import (
    ARG_NAMED_OPT,
    ARG_OPT,
    MDEF,
    AssignmentStmt,
    ClassDef,
    DictionaryComprehension,
    ExpressionStmt,
    FuncDef,
    GeneratorExpr,
    LambdaExpr,
    MemberExpr,
    NameExpr,
    Node,
    SymbolNode,
    TypeAlias,
    TypeInfo,
    Var,
)
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    Overloaded,
    Type,
    TypeType,
    get_proper_type,
)
from mypy.typevars import fill_typevars_with_any

from dddkit_mypy import _mypy_api as mypy_api
from dddkit_mypy import _names as names
from dddkit_mypy import _trees as trees

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
        for node, in_comprehension in class_scope(statement, False):
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


def class_scope(node: Node, in_comprehension: bool) -> Iterator[tuple[Node, bool]]:
    """Each `I.name`, and each other use of `I`, that runs with the class statement."""
    if isinstance(node, ExpressionStmt):
        node = node.expr
    if isinstance(node, MemberExpr) and is_the_list(node.expr):
        yield node, in_comprehension
    elif isinstance(node, (FuncDef, LambdaExpr)):  # only the defaults run here
        for argument in getattr(node, "arguments", ()):
            if argument.initializer is not None:
                yield from class_scope(argument.initializer, in_comprehension)
    elif isinstance(node, AssignmentStmt):  # `I: ClassVar[Checkout] = steps()` is no use of `I`
        yield from class_scope(node.rvalue, in_comprehension)
    elif is_the_list(node):
        yield node, in_comprehension
    elif not isinstance(node, ClassDef):
        inside = in_comprehension or isinstance(node, (GeneratorExpr, DictionaryComprehension))
        for part in trees.children(node):
            yield from class_scope(part, inside)


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


def has_our_call(info: TypeInfo) -> bool:
    """Whether nobody has written the `__call__` of a story by hand."""
    for base in info.mro:
        symbol = base.names.get("__call__")
        if symbol is not None and not symbol.plugin_generated:
            return base.fullname == names.STORY
    return False
