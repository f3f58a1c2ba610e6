"""Steps that fit their story: they accept its State, and return nothing that a rule would report.

Most steps do, whatever they are. To see it here takes a twentieth of the time that mypy needs to check a call of the
step. Each condition may be stricter than those of mypy and of the rules, and none may be laxer.
"""

from __future__ import annotations

from mypy.nodes import ARG_POS, Decorator, FuncDef, SymbolNode, TypeInfo, Var
from mypy.types import AnyType, CallableType, Instance, NoneType, Type, UnionType, get_proper_type

from dddkit_mypy import mypy_api
from dddkit_mypy.stories.declaration import has_our_call, is_story
from dddkit_mypy.stories.state import state_of


def is_simple(method: FuncDef, story: Instance, state: Instance) -> bool:
    """Whether a method takes the State of its story, or a base of it, and returns nothing.

    This is certain as soon as mypy has analysed the classes, before it checks them.
    """
    type_ = method.type
    if (
        isinstance(type_, CallableType)
        and type_.arg_types == [story, state]
        and type_.arg_kinds == mypy_api.SELF_AND_ONE
        and mypy_api.returns_nothing(method)
    ):
        return True
    if method.is_static or method.is_class or method.is_property:
        return False
    taken = get_proper_type(_parameter(method.type, method.info, story))
    return (
        isinstance(taken, Instance)
        and (taken.type is state.type or taken.type in state.type.mro)
        and not taken.args
        and mypy_api.returns_nothing(method)
    )


def fits(node: SymbolNode | None, story: Instance, state: Instance) -> bool:
    """Whether a step fits its story. Only for use while mypy checks the story: now it knows the types in its bases."""
    if isinstance(node, FuncDef):
        return (
            not (node.is_static or node.is_class or node.is_property)
            and _accepts(_parameter(node.type, node.info, story), state)
            and mypy_api.returns_nothing(node)
        )
    if isinstance(node, Decorator):
        function, type_ = node.func, get_proper_type(node.var.type)
        if not isinstance(type_, CallableType) or function.is_static or function.is_class:
            return False
        if function.is_property:
            return _is_callable_with(_seen(type_.ret_type, function.info, story), state)
        return (
            not function.is_generator
            and _accepts(_parameter(type_, function.info, story), state)
            and _is_nothing(type_.ret_type)
        )
    # A field; where a class declares no type, or a class variable, functions become methods.
    if isinstance(node, Var) and node.type is not None and not node.is_inferred and not node.is_classvar:
        return _is_callable_with(_seen(node.type, node.info, story), state)
    return False


def _seen(type_: Type, owner: TypeInfo, story: Instance) -> Type | None:
    """Return a type that the class `owner` declares, seen from the story; None where it is no base of it."""
    if owner not in story.type.mro:
        return None
    return mypy_api.seen_from(type_, owner, story) if owner.defn.type_vars else type_


def _parameter(type_: Type | None, owner: TypeInfo, story: Instance) -> Type | None:
    """Return the type of the one parameter beside `self` of a method that the class `owner` defines."""
    found = get_proper_type(type_)
    if not isinstance(found, CallableType) or found.arg_kinds != mypy_api.SELF_AND_ONE or found.variables:
        return None
    own, taken = found.arg_types
    own = get_proper_type(own)
    if not isinstance(own, Instance) or own.type is not owner:
        return None
    if owner is story.type and not own.args and not owner.defn.type_vars:
        return taken
    return _seen(taken, owner, story) if list(own.args) == owner.defn.type_vars else None


def _is_base(taken: Type, state: Instance) -> bool:
    found = get_proper_type(taken)
    return isinstance(found, Instance) and not found.args and found.type in state.type.mro


def _accepts(taken: Type | None, state: Instance) -> bool:
    if taken is None:
        return False
    if _is_base(taken, state):
        return True
    found = get_proper_type(taken)
    if isinstance(found, Instance):
        return _has_all_fields(found.type, state.type) or mypy_api.is_subtype(state, found)
    return isinstance(found, AnyType) or (isinstance(found, UnionType) and mypy_api.is_subtype(state, found))


def _has_all_fields(protocol: TypeInfo, state: TypeInfo) -> bool:
    """Whether a protocol has nothing but fields that the State declares with the same types: most ask for one or two.

    It saves nine tenths of the time that mypy takes to compare the two.
    """
    if not protocol.is_protocol or protocol.type_vars or not protocol.protocol_members:
        return False
    for name in protocol.protocol_members:
        wanted, own = protocol.get(name), state.get(name)
        if wanted is None or own is None or not _is_field(wanted.node) or not _is_field(own.node):
            return False
        if wanted.type != own.type:
            return False
    return True


def _is_field(node: SymbolNode | None) -> bool:
    """Whether a node is a variable of instances that can be set, and has a type without type variables."""
    return (
        isinstance(node, Var)
        and not (node.is_inferred or node.is_classvar or node.is_property or node.is_final)
        and not node.info.type_vars
        and isinstance(get_proper_type(node.type), Instance)
    )


def _is_nothing(returned: Type) -> bool:
    """Whether a call returns None, or a coroutine that does."""
    found = get_proper_type(returned)
    if isinstance(found, Instance) and found.type.fullname == "typing.Coroutine":
        found = get_proper_type(found.args[2])
    return isinstance(found, NoneType)


def _is_callable_with(type_: Type | None, state: Instance) -> bool:
    """Whether an object can be called with the state: a function, another story, or an instance with `__call__`."""
    found = get_proper_type(type_)
    if isinstance(found, CallableType):
        return (
            found.arg_kinds == [ARG_POS]
            and not found.variables
            and not found.is_type_obj()
            and _accepts(found.arg_types[0], state)
        )
    if not isinstance(found, Instance):
        return False
    if is_story(found.type):
        inner = state_of(found)
        return has_our_call(found.type) and inner is not None and _accepts(inner, state)
    symbol = found.type.get("__call__")
    method = None if symbol is None else symbol.node
    return (
        isinstance(method, FuncDef)
        and not (method.is_static or method.is_class)
        and _accepts(_parameter(method.type, method.info, found), state)
        and found.type.get("__get__") is None
    )
