"""The two flavours, and one small domain declared in each."""

from __future__ import annotations

import dataclasses as stdlib
import sys
from collections.abc import Callable
from textwrap import dedent
from types import ModuleType
from typing import Any, ClassVar

import pydantic
import pytest

import dddkit.dataclasses
import dddkit.pydantic

# Any: the blocks of a flavour are looked up by name, and tests pass them what a checker rejects.
Model = Any


class Flavour:
    """One flavour: its blocks, a small domain declared with them, and a way to declare a class."""

    name: ClassVar[str]
    blocks: ClassVar[ModuleType]
    Product: ClassVar[Model]
    Basket: ClassVar[Model]
    Money: ClassVar[Model]
    Placed: ClassVar[Model]

    @classmethod
    def declare(cls, base: str | type, name: str, /, *mixins: type, **fields: Any) -> Model:
        """Declare a class as a user of the flavour does; a field is a type, or (type, default)."""
        pairs: dict[str, Any] = {field: kind if type(kind) is tuple else (kind,) for field, kind in fields.items()}
        annotations = {field: pair[0] for field, pair in pairs.items()}
        defaults = {field: pair[1] for field, pair in pairs.items() if len(pair) == 2}
        bases = (*mixins, getattr(cls.blocks, base) if isinstance(base, str) else base)
        namespace: dict[str, Any] = {"__annotations__": annotations, "__module__": __name__, **defaults}
        return cls.finish(type(bases[-1])(name, bases, namespace))

    @classmethod
    def finish(cls, declared: type) -> Model:
        raise NotImplementedError

    @classmethod
    def as_dict(cls, thing: Model) -> dict[str, Any]:
        raise NotImplementedError


class Dataclasses(Flavour):
    name: ClassVar[str] = "dataclasses"
    blocks: ClassVar[ModuleType] = dddkit.dataclasses

    @stdlib.dataclass(kw_only=True)
    class Product(dddkit.dataclasses.Entity):
        product_id: int
        name: str = ""
        price: float = 0

    @stdlib.dataclass(kw_only=True)
    class Basket(dddkit.dataclasses.Aggregate):
        basket_id: int
        items: list[str] = stdlib.field(default_factory=list[str])

        @stdlib.dataclass(frozen=True, kw_only=True)
        class Created(dddkit.dataclasses.AggregateEvent):
            pass

        @stdlib.dataclass(frozen=True, kw_only=True)
        class ItemAdded(dddkit.dataclasses.AggregateEvent):
            item: str

        def add(self, item: str) -> None:
            self.items.append(item)
            self.add_event(self.ItemAdded(item=item))

    @stdlib.dataclass(frozen=True, kw_only=True)
    class Money(dddkit.dataclasses.ValueObject):
        amount: int
        currency: str = "EUR"

    @stdlib.dataclass(frozen=True, kw_only=True)
    class Placed(dddkit.dataclasses.DomainEvent):
        order: int = 0

    @classmethod
    def finish(cls, declared: type) -> Model:
        frozen = any(issubclass(declared, getattr(cls.blocks, name)) for name in FROZEN)
        decorate: Model = stdlib.dataclass(kw_only=True, frozen=frozen)
        return decorate(declared)

    @classmethod
    def as_dict(cls, thing: Model) -> dict[str, Any]:
        return stdlib.asdict(thing)


class Pydantic(Flavour):
    name: ClassVar[str] = "pydantic"
    blocks: ClassVar[ModuleType] = dddkit.pydantic

    class Product(dddkit.pydantic.Entity):
        product_id: int
        name: str = ""
        price: float = 0

    class Basket(dddkit.pydantic.Aggregate):
        basket_id: int
        items: list[str] = []

        class Created(dddkit.pydantic.AggregateEvent):
            pass

        class ItemAdded(dddkit.pydantic.AggregateEvent):
            item: str

        def add(self, item: str) -> None:
            self.items.append(item)
            self.add_event(self.ItemAdded(item=item))

    class Money(dddkit.pydantic.ValueObject):
        amount: int
        currency: str = "EUR"

    class Placed(dddkit.pydantic.DomainEvent):
        order: int = 0

    @classmethod
    def finish(cls, declared: type) -> Model:
        return declared

    @classmethod
    def as_dict(cls, thing: Model) -> dict[str, Any]:
        model: pydantic.BaseModel = thing
        return model.model_dump()


FROZEN = ("AggregateEvent", "DomainEvent", "ValueObject")
FLAVOURS: tuple[type[Flavour], ...] = (Dataclasses, Pydantic)

# What frozen classes raise: dataclasses the first, pydantic models the second.
REFUSALS = (stdlib.FrozenInstanceError, pydantic.ValidationError)

needs_threads = pytest.mark.skipif(sys.platform == "emscripten", reason="WebAssembly has no threads here")
needs_a_deep_stack = pytest.mark.skipif(
    sys.platform == "emscripten", reason="a recursion that Python would stop ends the interpreter in WebAssembly"
)

in_both_flavours: Callable[[Callable[..., None]], Callable[..., None]] = pytest.mark.parametrize(
    "flavour", FLAVOURS, ids=lambda flavour: flavour.name
)


def run(source: str) -> dict[str, Any]:
    """Execute the source as a user's module; return its names."""
    module = ModuleType("users_module")
    sys.modules[module.__name__] = module
    try:
        exec(compile(dedent(source), "users_module.py", "exec", dont_inherit=True), vars(module))
    finally:
        del sys.modules[module.__name__]
    return vars(module)
