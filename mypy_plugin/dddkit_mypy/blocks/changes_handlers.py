"""What a changes handler handles and sets, together with its bases."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mypy.nodes import Decorator, FuncDef, OverloadedFuncDef, TypeInfo
from mypy.types import Instance, Type, UnionType, get_proper_type

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.blocks.events import Nested, nested_classes, recorded_events
from dddkit_mypy.blocks.handler_body import read_body


def store_body(scope: mypy_api.AnalysisScope) -> Iterator[TypeInfo]:
    """Store what only the body of a handler shows; yield the classes, beside its bases, that its diagnostics need."""
    info = scope.info
    body = read_body(info.defn)
    bases = {base for event in body.registers.values() for base in event.mro[1:] if base.has_base(names.RECORDABLE)}
    metadata = body._asdict() | {
        "registers": sorted(body.registers),
        "registers_children_of": sorted(base.fullname for base in bases if not mypy_api.is_ours(base)),
        "registers_from": sorted({event.module_name for event in body.registers.values()}),
        "sets": sorted(body.sets),
    }
    mypy_api.update_metadata(info, metadata)
    mypy_api.set_private_text(scope.analyzer, info, mypy_api.METADATA, repr(metadata))
    for event in body.registers.values():
        yield from event.mro
    for parameter in parameters_of(info) or ():
        for used in mypy_api.classes_in(parameter):
            yield from used.mro
            for nested in nested_classes(used):
                yield from nested.info.mro


def parameters_of(info: TypeInfo) -> tuple[Type, Type] | None:
    """Return the aggregate and the result of a handler."""
    for base in info.mro:
        if base.fullname == names.CHANGES_HANDLER:
            own = mypy_api.seen_from(mypy_api.self_type(base), base, mypy_api.self_type(info))
            found = get_proper_type(own)
            if isinstance(found, Instance) and len(found.args) == 2:
                return found.args[0], found.args[1]
    return None


def missing_events(info: TypeInfo, api: object) -> list[Nested] | None:
    """Return the events that the aggregate of a handler declares and the handler does not handle.

    None where it may handle more events than the plugin can see.
    """
    parameters = parameters_of(info)
    if parameters is None or info.fallback_to_any:
        return None
    handled: set[str] = set()
    with_handled_child: set[str] = set()  # bases of others, which may be declared outside of the aggregate
    modules = {info.module_name}
    for base in own_classes(info):
        body = mypy_api.metadata_of(base)
        if not body or body["is_open"] or body["handles_all"]:
            return None
        handled.update(body["registers"])
        with_handled_child.update(body["registers_children_of"])
        modules.update(body["registers_from"])
        if body["has_default"]:
            break
    aggregate = get_proper_type(parameters[0])
    aggregates = aggregate.items if isinstance(aggregate, UnionType) else [aggregate]
    return [
        event
        for item in map(get_proper_type, aggregates)
        if isinstance(item, Instance)
        for event in recorded_events(item.type)
        if not _is_handled(event.info, handled)
        and not (
            event.info.fullname in with_handled_child
            and all(
                _is_handled(child, handled) or child.fullname in with_handled_child
                for child in _children(event.info, item.type, modules, api)
            )
        )
    ]


def _is_handled(event: TypeInfo, handled: Collection[str]) -> bool:
    return any(base.fullname in handled for base in event.mro)


def _children(event: TypeInfo, aggregate: TypeInfo, modules: Collection[str], api: object) -> Iterator[TypeInfo]:
    """Yield the children of an event that the handler can see, without those of other aggregates."""
    for name in {event.module_name, *modules}:
        module = mypy_api.module_named(api, name)
        if module is None:
            continue
        mypy_api.dependencies_of(api).add_names_in(module)
        others: list[str] = []
        for info in mypy_api.classes_in_module(module):
            if info.has_base(names.RECORDING) and not aggregate.has_base(info.fullname):
                others.append(f"{info.fullname}.")
            elif info.fullname.startswith(tuple(others)):
                continue
            elif info is not event and info.has_base(event.fullname) and not mypy_api.is_abstract(info):
                yield info


def default_of(info: TypeInfo) -> TypeInfo | None:
    """Return the class whose `handle_changes` a handler inherits or defines."""
    return next((base for base in own_classes(info) if mypy_api.metadata_of(base).get("has_default")), None)


def unset_names(info: TypeInfo, wanted: list[str]) -> list[str]:
    """Return the names among these that neither the handler nor a base of it sets, as far as the plugin can see."""
    if info.fallback_to_any or mypy_api.has_own_metaclass(info):
        return []
    for base in info.mro:
        if base.fullname in (names.CHANGES_HANDLER, "builtins.object"):
            continue
        body = mypy_api.metadata_of(base)
        if body.get("sets_more") or not base.names.keys().isdisjoint(names.GETATTR_METHODS):
            return []
        is_mixin = not base.has_base(names.CHANGES_HANDLER) and not mypy_api.is_never_edited(base)
        if is_mixin and _has_methods(base):
            return []  # its methods may set attributes by name
        are_set = body.get("sets", base.names)  # a class that is no handler may set its attributes
        wanted = [name for name in wanted if name not in are_set]
    return wanted


def _has_methods(info: TypeInfo) -> bool:
    functions = (getattr(symbol.node, "func", symbol.node) for symbol in info.names.values())
    return any(
        isinstance(function, OverloadedFuncDef) or (isinstance(function, FuncDef) and not function.is_property)
        for function in functions
    )


def set_names(info: TypeInfo) -> set[str]:
    """Return the attributes that a handler and its bases set, without their methods."""
    return {
        name
        for base in own_classes(info)
        for name in mypy_api.metadata_of(base).get("sets", ())
        if not (name in base.names and isinstance(base.names[name].node, (FuncDef, Decorator, OverloadedFuncDef)))
    }


def own_classes(info: TypeInfo) -> Iterator[TypeInfo]:
    """Yield the classes in the MRO that are handlers of the user."""
    return (
        base for base in info.mro if base.has_base(names.CHANGES_HANDLER) and base.fullname != names.CHANGES_HANDLER
    )
