"""Accounts whose events are chained: each has a number and the hash of the one before.

Nobody can make event 5 of an account without having seen event 4, and an event holds the unit that recorded it. So the
event of a unit that was rolled back differs from the one that others have recorded in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from dddkit.dataclasses import Aggregate, AggregateEvent
from dddkit.messages import EventCatalog

__all__ = ["ACCOUNTS", "Account", "Change", "catalog"]

ACCOUNTS: Final = 8


class Change(NamedTuple):
    """What one unit of work has added to one account."""

    account_id: int
    number: int
    previous: str
    amount: int
    balance: int
    unit: str

    @property
    def hash(self) -> str:
        return sha256(repr(tuple(self)).encode()).hexdigest()[:16]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Change:
        """Return the change that an event, a row or a line of a journal holds."""
        return cls(*(data[name] for name in cls._fields))


@dataclass(kw_only=True)
class Account(Aggregate):
    account_id: int
    balance: int = 0
    number: int = 0
    last: str = ""

    @dataclass(frozen=True, kw_only=True)
    class Changed(AggregateEvent):
        account_id: int
        number: int
        previous: str
        amount: int
        balance: int
        unit: str

    def change(self, amount: int, unit: str) -> Change:
        change = Change(self.account_id, self.number + 1, self.last, amount, self.balance + amount, unit)
        self.balance, self.number, self.last = change.balance, change.number, change.hash
        self.add_event(self.Changed(**change._asdict()))
        return change


catalog: Final = EventCatalog("/bank")
catalog.add(Account.Changed, "account.changed")
