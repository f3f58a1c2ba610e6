"""An event base nested in the aggregate; its only child is at module level, and handled."""

from dataclasses import dataclass
from functools import singledispatchmethod
from typing import NamedTuple

from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler


@dataclass(kw_only=True)
class Account(Aggregate):
    account_id: int

    @dataclass(frozen=True, kw_only=True)
    class Moved(AggregateEvent):
        cents: int

    def deposit(self, cents: int) -> None:
        self.add_event(Deposited(cents=cents))


@dataclass(frozen=True, kw_only=True)
class Deposited(Account.Moved):
    pass


class Sums(NamedTuple):
    total: int


class AccountSums(ChangesHandler[Account, Sums]):
    result_type = Sums

    def _clear_state(self) -> None:
        self.total = 0

    @singledispatchmethod
    def handle_changes(self, event: AggregateEvent, account: Account) -> None:
        raise NotImplementedError(event)

    @handle_changes.register
    def _(self, event: Deposited, account: Account) -> None:
        self.total += event.cents


account = Account(account_id=1)
account.deposit(5)
assert AccountSums()(account) == Sums(5)
