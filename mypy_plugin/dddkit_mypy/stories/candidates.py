"""Methods that look like steps, whether a story lists them or not."""

from __future__ import annotations

from mypy.nodes import ARG_POS, NOT_ABSTRACT, Decorator, FuncDef, SymbolNode, TypeInfo
from mypy.types import CallableType, Instance, NoneType, TupleType, Type, TypedDictType, get_proper_type

from dddkit_mypy import mypy_api
from dddkit_mypy.stories.call_type import Result, result_of_returning


def parameter_of_step(node: SymbolNode | None) -> Type | None:
    """Return the type of the one parameter that a method has beside `self`; None for what looks like no step.

    Decorators must leave the parameter as it is. What these, static methods and class methods return tells factories
    and context managers from steps.
    """
    if isinstance(node, FuncDef):
        return None if node.is_property else _parameter(node.type, bound=True)
    if not isinstance(node, Decorator) or node.func.is_property or node.func.abstract_status != NOT_ABSTRACT:
        return None
    method, decorated = node.func, get_proper_type(node.var.type)  # the cache does not keep the decorators
    taken = _parameter(method.type, bound=not method.is_static)
    if taken is None or method.type is None or not isinstance(decorated, CallableType):
        return None
    if not mypy_api.is_same_type(decorated, method.type) or method.is_static or method.is_class:
        if not _returns_nothing(decorated):
            return None
        kept = taken if decorated.is_ellipsis_args else _parameter(decorated, bound=not method.is_static)
        if kept is None or not mypy_api.is_same_type(kept, taken):
            return None
    return taken


def _parameter(type_: Type | None, *, bound: bool) -> Type | None:
    found = get_proper_type(type_)
    if not isinstance(found, CallableType) or found.arg_kinds != [ARG_POS] * (1 + bound):
        return None
    return found.arg_types[-1]


def _returns_nothing(type_: Type | None) -> bool:
    """Whether what a function returns, or awaiting that, may be None."""
    returned = get_proper_type(mypy_api.return_type_of(type_))
    if returned is None or isinstance(returned, NoneType):
        return True
    return result_of_returning(returned) is not Result.NONE


def class_of(type_: Type | None) -> TypeInfo | None:
    """Return the class of a State: also of a NamedTuple, a TypedDict, a generic one."""
    found = get_proper_type(type_)
    if isinstance(found, TupleType):
        return found.partial_fallback.type
    if isinstance(found, TypedDictType):
        return found.fallback.type
    return found.type if isinstance(found, Instance) else None
