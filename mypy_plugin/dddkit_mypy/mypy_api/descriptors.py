"""The type that reading an attribute of an object has, where a descriptor answers."""

from __future__ import annotations

from mypy.erasetype import erase_typevars
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import Decorator, OverloadedFuncDef
from mypy.subtypes import is_subtype
from mypy.types import AnyType, CallableType, Instance, NoneType, Type, TypeOfAny, UnionType, get_proper_type

from dddkit_mypy.mypy_api.types import seen_from


def read_on(instance: Instance, declared: Type) -> Type:
    """Return the type of `instance.x`, where the body of its class declares `x: declared`.

    `Mapped[int]` is read as int. Any where the descriptor does not say; the type itself where it is no descriptor.
    mypy answers only while it checks a module, and the plugin asks before that too.
    """
    found = get_proper_type(declared)
    if isinstance(found, UnionType) and any(map(_is_descriptor, found.items)):
        return UnionType.make_union([read_on(instance, item) for item in found.items])
    if not isinstance(found, Instance) or not _is_descriptor(found):
        return declared
    for signature in _signatures(found):
        if _is_for(signature, found, instance):
            return erase_typevars(signature.ret_type, {variable.id for variable in signature.variables})
    return AnyType(TypeOfAny.special_form)


def _is_descriptor(type_: Type) -> bool:
    found = get_proper_type(type_)
    return isinstance(found, Instance) and found.type.get("__get__") is not None


def _signatures(descriptor: Instance) -> list[CallableType]:
    """Return the signatures of `__get__`, `self` included."""
    method = descriptor.type.get_method("__get__")
    if method is None:
        return []
    if isinstance(method, OverloadedFuncDef):
        types = [item.var.type if isinstance(item, Decorator) else item.type for item in method.items]
    else:
        types = [method.var.type if isinstance(method, Decorator) else method.type]
    own = map_instance_to_supertype(descriptor, method.info)
    seen = [get_proper_type(seen_from(type_, method.info, own)) for type_ in types if type_ is not None]
    return [type_ for type_ in seen if isinstance(type_, CallableType)]


def _is_for(signature: CallableType, descriptor: Instance, instance: Instance) -> bool:
    """Whether a signature is for reading on an object, not on its class."""
    given = [descriptor, instance]
    taken = [get_proper_type(erase_typevars(type_)) for type_ in signature.arg_types]
    return (
        len(taken) >= len(given)
        and not any(isinstance(type_, NoneType) for type_ in taken)
        and all(is_subtype(one, other) for one, other in zip(given, taken, strict=False))
    )
