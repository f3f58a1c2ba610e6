"""The only module that touches mypy beyond what it documents for plugins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias, TypeGuard, cast

from mypy import nodes
from mypy.checker import TypeChecker
from mypy.errorcodes import ErrorCode
from mypy.expandtype import expand_type_by_instance
from mypy.indirection import TypeIndirectionVisitor
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import CallExpr, Context, Expression, FuncDef, MemberExpr, MypyFile, Node, TypeInfo
from mypy.options import Options
from mypy.plugin import CheckerPluginInterface, ClassDefContext, MethodContext
from mypy.scope import SavedScope
from mypy.semanal import SemanticAnalyzer
from mypy.server.trigger import make_trigger, make_wildcard_trigger
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    LiteralType,
    NoneType,
    Overloaded,
    TupleType,
    Type,
    TypedDictType,
    TypeOfAny,
    TypeType,
    TypeVarType,
    UnboundType,
    UnionType,
    get_proper_type,
)
from mypy.typevars import fill_typevars
from mypy.util import correct_relative_import

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
    name = _made_up_name(call)
    if name is None:
        return None
    checker = checker_of(ctx.api)
    scope = checker.tscope.classes
    if scope and (scope[-1].name, scope[-1].line) == (name, call.line):
        return scope[-1]
    local = checker.tree.names.get(f"{name}@{call.line}")  # where mypy keeps the classes in functions
    return local.node if local is not None and isinstance(local.node, TypeInfo) else None


def _made_up_name(call: Context) -> str | None:
    """The name of the class in a call of `__init_subclass__` that is not in the source."""
    if isinstance(call, CallExpr) and isinstance(call.callee, MemberExpr) and call.callee.name == "__init_subclass__":
        name = call.callee.expr
        if isinstance(name, nodes.NameExpr) and isinstance(name.node, TypeInfo) and name.fullname == "":
            return name.name
    return None


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


def type_in_context(checker: TypeChecker, expression: Expression, wanted: Type) -> Type:
    """The type of an expression where `wanted` is expected: `{}` may be a TypedDict there."""
    return _check(checker, expression, wanted)[0]


def _typed(type_: Type, context: Context) -> nodes.TempNode:
    return nodes.TempNode(type_, context=context)


def _check(checker: TypeChecker, expression: Expression, wanted: Type | None = None) -> tuple[Type, list[Complaint]]:
    options = checker.options
    before = options.raise_exceptions
    options.raise_exceptions = True  # an internal error here is caught by our guard
    try:
        # The frame keeps a call that never returns from making the rest of the module unreachable.
        with (
            checker.binder.frame_context(can_skip=True, fall_through=0),
            checker.msg.filter_errors(save_filtered_errors=True, filter_deprecated=True) as errors,
        ):
            found = checker.expr_checker.accept(expression, wanted, allow_none_return=True)
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


def depend_on_member(checker: TypeChecker, info: TypeInfo, name: str) -> None:
    """Have the daemon check the function at hand again when this member of a class is another one."""
    if checker.options.fine_grained_incremental or checker.options.cache_fine_grained:
        deps = checker.tree.plugin_deps.setdefault(make_trigger(f"{info.fullname}.{name}"), set())
        deps.add(checker.tscope.current_target())


def outermost_function(checker: TypeChecker) -> Node:
    """The function being checked that stands in no other one; outside of functions, the module."""
    return checker.scope.top_level_function() or checker.tree


def modules_seen_by(checker: TypeChecker) -> Iterator[MypyFile]:
    """The module being checked, and those that it imports anywhere."""
    yield checker.tree
    for statement in checker.tree.imports:
        if isinstance(statement, nodes.Import):
            ids = [id_ for id_, _ in statement.ids]
        elif isinstance(statement, (nodes.ImportFrom, nodes.ImportAll)):
            is_package = checker.tree.is_package_init_file()
            base, _ = correct_relative_import(checker.tree.fullname, statement.relative, statement.id, is_package)
            ids = [base]
            if isinstance(statement, nodes.ImportFrom):
                ids += [f"{base}.{name}" for name, _ in statement.names]
        else:
            ids = []
        for id_ in ids:
            module = checker.modules.get(id_)
            if module is not None:
                yield module


def depend_on_names(checker: TypeChecker, classes: Iterable[TypeInfo], modules: Iterable[MypyFile]) -> None:
    """Have the daemon check what is at hand again when our notes on some class change, or the names in some module."""
    options = checker.options
    if options.fine_grained_incremental or options.cache_fine_grained:
        triggers = [make_trigger(f"{info.fullname}.{_private(NOTES)}") for info in classes]
        triggers += [make_wildcard_trigger(module.fullname) for module in modules]
        for trigger in triggers:
            checker.tree.plugin_deps.setdefault(trigger, set()).add(checker.tscope.current_target())


def fail_at(checker: TypeChecker, message: str, context: Context, code: ErrorCode, held_back: bool) -> None:
    """Report a message, also where mypy holds back what it finds at the moment."""
    watchers: list[Any] = checker.msg.errors._watchers  # pyright: ignore[reportPrivateUsage]  # there is no other way
    innermost = watchers.pop() if held_back and watchers else None
    try:
        checker.fail(message, context, code=code)
    finally:
        if innermost is not None:
            watchers.append(innermost)


def takes_exactly(method: nodes.SymbolNode | None, argument: Type | None) -> bool:
    """Whether a node is a plain method whose one parameter beside `self` has this very type.

    The common case, and one that stays right whatever mypy thinks of calls; everything else is for `call_method`.
    """
    given = get_proper_type(argument)
    return isinstance(method, FuncDef) and isinstance(given, Instance) and is_taking(method, given)


def is_taking(method: FuncDef, given: Instance) -> bool:
    """Like `takes_exactly`, for each of the steps of a story."""
    type_ = method.type
    return (
        isinstance(type_, CallableType)
        and type_.arg_kinds == SELF_AND_ONE
        and isinstance(taken := get_proper_type(type_.arg_types[1]), Instance)
        and taken.type is given.type
        and isinstance(own := get_proper_type(type_.arg_types[0]), Instance)
        and own.type is method.info
        and not (taken.args or own.args or type_.variables)
        and not (method.is_static or method.is_class or method.is_property)
    )


SELF_AND_ONE: Final = [nodes.ARG_POS, nodes.ARG_POS]


def gives_nothing(function: FuncDef) -> bool:
    """Whether a function, called or awaited, runs through and returns None: surely so, else False."""
    type_ = function.type
    if function.is_generator or not isinstance(type_, CallableType):
        return False
    returned = get_proper_type(type_.ret_type)
    if isinstance(returned, Instance) and function.is_coroutine and returned.type.fullname == "typing.Coroutine":
        returned = get_proper_type(returned.args[2])
        return isinstance(returned, NoneType)
    return isinstance(returned, NoneType) and not function.is_coroutine


def result_of(type_: Type | None) -> Type | None:
    """What calling a function of this type gives; None where there is none, or more than one."""
    called = get_proper_type(type_)
    return called.ret_type if isinstance(called, CallableType) else None


def taking(function: CallableType, argument: Type) -> CallableType:
    """The same function, taking this one argument."""
    copy = cast(
        "Callable[..., CallableType]",
        function.copy_modified,  # pyright: ignore[reportUnknownMemberType]  # mypy leaves its parameters untyped
    )
    return copy(arg_types=[argument])


def awaited(type_: Instance) -> Type | None:
    """What awaiting an object gives; None where mypy knows no `Awaitable` in it."""
    for base in type_.type.mro:
        if base.fullname == "typing.Awaitable":
            return map_instance_to_supertype(type_, base).args[0]
    return None


def written_name(info: TypeInfo) -> str:
    """The name of a class as its source has it: before mypy 2, a NamedTuple in a function carries the line."""
    return info.name.partition("@")[0]


def enclosing(checker: TypeChecker, info: TypeInfo) -> Iterator[TypeInfo]:
    """The classes a class is declared inside, from the innermost."""
    module = checker.modules.get(info.module_name)
    if module is None:
        return
    if "@" in info.fullname:  # in a function, whose classes mypy keeps side by side
        for name, symbol in module.names.items():
            if "@" in name and isinstance(symbol.node, TypeInfo):
                inside = symbol.node.names.get(info.name)
                if inside is not None and inside.node is info:
                    yield symbol.node
                    yield from enclosing(checker, symbol.node)
        return
    found: list[TypeInfo] = []
    symbols = module.names
    for name in info.fullname[len(info.module_name) + 1 :].split(".")[:-1]:
        outer = symbols.get(name)
        if outer is None or not isinstance(outer.node, TypeInfo):
            break
        found.append(outer.node)
        symbols = outer.node.names
    yield from reversed(found)


def is_static_taking(method: nodes.SymbolNode | None, argument: Type | None) -> bool:
    """Whether a node is a `@staticmethod`, with no other decorator, whose one parameter has this very type."""
    if not isinstance(method, nodes.Decorator) or method.decorators or not method.func.is_static:
        return False
    type_, given = method.func.type, get_proper_type(argument)
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
    scope: SavedScope
    target: str
    """What the daemon analyses again when something changes."""

    def fail(self, msg: str, ctx: Context, /, *, code: ErrorCode | None = None) -> None:
        """Report a message once the class has been analysed."""
        scope, (_, owner, function) = self.analyzer.scope, self.scope
        with (
            self.analyzer.file_context(self.tree, self.options),
            # The daemon knows messages by their scope: it forgets those of what it analyses again.
            scope.class_scope(owner) if owner is not None else nullcontext(),
            scope.function_scope(function) if function is not None else nullcontext(),
        ):
            self.analyzer.fail(msg, ctx, code=code)

    @property
    def is_for_diagnostics(self) -> bool:
        """Whether mypy is asked for nothing but its diagnostics: no daemon, and no reports on the tree."""
        options = self.options
        return not (self.is_for_daemon or options.report_dirs or options.export_types or options.export_ref_info)

    @property
    def is_for_daemon(self) -> bool:
        """Whether the daemon may ask again for what is noted now."""
        return self.options.fine_grained_incremental or self.options.cache_fine_grained

    def depend_on(self, info: TypeInfo, others: Iterable[TypeInfo]) -> None:
        """Have a later run check the class again when anything in the others changes, imported here or not.

        For plain runs by module; the daemon analyses the class again and checks it.
        """
        in_daemon = self.is_for_daemon
        for other in others:
            if other is info or other.module_name.partition(".")[0] in _NEVER_EDITED:
                continue
            self.tree.module_refs.add(other.module_name)
            if in_daemon:
                # Names with two underscores are no part of the wildcard before mypy 2.
                unseen = [
                    make_trigger(f"{other.fullname}.{name}") for name in ("__call__", "__init__", _private(NOTES))
                ]
                for trigger in (make_wildcard_trigger(other.fullname), *unseen):
                    self.tree.plugin_deps.setdefault(trigger, set()).add(self.target)


_NEVER_EDITED: Final = frozenset({"builtins", "typing", "typing_extensions", "abc", "types", "dddkit", "pydantic"})


def place_of(ctx: ClassDefContext) -> Place:
    """Where mypy is, in a hook on a class that is being analysed."""
    analyzer = ctx.api
    assert isinstance(analyzer, SemanticAnalyzer)
    return Place(
        analyzer, analyzer.cur_mod_node, analyzer.options, analyzer.scope.save(), analyzer.scope.current_target()
    )


def when_analysed(place: Place, later: int, function: Callable[[TypeInfo, Place], None], info: TypeInfo) -> None:
    """Have this called when everything the class refers to has been analysed, and nothing been checked yet.

    What is to come `later` is called when all that is not has been, for all classes that are being analysed.
    """
    place.analyzer.schedule_patch(_PRIORITY + later, partial(function, info, place))


_PRIORITY: Final = 100  # after mypy's own patches, which complete tuple types


def mark(analyzer: SemanticAnalyzer, info: TypeInfo, name: str, text: str) -> None:
    """Note a text about a class in a symbol that only we know.

    The daemon compares symbols, but neither values nor metadata: this way, who depends on the class is checked again
    when the text changes.
    """
    var = nodes.Var(_private(name), LiteralType(text, analyzer.named_type("builtins.str")))
    var.info = info
    var._fullname = f"{info.fullname}.{var.name}"  # pyright: ignore[reportPrivateUsage]  # the daemon heeds no other
    info.names[var.name] = nodes.SymbolTableNode(nodes.MDEF, var, plugin_generated=True)


def marked(info: TypeInfo, name: str) -> str:
    """What has been noted about a class by `mark`; empty where nothing has."""
    symbol = info.names.get(_private(name))
    type_ = get_proper_type(symbol.type) if symbol is not None else None
    return type_.value if isinstance(type_, LiteralType) and isinstance(type_.value, str) else ""


NOTES: Final = "notes"
"""The mark that stands for everything in `notes_of`."""


def _private(name: str) -> str:
    return f"__dddkit_{name}"  # mypy does not compare private names with those of other classes


def check_after_body(info: TypeInfo) -> None:
    """Have the checker call the hook on `__init_subclass__` after the body of a class with a metaclass of its own.

    mypy makes up such a call for all other classes; this one has no effect but the hook.
    """
    name = nodes.NameExpr(info.name)
    name.node, name.kind = info.mro[-1], nodes.MDEF
    callee = MemberExpr(name, "__init_subclass__")
    call = CallExpr(callee, [], [], [])
    statement = nodes.ExpressionStmt(call)
    for node in (name, callee, call, statement):
        node.set_line(info.defn)
    info.defn.defs.body.append(statement)


def forget_made_up(defn: nodes.ClassDef) -> None:
    """Take out what has been added to the body, before the daemon analyses it again."""
    here = (defn.line, defn.column)  # where nothing of the body is
    defn.defs.body[:] = [
        statement
        for statement in defn.defs.body
        if not (isinstance(statement, nodes.ExpressionStmt) and (statement.line, statement.column) == here)
    ]


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
    give_call(info, result, analyzer.named_type("builtins.function"))


def give_call(info: TypeInfo, result: Type, function: Instance) -> None:
    """Like `generate_call`, for a class that has none; `function` is the class of functions.

    It makes what `add_method_to_class` of mypy makes, at a third of the cost.
    """
    own = fill_typevars(info)
    any_type = AnyType(TypeOfAny.explicit)
    state = nodes.Argument(nodes.Var("state", any_type), any_type, None, nodes.ARG_POS, pos_only=True)
    made = FuncDef(
        "__call__",
        [nodes.Argument(nodes.Var("self"), own, None, nodes.ARG_POS), state],
        nodes.Block([nodes.PassStmt()]),
    )
    made.info = info
    made.line = info.line
    made._fullname = f"{info.fullname}.__call__"  # pyright: ignore[reportPrivateUsage]  # as mypy's own plugins do
    called = f"__call__ of {info.name}"
    made.type = CallableType([own, any_type], [*SELF_AND_ONE], ["self", "state"], any_type, function, called)
    set_result(made, result)
    symbol = nodes.SymbolTableNode(nodes.MDEF, made)
    symbol.plugin_generated = True
    info.names["__call__"] = symbol


def set_result(call: FuncDef, result: Type) -> None:
    """Give a generated `__call__` this result.

    Where it is used as a callback, mypy sees `result | Any`: that fits wherever `result` does, and nothing that a
    subclass writes by hand can be an incompatible override of it.
    """
    old = call.type
    assert isinstance(old, CallableType)
    if not isinstance(get_proper_type(result), AnyType):
        result = UnionType([result, AnyType(TypeOfAny.explicit)])
    names = ["self", None]  # one cannot write story(state=state)
    made = CallableType(old.arg_types, old.arg_kinds, names, result, old.fallback, old.name, old.definition)
    call.type = made


def generated_result(info: TypeInfo) -> Type | None:
    """The result of the `__call__` that has been generated for a class; None where it is written by hand."""
    symbol = info.get("__call__")
    if symbol is None or not symbol.plugin_generated:
        return None
    result = get_proper_type(result_of(symbol.type))
    return result.items[0] if isinstance(result, UnionType) else result


def coroutine_of_none(named_type: NamedType) -> Instance:
    """Coroutine[Any, Any, None]."""
    any_type = AnyType(TypeOfAny.explicit)
    return named_type("typing.Coroutine", [any_type, any_type, NoneType()])


# --- both -------------------------------------------------------------------------------------------------------


def self_type(info: TypeInfo) -> Instance:
    """The type of `self` in the methods of a class."""
    filled = fill_typevars(info)
    return filled if isinstance(filled, Instance) else filled.partial_fallback


def head_of(context: Context) -> Context:
    """The `class Checkout` or `def charge` of a definition, for reports; every other node as it is."""
    if isinstance(context, nodes.ClassDef):
        head = f"class {context.name}"
    elif isinstance(context, FuncDef):
        head = f"{'async ' if context.is_coroutine else ''}def {context.name}"
    else:
        return context
    made = Context(context.line, context.column)
    made.end_line, made.end_column = context.line, context.column + len(head)
    return made


def qualified_name(info: TypeInfo) -> str:
    """The name of a class inside its module, as in `Checkout.State`; mypy keeps no more than `State` of local ones."""
    return re.sub(r"@\d+", "", info.fullname.removeprefix(f"{info.module_name}."))


def seen_from(type_: Type, owner: TypeInfo, instance: Instance) -> Type:
    """A type written in the class `owner`, with the type arguments that `instance` gives its base."""
    return expand_type_by_instance(type_, map_instance_to_supertype(instance, owner))


def depend_on(api: object, classes: Iterable[TypeInfo], types: Iterable[Type]) -> None:
    """Have what is at hand checked again when these have changed, imported here or not.

    A later run looks at whole modules, the daemon at classes.
    """
    if isinstance(api, Place):
        tree, refs, options, target = api.tree, api.tree.module_refs, api.options, api.target
    else:
        assert isinstance(api, TypeChecker)
        tree, refs, options, target = api.tree, api.module_refs, api.options, api.tscope.current_target()
    used = set(classes)
    refs.update(info.module_name for info in used)
    refs.update(TypeIndirectionVisitor().find_modules(types))
    if options.fine_grained_incremental or options.cache_fine_grained:
        for info in used:
            for trigger in (make_trigger(info.fullname), make_wildcard_trigger(info.fullname)):
                tree.plugin_deps.setdefault(trigger, set()).add(target)


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


def note(info: TypeInfo, notes: dict[str, Any]) -> dict[str, Any]:
    """Note something about a class, beside what is noted already; all of that is answered, and may be changed."""
    noted: dict[str, Any] = info.metadata.setdefault(_KEY, {})
    noted.update(notes)
    return noted


def written_aliases(info: TypeInfo, tree: MypyFile) -> Iterator[str]:
    """The fields in the body of a class whose annotation is nothing but the name of an alias, or may be one.

    In the types of the variables, mypy has put the class in the place of an alias that stands for a class.
    """
    for statement in info.defn.defs.body:
        if isinstance(statement, nodes.AssignmentStmt) and isinstance(statement.unanalyzed_type, UnboundType):
            annotation = statement.unanalyzed_type
            for target in statement.lvalues:
                if isinstance(target, nodes.NameExpr) and not annotation.args:
                    held = get_proper_type(target.node.type) if isinstance(target.node, nodes.Var) else None
                    if isinstance(held, Instance) and _may_be_alias(annotation.name, held.type, info, tree):
                        yield target.name


def _may_be_alias(written: str, found: TypeInfo, info: TypeInfo, tree: MypyFile) -> bool:
    first, *rest = written.split(".")
    node = _node_in(info.names, first)
    if not isinstance(node, (TypeInfo, nodes.TypeAlias)):
        builtins = _node_in(tree.names, "__builtins__")
        node = _node_in(tree.names, first) or (_node_in(builtins.names, first) if _has_names(builtins) else None)
    if node is None:
        return "@" in info.fullname and found.name != written  # a name of the function around it
    for part in rest:
        node = _node_in(node.names, part) if _has_names(node) else None
    # Those of `typing` stand for `list` and its like.
    return isinstance(node, nodes.TypeAlias) and node.module not in ("typing", "typing_extensions")


def _has_names(node: nodes.SymbolNode | None) -> TypeGuard[MypyFile | TypeInfo]:
    return isinstance(node, (MypyFile, TypeInfo))


def _node_in(symbols: nodes.SymbolTable, name: str) -> nodes.SymbolNode | None:
    symbol = symbols.get(name)
    return None if symbol is None else symbol.node
