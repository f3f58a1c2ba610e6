"""The identity of an entity: which field it is, and equality by it."""

from __future__ import annotations

import ast
import re
from types import UnionType
from typing import Annotated, Any, ClassVar, Final, TypeVar, Union, get_args, get_origin

from dddkit._annotations import UNRESOLVED, is_class_var, own_annotations, resolve_name, text_of
from dddkit._callables import kind_of
from dddkit._markers import EntityMark

__all__ = ["Identified", "Identity", "has_identity_field", "identity_of", "no_identity_message", "snake_case"]

T = TypeVar("T")


class _IdentityMark:
    __slots__ = ()

    def __repr__(self) -> str:
        return "Identity"


Identity = Annotated[T, _IdentityMark()]
"""Marks the field that identifies an entity: `basket_id: Identity[BasketId]`.

Needed only where the field is called neither `id` nor `<class name>_id`. For checkers, and for pydantic, the field has
the type in the brackets.
"""

_WRAPPERS: Final = frozenset({"Annotated", "Final", "Mapped", "Optional", "Union"})  # Mapped is SQLAlchemy's
_WORD_BOUNDARY: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Identified(EntityMark):
    """Compares and hashes by type and identity, never by fields that may change.

    The identity is the field marked `Identity[...]`, else the field called `id`, else `<class name>_id` in snake case,
    looked up along the base classes; it may be a property. Without an identity, or while it is unset or None, an object
    equals only itself.
    """

    __slots__ = ()

    __identity__: ClassVar[tuple[str, ...]] = ()
    """The name of the field; where the class declares none, the names that an object may store its identity under."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__identity__ = _identity_names(cls)
        # In a class that has none of its own, `@dataclass` generates an `__eq__` by all fields and removes `__hash__`.
        for name in ("__eq__", "__hash__"):
            if name not in cls.__dict__:
                setattr(cls, name, _inherited(cls, name))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Identified) or self.__kind__() is not other.__kind__():
            return NotImplemented
        identity = identity_of(self)
        return identity is not None and bool(identity == identity_of(other))

    def __hash__(self) -> int:
        identity = identity_of(self)
        return object.__hash__(self) if identity is None else hash((self.__kind__(), identity))

    def __identity_value__(self) -> Any:
        """Return the identity; None while there is none. For exceptions, which import nothing of ours."""
        return identity_of(self)

    @classmethod
    def __kind__(cls) -> type:
        """Return the type that equality compares: in pydantic one class can have several type objects."""
        return cls


def identity_of(entity: object) -> Any:
    """Return the value of the entity's identity; None while it has none."""
    names: tuple[str, ...] = getattr(entity, "__identity__", ())
    if len(names) == 1:
        return getattr(entity, names[0], None)
    for name in names:
        # The class declares none. Accept what an `__init__` or an ORM has stored, but no method of that name.
        if name in getattr(entity, "__dict__", ()) or _is_stored(getattr(type(entity), name, None)):
            return getattr(entity, name, None)
    return None


def has_identity_field(entity: object) -> bool:
    """Return whether the class of the entity declares an identity, be it unset."""
    return len(getattr(entity, "__identity__", ())) == 1


def no_identity_message(method: str, entity: object) -> str:
    """Return the message for what `method` of a repository got, and which has no identity."""
    if not isinstance(entity, Identified):
        hint = "; `get` returns None where it finds nothing" if entity is None else ""
        return f"{method} takes an aggregate, and got {kind_of(entity)}{hint}"
    cls, names = type(entity), entity.__identity__
    if len(names) == 1:
        missing = "is None" if hasattr(entity, names[0]) else "is not set"
        return f"this {cls.__qualname__} has no identity yet: its {names[0]} {missing}; set it first"
    flavour = next(base.__module__ for base in cls.__mro__ if _is_ours(base)).split(".")[1]
    return (
        f"{cls.__qualname__} has no identity to be stored under; declare a field {names[0]!r} or {names[1]!r}, or "
        f"annotate one as Identity[...] (from dddkit.{flavour} import Identity)"
    )


def _identity_names(cls: type) -> tuple[str, ...]:
    marked: list[str] = []
    seen: set[str] = set()
    for base in cls.__mro__:
        for name, annotation in own_annotations(base).items():
            if name not in seen:
                seen.add(name)
                if _is_marked(annotation, base):
                    marked.append(name)
    if len(marked) > 1:
        raise TypeError(
            f"{cls.__qualname__} has more than one identity: {', '.join(sorted(marked))}; "
            f"mark only one field as Identity[...]"
        )
    if marked:
        return (marked[0],)
    # Our own bases are left out: `entity_id` or `aggregate_id` more likely refers to another object.
    owners = [base for base in cls.__mro__ if issubclass(base, Identified) and not _is_ours(base)]
    candidates = ("id", *(f"{snake_case(owner.__name__)}_id" for owner in owners))
    for name in candidates:
        if _is_declared(cls, name):
            return (name,)
    return candidates


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == __name__.partition(".")[0]


def snake_case(name: str) -> str:
    return _WORD_BOUNDARY.sub("_", name).lower().strip("_")


def _is_declared(cls: type, name: str) -> bool:
    for base in cls.__mro__:
        annotations = own_annotations(base)
        if name in annotations:
            return not is_class_var(annotations[name], base)
        if name in base.__dict__:
            return _is_stored(base.__dict__[name])
    return False


def _is_stored(attribute: object) -> bool:
    """Return whether the class attribute reads a value of the object: a property, a slot, a mapped column."""
    if hasattr(attribute, "__set__"):
        return True
    return hasattr(attribute, "__get__") and not callable(attribute) and not isinstance(attribute, classmethod)


def _is_marked(annotation: object, owner: type) -> bool:
    text = text_of(annotation)
    if text is not None:
        return _text_is_marked(text, owner)
    if any(isinstance(mark, _IdentityMark) for mark in getattr(annotation, "__metadata__", ())):
        return True
    try:
        value: object = getattr(annotation, "__value__", None)  # `type BasketIdentity = Identity[BasketId]`
    except NameError:  # evaluated only here, it uses a name that only checkers import
        return False
    if value is not None:
        return _is_marked(value, owner)
    return _is_wrapper(annotation) and any(_is_marked(part, owner) for part in get_args(annotation))


def _is_wrapper(annotation: object) -> bool:
    origin = get_origin(annotation)
    if origin in (Annotated, Final, Union) or isinstance(annotation, UnionType):
        return True
    return getattr(origin, "__name__", None) == "Mapped"  # of SQLAlchemy


def _text_is_marked(text: str, owner: type) -> bool:
    # The names are resolved one by one. One that cannot be, because only checkers import it, counts by its text.
    try:
        return _expression_is_marked(ast.parse(text.strip(), mode="eval").body, owner)
    except SyntaxError:
        return False


def _expression_is_marked(node: ast.expr, owner: type) -> bool:
    if isinstance(node, ast.BinOp):
        return _expression_is_marked(node.left, owner) or _expression_is_marked(node.right, owner)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and _text_is_marked(node.value, owner)
    if isinstance(node, ast.Subscript):
        if _expression_is_marked(node.value, owner):
            return True
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        is_wrapper = ast.unparse(node.value).rpartition(".")[2] in _WRAPPERS
        return is_wrapper and any(_expression_is_marked(part, owner) for part in parts)
    name = ast.unparse(node)
    found = resolve_name(name, owner)
    return name.rpartition(".")[2] == "Identity" if found is UNRESOLVED else _is_marked(found, owner)


def _inherited(cls: type, name: str) -> Any:
    """Return what the class inherits under the name, without what a decorator generated for a mixin beside our base."""
    bases = (base for base in cls.__mro__ if name in base.__dict__ and not _has_generated_equality(base))
    return next(bases).__dict__[name]


def _has_generated_equality(cls: type) -> bool:
    code = getattr(cls.__dict__.get("__eq__"), "__code__", None)
    decorated = "__dataclass_fields__" in cls.__dict__ or "__attrs_attrs__" in cls.__dict__
    return decorated and code is not None and code.co_filename.startswith("<")
