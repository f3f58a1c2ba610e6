"""Mapped NewType, UUID, optional and Identity-marked identities; in a mixin and in an abstract base."""

from abc import ABC
from typing import Annotated, Any, Generic, NewType, TypeVar
from uuid import UUID, uuid4

from typing_extensions import Self, overload

from dddkit.dataclasses import Aggregate, Identity, InMemoryRepository, SyncRepository

T = TypeVar("T")
AccountId = NewType("AccountId", int)


class Col(Generic[T]):
    def __init__(self, default: T) -> None:
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.key = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: Any) -> T: ...
    def __get__(self, instance: object | None, owner: Any) -> Self | T:
        if instance is None:
            return self
        value: T = instance.__dict__.get(self.key, self.default)
        return value

    def __set__(self, instance: object, value: T) -> None:
        instance.__dict__[self.key] = value


class WithUuid:
    id: Col[UUID] = Col(UUID(int=0))

    def __init__(self) -> None:
        self.id = uuid4()


class Account(Aggregate):
    account_id: Col[AccountId] = Col(AccountId(0))

    def __init__(self, account_id: AccountId) -> None:
        self.account_id = account_id


class Holder(WithUuid, Aggregate):
    def __init__(self) -> None:
        super().__init__()
        self.name = "holder"


class Numbered(Aggregate, ABC):
    number: Annotated[Identity[Col[int]], "number"] = Col(0)

    def __init__(self, number: int) -> None:
        self.number = number


class Cheque(Numbered):
    def __init__(self, number: int, cents: int = 0) -> None:
        super().__init__(number)
        self.cents = cents


class Accounts(InMemoryRepository[Account, AccountId]):
    pass


class Holders(InMemoryRepository[Holder, UUID]):
    pass


class Cheques(SyncRepository[Cheque, int]):
    def save(self, cheque: Cheque, /) -> None: ...

    def get(self, number: int, /) -> "Cheque | None":
        return Cheque(number)

    def delete(self, cheque: Cheque, /) -> None: ...


assert Account(AccountId(1)) == Account(AccountId(1))
assert Holder() != Holder()
assert Cheques().get(3) == Cheque(3)
assert Accounts()
assert Holders()
