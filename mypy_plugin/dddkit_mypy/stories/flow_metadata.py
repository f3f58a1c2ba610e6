"""The flows of the steps of a story, in the metadata that the cache keeps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mypy.nodes import Decorator, FuncDef, SymbolNode, TypeInfo

from dddkit_mypy import mypy_api
from dddkit_mypy.stories.flow import Flow
from dddkit_mypy.stories.flow_visitor import flow_of_method
from dddkit_mypy.stories.reading import StoryReading
from dddkit_mypy.stories.state import class_of_state, may_have_variables


def flows_of_methods(story: StoryReading, scope: mypy_api.AnalysisScope) -> dict[str, Any]:
    """Return the flows of the methods that a story has from its own module, and that no base has stored.

    Only where the State has variables, or is unknown: no rule needs the other flows.
    """
    info = story.info
    state = class_of_state(info, story.state)
    if state is not None and not may_have_variables(state, info):
        return {}
    flows: dict[str, Any] = {}
    managers: set[TypeInfo] = set()
    for base in story.local:
        for name, symbol in base.names.items():
            node = symbol.node
            if not isinstance(node, (FuncDef, Decorator)) or (name[0] == "_" and name not in story.undoing):
                continue
            if _resolves_to(info, name, node) and (not story.bases.flows or _stored(info, name) is None):
                flow = flow_of_method(node, managers)
                if flow is not None:
                    flows[name] = list(flow)
    if managers:
        dependencies = mypy_api.dependencies_of(scope)
        dependencies.add_declarations(managers)
        for manager in managers:
            dependencies.add_member(manager, "__exit__")
            dependencies.add_member(manager, "__aexit__")
    return flows


def has_flows(info: TypeInfo) -> bool:
    """Whether a flow is known of any method of a story."""
    return bool(mypy_api.bases_with(info, "flows"))


def flow_of_step(info: TypeInfo, name: str) -> Flow | None:
    """Return the stored flow of a step; None where it is unknown."""
    stored = _stored(info, name)
    if stored is None:
        return None
    opaque, reads, *names = stored
    return Flow(opaque, reads, *map(frozenset, names))


def reads_and_sets(info: TypeInfo, name: str) -> tuple[Iterable[str], Iterable[str]]:
    """Return the attributes that a step may read before it sets them, and those that it may set; none if unknown."""
    stored = _stored(info, name)
    return ((), ()) if stored is None else (stored[1], stored[2])


def _stored(info: TypeInfo, name: str) -> list[Any] | None:
    """Return the values of the flow of a step."""
    symbol = info.get(name)
    if symbol is not None:
        for base in mypy_api.bases_with(info, "flows"):
            stored: list[Any] | None = mypy_api.metadata_of(base)["flows"].get(name)
            if stored is not None and _resolves_to(base, name, symbol.node):
                return stored
    return None


def _resolves_to(info: TypeInfo, name: str, node: SymbolNode | None) -> bool:
    symbol = info.get(name)
    return symbol is not None and symbol.node is node
