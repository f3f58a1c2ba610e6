"""Models: aliases, computed fields, private attributes, validators, generics, unions, configuration."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar, Union

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    RootModel,
    computed_field,
    field_validator,
    model_validator,
)

from dddkit.pydantic import Aggregate, AggregateEvent, DomainEvent, Entity, Identity, ValueObject

T = TypeVar("T")


class Camel(BaseModel):
    model_config = ConfigDict(populate_by_name=True)


class Money(ValueObject):
    model_config = ConfigDict(extra="forbid", frozen=True)

    amount: int = Field(ge=0, description="cents")
    currency: Literal["EUR", "USD"] = "EUR"
    _cache: dict[str, Any] = PrivateAttr(default_factory=dict)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def text(self) -> str:
        return f"{self.amount} {self.currency}"


class Range(ValueObject, Generic[T]):
    low: T
    high: T


class Dog(ValueObject):
    kind: Literal["dog"] = "dog"


class Cat(ValueObject):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Owner(Entity, Camel):
    number: Identity[int] = Field(alias="no")
    pets: list[Annotated[Union[Dog, Cat], Field(discriminator="kind")]] = []
    _seen: int = PrivateAttr(0)

    @field_validator("number", mode="before")
    @classmethod
    def to_int(cls, value: object) -> object:
        return int(value) if isinstance(value, str) else value


class Registry(Aggregate):
    id: str
    owners: dict[int, Owner] = Field(default_factory=dict)
    limits: Range[Money] | None = None
    MAX: ClassVar[int] = 2

    class Registered(AggregateEvent):
        number: int
        tags: tuple[str, ...] = ()

    class Full(AggregateEvent):
        pass

    @model_validator(mode="after")
    def check(self) -> Registry:
        if len(self.owners) > self.MAX:
            raise ValueError
        return self

    def register(self, owner: Owner) -> None:
        self.owners[owner.number] = owner
        self.add_event(self.Registered(number=owner.number))
        if len(self.owners) == self.MAX:
            self.add_event(Registry.Full())


class Moved(DomainEvent):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    at: datetime
    amount: Range[int]


class Names(RootModel[list[str]]):
    pass


registry = Registry(id="r")
registry.register(Owner.model_validate({"no": "1", "pets": [{"kind": "cat"}]}))
registry.register(Owner.model_validate({"no": 2}))
assert [type(event).__name__ for event in registry.pull_events()] == ["Registered", "Registered", "Full"]
assert Registry.model_validate(registry.model_dump()) == registry
assert Money(amount=3).text == "3 EUR"
assert Moved(at=datetime.now(timezone.utc), amount=Range(low=1, high=2)).amount.low == 1
assert Names(["a"]).root == ["a"]
