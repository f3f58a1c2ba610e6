"""The only module that touches mypy beyond what it documents for plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, cast

from mypy import nodes, patterns
from mypy.checker import TypeChecker
from mypy.errorcodes import ErrorCode
from mypy.expandtype import expand_type_by_instance
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import CallExpr, Context, Expression, FuncDef, MemberExpr, MypyFile, Node, TypeInfo
from mypy.options import Options
from mypy.plugin import CheckerPluginInterface, ClassDefContext, MethodContext
from mypy.plugins.common import add_method_to_class
from mypy.semanal import SemanticAnalyzer
from mypy.server.trigger import make_trigger, make_wildcard_trigger
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    NoneType,
    Overloaded,
    TupleType,
    Type,
    TypedDictType,
    TypeOfAny,
    TypeType,
    TypeVarType,
    UnionType,
    get_proper_type,
)
from mypy.typevars import fill_typevars

_KEY: Final = "dddkit"  # ours in TypeInfo.metadata, which mypy keeps in its cache

# --- the checker ------------------------------------------------------------------------------------------------


def checker_of(api: CheckerPluginInterface) -> TypeChecker:
    """The checker behind the interface that hooks are given."""
    assert isinstance(api, TypeChecker)
    return api


def class_just_checked(ctx: MethodContext) -> TypeInfo | None:
    """The class whose body mypy has just checked, in a hook on `__init_subclass__`; None for a call in the source.

    mypy simulates the call that a class statement makes, on a node made up for it: a class name that stands for the
    *base*.
    """
    call = ctx.context
    if not (isinstance(call, CallExpr) and isinstance(call.callee, MemberExpr)):
        return None
    name = call.callee.expr
    if not (isinstance(name, nodes.NameExpr) and isinstance(name.node, TypeInfo) and name.fullname == ""):
        return None
    checker = checker_of(ctx.api)
    scope = checker.tscope.classes
    if scope and (scope[-1].name, scope[-1].line) == (name.name, call.line):
        return scope[-1]
    local = checker.tree.names.get(f"{name.name}@{call.line}")  # where mypy keeps the classes in functions
    return local.node if local is not None and isinstance(local.node, TypeInfo) else None


class Complaint(NamedTuple):
    """An error that mypy would have reported."""

    message: str
    code: str


def call_method(
    checker: TypeChecker, receiver: Type, name: str, argument: Type, context: Context
) -> tuple[Type, list[Complaint]]:
    """Let mypy check `receiver.name(argument)` as if it stood at `context`; what it answers, and its complaints."""
    callee = MemberExpr(_typed(receiver, context), name)
    call = CallExpr(callee, [_typed(argument, context)], [nodes.ARG_POS], [None])
    for node in (callee, call):
        node.set_line(context)
    return _check(checker, call)


def attribute(checker: TypeChecker, receiver: Type, name: str, context: Context) -> Type | None:
    """The type of `receiver.name` as mypy sees it at `context`; None where it complains."""
    member = MemberExpr(_typed(receiver, context), name)
    member.set_line(context)
    found, complaints = _check(checker, member)
    return None if complaints else found


def _typed(type_: Type, context: Context) -> nodes.TempNode:
    return nodes.TempNode(type_, context=context)


def _check(checker: TypeChecker, expression: Expression) -> tuple[Type, list[Complaint]]:
    options = checker.options
    before = options.raise_exceptions
    options.raise_exceptions = True  # an internal error here is caught by our guard
    try:
        # The frame keeps a call that never returns from making the rest of the module unreachable.
        with (
            checker.binder.frame_context(can_skip=True, fall_through=0),
            checker.msg.filter_errors(save_filtered_errors=True, filter_deprecated=True) as errors,
        ):
            found = checker.expr_checker.accept(expression, allow_none_return=True)
    finally:
        options.raise_exceptions = before
    return found, [
        Complaint(error.message, error.code.code if error.code is not None else "")
        for error in errors.filtered_errors()
        if error.severity == "error"
    ]


def depend_on_modules(checker: TypeChecker, classes: Iterable[TypeInfo]) -> None:
    """Have a later run check this module again when the modules of these classes have changed, imported here or not."""
    checker.module_refs.update(info.module_name for info in classes)


def takes_exactly(method: nodes.SymbolNode | None, argument: Type | None) -> bool:
    """Whether a node is a plain method whose one parameter beside `self` has this very type.

    The common case, and one that stays right whatever mypy thinks of calls; everything else is for `call_method`.
    """
    if not isinstance(method, FuncDef) or method.is_static or method.is_class or method.is_property:
        return False
    type_, given = method.type, get_proper_type(argument)
    return (
        isinstance(type_, CallableType)
        and not type_.variables
        and type_.arg_kinds == [nodes.ARG_POS, nodes.ARG_POS]
        and isinstance(own := get_proper_type(type_.arg_types[0]), Instance)
        and own.type is method.info
        and isinstance(taken := get_proper_type(type_.arg_types[1]), Instance)
        and isinstance(given, Instance)
        and taken.type is given.type
        and not taken.args
        and not own.args
    )


def is_static_taking(method: nodes.SymbolNode | None, argument: Type | None) -> bool:
    """Whether a node is a `@staticmethod`, with no other decorator, whose one parameter has this very type."""
    if not isinstance(method, nodes.Decorator) or method.decorators or not method.func.is_static:
        return False
    type_, given = get_proper_type(method.func.type), get_proper_type(argument)
    return (
        isinstance(type_, CallableType)
        and type_.arg_kinds == [nodes.ARG_POS]
        and isinstance(taken := get_proper_type(type_.arg_types[0]), Instance)
        and taken == given
    )


def try_again_later(checker: TypeChecker, name: str, context: Context) -> None:
    """Have mypy check the function at hand once more, when it has inferred the types of more names."""
    with checker.msg.filter_errors():
        checker.handle_cannot_determine_type(name, context)


# --- the semantic analyzer --------------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where a class is being analysed, for work on it that is done later."""

    analyzer: SemanticAnalyzer
    tree: MypyFile
    options: Options
    """Those of the module."""
    target: str
    """What the daemon analyses again when something changes."""

    def fail(self, msg: str, ctx: Context, /, *, code: ErrorCode | None = None) -> None:
        """Report a message once the class has been analysed."""
        with self.analyzer.file_context(self.tree, self.options):
            self.analyzer.fail(msg, ctx, code=code)

    @property
    def is_for_daemon(self) -> bool:
        """Whether dependencies matter: plain runs know them from the types of the calls that we have them check."""
        return self.options.fine_grained_incremental or self.options.cache_fine_grained

    def depend_on(self, info: TypeInfo) -> None:
        """Have the daemon analyse the class again, and check it, when anything in `info` changes."""
        call = make_trigger(f"{info.fullname}.__call__")  # when ours changes; before mypy 2, the wildcard misses that
        for trigger in (make_wildcard_trigger(info.fullname), call):
            self.tree.plugin_deps.setdefault(trigger, set()).add(self.target)


def when_analysed(ctx: ClassDefContext, then: Callable[[Place], None]) -> Place:
    """Have `then` called when everything the class refers to has been analysed, and nothing been checked yet."""
    analyzer = ctx.api
    assert isinstance(analyzer, SemanticAnalyzer)
    place = Place(analyzer, analyzer.cur_mod_node, analyzer.options, analyzer.scope.current_target())
    analyzer.schedule_patch(_PRIORITY, lambda: then(place))
    return place


_PRIORITY: Final = 100  # after mypy's own patches, which complete tuple types


def has_own_metaclass(info: TypeInfo) -> bool:
    """Whether mypy will skip `__init_subclass__` of the class, and with it the hook that checks classes."""
    meta = info.metaclass_type
    return meta is not None and meta.type.fullname not in ("builtins.type", "abc.ABCMeta")


NamedType: TypeAlias = Callable[[str, list[Type]], Instance]


def generate_call(analyzer: SemanticAnalyzer, info: TypeInfo, result: Type) -> None:
    """Give a class the method `__call__(self, state: Any, /)` with this result, in its symbol table only.

    In the body of the class, mypy would compare it with the one it overrides.
    """
    known = info.names.get("__call__")
    if known is not None:
        assert known.plugin_generated
        del info.names["__call__"]
    any_type = AnyType(TypeOfAny.explicit)
    state = nodes.Argument(nodes.Var("state", any_type), any_type, None, nodes.ARG_POS, pos_only=True)
    made = add_method_to_class(analyzer, info.defn, "__call__", [state], result)
    info.defn.defs.body.remove(made)
    assert isinstance(made, FuncDef)
    set_result(made, result)


def set_result(call: FuncDef, result: Type) -> None:
    """Give a generated `__call__` this result."""
    old = call.type
    assert isinstance(old, CallableType)
    names = ["self", None]  # one cannot write story(state=state)
    made = CallableType(old.arg_types, old.arg_kinds, names, result, old.fallback, old.name, old.definition)
    call.type = made


def coroutine_of_none(named_type: NamedType) -> Instance:
    """Coroutine[Any, Any, None]."""
    any_type = AnyType(TypeOfAny.explicit)
    return named_type("typing.Coroutine", [any_type, any_type, NoneType()])


# --- both -------------------------------------------------------------------------------------------------------


def self_type(info: TypeInfo) -> Instance:
    """The type of `self` in the methods of a class."""
    filled = fill_typevars(info)
    return filled if isinstance(filled, Instance) else filled.partial_fallback


def seen_from(type_: Type, owner: TypeInfo, instance: Instance) -> Type:
    """A type written in the class `owner`, with the type arguments that `instance` gives its base."""
    return expand_type_by_instance(type_, map_instance_to_supertype(instance, owner))


def classes_in(type_: Type | None) -> Iterator[TypeInfo]:
    """The classes that a type is made of."""
    found = get_proper_type(type_)
    if isinstance(found, Instance):
        yield found.type
        parts: Sequence[Type] = found.args
    elif isinstance(found, CallableType):
        parts = [*found.arg_types, found.ret_type]
    elif isinstance(found, (Overloaded, UnionType, TupleType)):
        parts = found.items
    elif isinstance(found, TypeType):
        parts = [found.item]
    elif isinstance(found, TypeVarType):
        parts = [found.upper_bound, *found.values]
    elif isinstance(found, TypedDictType):
        parts = list(found.items.values())
    else:
        parts = []
    for part in parts:
        yield from classes_in(part)


def notes_of(info: TypeInfo) -> dict[str, Any]:
    """What we have noted about a class, for this run and for those that read it from the cache.

    Values are str, int, bool, None, list, tuple and dict with str keys.
    """
    notes: dict[str, Any] = info.metadata.get(_KEY, {})
    return notes


def note(info: TypeInfo, notes: dict[str, Any]) -> None:
    """Note something about a class."""
    info.metadata[_KEY] = notes


# --- trees ------------------------------------------------------------------------------------------------------

# mypy's TraverserVisitor cannot be subclassed from interpreted code. Attributes stand in the order in which they run.
CHILDREN: Final[dict[type[Node], tuple[str, ...]]] = {
    nodes.MypyFile: ("defs",),
    nodes.Block: ("body",),
    nodes.ExpressionStmt: ("expr",),
    nodes.AssignmentStmt: ("rvalue", "lvalues"),
    nodes.OperatorAssignmentStmt: ("lvalue", "rvalue"),
    nodes.WhileStmt: ("expr", "body", "else_body"),
    nodes.ForStmt: ("expr", "index", "body", "else_body"),
    nodes.ReturnStmt: ("expr",),
    nodes.AssertStmt: ("expr", "msg"),
    nodes.DelStmt: ("expr",),
    nodes.IfStmt: ("expr", "body", "else_body"),
    nodes.RaiseStmt: ("expr", "from_expr"),
    nodes.TryStmt: ("body", "types", "vars", "handlers", "else_body", "finally_body"),
    nodes.WithStmt: ("expr", "target", "body"),
    nodes.MatchStmt: ("subject", "patterns", "guards", "bodies"),
    nodes.ClassDef: ("decorators", "base_type_exprs", "defs"),
    nodes.FuncDef: ("arguments", "body"),
    nodes.LambdaExpr: ("arguments", "body"),
    nodes.Argument: ("initializer",),
    nodes.OverloadedFuncDef: ("items", "impl"),
    nodes.Decorator: ("decorators", "func"),
    nodes.StarExpr: ("expr",),
    nodes.MemberExpr: ("expr",),
    nodes.CallExpr: ("callee", "args"),
    nodes.OpExpr: ("left", "right"),
    nodes.ComparisonExpr: ("operands",),
    nodes.SliceExpr: ("begin_index", "end_index", "stride"),
    nodes.CastExpr: ("expr",),
    nodes.AssertTypeExpr: ("expr",),
    nodes.RevealExpr: ("expr",),
    nodes.SuperExpr: ("call",),
    nodes.AssignmentExpr: ("value", "target"),
    nodes.UnaryExpr: ("expr",),
    nodes.ListExpr: ("items",),
    nodes.TupleExpr: ("items",),
    nodes.SetExpr: ("items",),
    nodes.DictExpr: ("items",),
    nodes.IndexExpr: ("base", "index"),
    nodes.TypeApplication: ("expr",),
    nodes.GeneratorExpr: ("sequences", "indices", "condlists", "left_expr"),
    nodes.ListComprehension: ("generator",),
    nodes.SetComprehension: ("generator",),
    nodes.DictionaryComprehension: ("sequences", "indices", "condlists", "key", "value"),
    nodes.ConditionalExpr: ("cond", "if_expr", "else_expr"),
    nodes.YieldExpr: ("expr",),
    nodes.YieldFromExpr: ("expr",),
    nodes.AwaitExpr: ("expr",),
    patterns.AsPattern: ("pattern", "name"),
    patterns.OrPattern: ("patterns",),
    patterns.ValuePattern: ("expr",),
    patterns.SequencePattern: ("patterns",),
    patterns.StarredPattern: ("capture",),
    patterns.MappingPattern: ("keys", "values", "rest"),
    patterns.ClassPattern: ("class_ref", "positionals", "keyword_values"),
}


def children(node: Node) -> Iterator[Node]:
    """The statements and expressions right under a node, leaving out what never runs."""
    for name in CHILDREN.get(type(node), ()):
        yield from _flat(getattr(node, name, None))  # a function out of the cache has lost its arguments


def walk(node: Node) -> Iterator[Node]:
    """A node and all that stands under it, in the order in which it runs."""
    yield node
    for child in children(node):
        yield from walk(child)


def _flat(found: Any) -> Iterator[Node]:
    if isinstance(found, (list, tuple)):
        items = cast("Iterable[Any]", found)
        for item in items:
            yield from _flat(item)
    elif isinstance(found, Node) and not (isinstance(found, nodes.Block) and found.is_unreachable):
        yield found
