"""The flows of the steps of a story, in the metadata that the cache keeps."""

from __future__ import annotations

from typing import Any

from mypy.nodes import SymbolNode, TypeInfo

from dddkit_mypy import mypy_api
from dddkit_mypy.stories.compensations import methods_of
from dddkit_mypy.stories.flow import Flow
from dddkit_mypy.stories.flow_visitor import flow_of_method
from dddkit_mypy.stories.state import class_of_state, may_have_variables


def flows_of_methods(info: TypeInfo, dependencies: mypy_api.Dependencies) -> dict[str, Any]:
    """Return the flows of the methods that a story has from its own module, and that no base has stored.

    Only where the State has variables, or is unknown: no rule needs the other flows.
    """
    state = class_of_state(info)
    if state is not None and not may_have_variables(state, info):
        return {}
    flows: dict[str, Any] = {}
    managers: set[TypeInfo] = set()
    undoing = methods_of(info)
    for base in info.mro:
        if base.module_name == info.module_name:
            for name, symbol in base.names.items():
                if (name.startswith("_") and name not in undoing) or not _resolves_to(info, name, symbol.node):
                    continue
                if flow_of_step(info, name) is None:
                    flow = flow_of_method(symbol.node, managers)
                    if flow is not None:
                        flows[name] = list(flow)
    dependencies.add_declarations(managers)
    for manager in managers:
        dependencies.add_member(manager, "__exit__")
        dependencies.add_member(manager, "__aexit__")
    return flows


def has_flows(info: TypeInfo) -> bool:
    """Whether a flow is known of any method of a story."""
    return any(mypy_api.metadata_of(base).get("flows") for base in info.mro)


def flow_of_step(info: TypeInfo, name: str) -> Flow | None:
    """Return the stored flow of a step; None where it is unknown."""
    symbol = info.get(name)
    if symbol is not None:
        for base in info.mro:
            stored = mypy_api.metadata_of(base).get("flows", {}).get(name)
            if stored is not None and _resolves_to(base, name, symbol.node):
                opaque, reads, *names = stored
                return Flow(opaque, reads, *map(frozenset, names))
    return None


def _resolves_to(info: TypeInfo, name: str, node: SymbolNode | None) -> bool:
    symbol = info.get(name)
    return symbol is not None and symbol.node is node
