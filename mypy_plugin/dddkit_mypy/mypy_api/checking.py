"""What mypy is checking at the moment."""

from __future__ import annotations

from collections.abc import Iterator

from mypy.checker import TypeChecker
from mypy.nodes import CallExpr, Context, Import, ImportAll, ImportFrom, MemberExpr, MypyFile, NameExpr, Node, TypeInfo
from mypy.plugin import CheckerPluginInterface, MethodContext
from mypy.util import correct_relative_import


def checker_of(api: CheckerPluginInterface) -> TypeChecker:
    """Return the checker behind the interface that hooks get."""
    assert isinstance(api, TypeChecker)
    return api


def class_just_checked(ctx: MethodContext) -> TypeInfo | None:
    """Return the class whose body mypy has just checked, in a hook on `__init_subclass__`.

    None for a call in the source. mypy simulates the call that a class statement makes, on a node of its own: a class
    name that stands for the *base*.
    """
    call = ctx.context
    name = _name_in_simulated_call(call)
    if name is None:
        return None
    checker = checker_of(ctx.api)
    scope = checker.tscope.classes
    if scope and (scope[-1].name, scope[-1].line) == (name, call.line):
        return scope[-1]
    local = checker.tree.names.get(f"{name}@{call.line}")  # where mypy keeps the classes in functions
    return local.node if local is not None and isinstance(local.node, TypeInfo) else None


def _name_in_simulated_call(call: Context) -> str | None:
    """Return the name of the class in a call of `__init_subclass__` that is not in the source."""
    if isinstance(call, CallExpr) and isinstance(call.callee, MemberExpr) and call.callee.name == "__init_subclass__":
        name = call.callee.expr
        if isinstance(name, NameExpr) and isinstance(name.node, TypeInfo) and name.fullname == "":
            return name.name
    return None


def check_again_later(checker: TypeChecker, name: str, context: Context) -> None:
    """Make mypy check the current function once more, after it has inferred the types of more names."""
    with checker.msg.filter_errors():
        checker.handle_cannot_determine_type(name, context)


def outermost_function(checker: TypeChecker) -> Node:
    """Return the current function, the outermost one where functions are nested; outside functions, the module."""
    return checker.scope.top_level_function() or checker.tree


def visible_modules(checker: TypeChecker) -> Iterator[MypyFile]:
    """Yield the current module, then the modules that it imports anywhere."""
    yield checker.tree
    for statement in checker.tree.imports:
        if isinstance(statement, Import):
            ids = [id_ for id_, _ in statement.ids]
        elif isinstance(statement, (ImportFrom, ImportAll)):
            is_package = checker.tree.is_package_init_file()
            base, _ = correct_relative_import(checker.tree.fullname, statement.relative, statement.id, is_package)
            ids = [base]
            if isinstance(statement, ImportFrom):
                ids += [f"{base}.{name}" for name, _ in statement.names]
        else:
            ids = []
        for id_ in ids:
            module = checker.modules.get(id_)
            if module is not None:
                yield module


def enclosing_classes(checker: TypeChecker, info: TypeInfo) -> Iterator[TypeInfo]:
    """Yield the classes that a class is declared inside, the innermost first."""
    module = checker.modules.get(info.module_name)
    if module is None:
        return
    if "@" in info.fullname:  # in a function, whose classes mypy keeps side by side
        for name, symbol in module.names.items():
            if "@" in name and isinstance(symbol.node, TypeInfo):
                inside = symbol.node.names.get(info.name)
                if inside is not None and inside.node is info:
                    yield symbol.node
                    yield from enclosing_classes(checker, symbol.node)
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
