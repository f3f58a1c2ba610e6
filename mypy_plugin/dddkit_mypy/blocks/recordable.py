"""What could not be recorded of a value as JSON, as far as its type says so; the words are those of the runtime.

The runtime judges the values of annotations, mypy has their types. What these leave open is not judged: `Annotated`,
the fields inside of other classes, and what a class that no decorator has completed may turn out to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from mypy.nodes import TypeInfo, Var
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    Overloaded,
    TupleType,
    Type,
    TypeAliasType,
    TypeOfAny,
    TypeType,
    UnionType,
    get_proper_type,
)

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.blocks.written_fields import excluded_fields

Problem = tuple[str, str]
"""The path of a value, and what is wrong there."""


class Judge:
    """Finds what cannot be recorded, and remembers the classes that the answer depends on."""

    def __init__(self, checker: mypy_api.TypeChecker) -> None:
        self._checker: Final = checker
        self.classes: Final[list[TypeInfo]] = []

    def problems(self, declared: Type, path: str) -> Iterator[Problem]:
        """Yield what cannot be recorded of the values of a type."""
        if isinstance(declared, TypeAliasType):
            return  # it may stand for an Annotated
        found = get_proper_type(declared)
        if isinstance(found, AnyType):
            if found.type_of_any == TypeOfAny.explicit:
                yield path, "Any may be anything; declare what it is"
        elif isinstance(found, UnionType):
            for item in found.items:
                yield from self.problems(item, path)
        elif isinstance(found, (CallableType, Overloaded)):
            yield path, _FUNCTION
        elif isinstance(found, TypeType):
            yield path, _CLASS
        elif isinstance(found, TupleType):
            if found.partial_fallback.type.fullname == "builtins.tuple":
                for index, item in enumerate(found.items):
                    yield from self.problems(item, f"{path}.{index}")
        elif isinstance(found, Instance):
            self.classes.append(found.type)
            yield from self._of_class(found, path)

    def _of_class(self, found: Instance, path: str) -> Iterator[Problem]:
        info = found.type
        name = info.fullname
        if info.is_newtype:
            yield from self.problems(info.tuple_type or info.bases[0], path)
        elif name in _CONTAINERS:
            yield from self._of_container(found, path)
        elif name in _ABSTRACT:
            yield path, f"may be of several classes; declare {_ABSTRACT[name]}"
        elif name == "builtins.object":
            yield path, "object may be anything; declare what it is"
        elif info.has_base(names.RECORDING):
            yield path, f"{_text(info)} {_IS_AGGREGATE}"
        elif name == "builtins.type":
            yield path, _CLASS
        elif info.has_base(names.STORY) or any(map(info.has_base, _FUNCTIONS)):
            yield path, _FUNCTION
        elif info.module_name.partition(".")[0] in _OF_THE_PROCESS or info.has_base("typing.IO"):
            called = info.name.removeprefix("_")
            called = "Lock" if called in ("lock", "LockType") else called
            yield path, f"{called} is of this process alone; give it to the story as a field, or make it in the step"
        elif any(map(info.has_base, names.SECRETS)):
            yield path, "a secret is written as asterisks; keep it elsewhere, and store a reference"
        elif info.has_base(names.MODEL):
            yield from _of_model(info, path)
        elif _is_dataclass(info):
            yield from _of_dataclass(info, path)
        elif name not in _SCALARS and self._has_no_json(info):
            yield path, f"{_text(info)} {_HAS_NO_JSON}"

    def _of_container(self, found: Instance, path: str) -> Iterator[Problem]:
        if found.args and all(map(_is_omitted, found.args)):
            yield path, f"does not say what it contains; declare {_CONTAINERS[found.type.fullname]}"
            return
        if len(found.args) == _KEY_AND_VALUE:
            yield from self._of_key(found.args[0], f"{path}.[key]")
        yield from self.problems(found.args[-1], path)

    def _of_key(self, key: Type, path: str) -> Iterator[Problem]:
        refused = [*self.problems(key, path)]
        yield from refused
        found = get_proper_type(key)
        if not refused and isinstance(found, Instance) and found.type.fullname in _NO_KEYS:
            yield path, f"a key of {found.type.name} does not read back; use str, int, UUID or an Enum of texts"

    def _has_no_json(self, info: TypeInfo) -> bool:
        """Whether neither a decorator nor a base can have made more of a class than its body says."""
        if info.fallback_to_any or info.is_enum or info.is_named_tuple or info.typeddict_type is not None:
            return False
        if mypy_api.is_of_typeshed(info.module_name, self._checker):
            return True
        if info.get("__get_pydantic_core_schema__") is not None or mypy_api.has_own_metaclass(info):
            return False
        if mypy_api.comes_from_stub(info, self._checker):
            return False
        return info.is_protocol or "attrs" in info.metadata or _has_own_constructor(info)


def _is_omitted(argument: Type) -> bool:
    """Whether there is no type argument; where mypy reports that itself, its Any is another one."""
    found = get_proper_type(argument)
    return isinstance(found, AnyType) and found.type_of_any == TypeOfAny.from_omitted_generics


def _has_own_constructor(info: TypeInfo) -> bool:
    constructor = info.get("__init__")
    if constructor is None or constructor.plugin_generated or constructor.node is None:
        return False
    owner = info.get_containing_type_info("__init__")
    return owner is not None and owner.fullname != "builtins.object" and not _is_scalar(info)


def _is_scalar(info: TypeInfo) -> bool:
    return any(base.fullname in _SCALARS for base in info.mro)


def _of_model(info: TypeInfo, path: str) -> Iterator[Problem]:
    if info.has_base(names.ROOT_MODEL):
        yield path, f"{_text(info)} is a RootModel; declare the type of its root instead"
    for owner in _own(info):
        for name, symbol in owner.names.items():
            node = symbol.node
            is_private = name.startswith("_") and not name.startswith("__")
            if is_private and isinstance(node, Var) and not (node.is_inferred or node.is_classvar or symbol.implicit):
                yield (
                    f"{path}.{name}",
                    "is a private attribute, and would not be written; declare it as a field, or use cached_property",
                )
    for owner in _own(info):
        for name in excluded_fields(owner):
            yield f"{path}.{name}", "exclude leaves it out; remove it"


def _own(info: TypeInfo) -> list[TypeInfo]:
    """Return the class and its bases, without those of pydantic and ours."""
    return [base for base in info.mro if base.has_base(names.MODEL) and not mypy_api.is_never_edited(base)]


def _is_dataclass(info: TypeInfo) -> bool:
    """Whether a class, or a base of it, is one of the standard library: those alone have such fields for mypy."""
    symbol = info.get("__dataclass_fields__")
    fields = None if symbol is None else get_proper_type(symbol.type)
    if not isinstance(fields, Instance) or not fields.args:
        return False
    field = get_proper_type(fields.args[-1])
    return isinstance(field, Instance) and field.type.fullname == "dataclasses.Field"


def _of_dataclass(info: TypeInfo, path: str) -> Iterator[Problem]:
    attributes: Sequence[dict[str, Any]] = ()
    for base in info.mro:
        if "dataclass" in base.metadata:
            attributes = base.metadata["dataclass"]["attributes"]
            break
    for attribute in attributes:
        if attribute["is_init_var"]:
            yield f"{path}.{attribute['name']}", "is an InitVar, which the object does not keep; make it a field"
        elif not attribute["is_in_init"]:
            yield (
                f"{path}.{attribute['name']}",
                "init=False keeps it from being read; make it an argument, or compute it in a property",
            )


def _text(info: TypeInfo) -> str:
    return mypy_api.qualified_name(info)


def _all(prefix: str, found: Iterable[str]) -> frozenset[str]:
    return frozenset(f"{prefix}.{name}" for name in found)


_KEY_AND_VALUE: Final = 2
_FUNCTION: Final = "a function cannot be recorded; give it to the story as a field"
_CLASS: Final = "a class cannot be recorded; give it to the story as a field"
_IS_AGGREGATE: Final = (
    "is an aggregate, whose events and version would be lost; keep its identity, and get it from its repository in "
    "each step"
)
_HAS_NO_JSON: Final = (
    "has no JSON; declare a dataclass or a model, or give it to the story as a field where it is a tool"
)
_CONTAINERS: Final = {
    "builtins.list": "list[...]",
    "builtins.set": "set[...]",
    "builtins.frozenset": "frozenset[...]",
    "builtins.tuple": "tuple[..., ...]",
    "builtins.dict": "dict[str, ...]",
    "typing.Mapping": "Mapping",
    "typing.MutableMapping": "MutableMapping",
}
"""What holds values of its type arguments, and what to write where it has none."""
_NO_KEYS: Final = _all("builtins", ("float", "bool", "bytes", "frozenset"))
_ABSTRACT: Final = {
    **dict.fromkeys(
        [
            *_all("typing", ("Collection", "Container", "Iterable", "Iterator", "Generator", "MutableSequence")),
            *("typing.Reversible", "typing.Sequence", "collections.deque"),
        ],
        "list[...] or tuple[..., ...]",
    ),
    "typing.AbstractSet": "set[...] or frozenset[...]",
    "typing.MutableSet": "set[...]",
    **dict.fromkeys(_all("collections", ("OrderedDict", "defaultdict", "Counter", "ChainMap")), "dict[str, ...]"),
}
_FUNCTIONS: Final = ("types.FunctionType", "types.MethodType", "functools.partial", "builtins.function")
_OF_THE_PROCESS: Final = frozenset(
    {
        *("_asyncio", "_contextvars", "_io", "_queue", "_socket", "_sqlite3", "_thread", "asyncio", "concurrent"),
        *("contextlib", "contextvars", "io", "logging", "multiprocessing", "queue", "random", "socket", "sqlite3"),
        *("ssl", "subprocess", "tempfile", "threading"),
    }
)
"""Modules of the standard library, whose objects cannot leave their process."""
_SCALARS: Final = (
    _all("builtins", ("bool", "int", "float", "str", "bytes"))
    | _all("datetime", ("date", "datetime", "time", "timedelta"))
    | _all("ipaddress", (f"IPv{version}{kind}" for version in (4, 6) for kind in ("Address", "Interface", "Network")))
    | _all("pathlib", ("Path", "PurePath"))
    | {"decimal.Decimal", "_decimal.Decimal", "uuid.UUID"}
)
