"""Events that are made and not dropped, and calls that look as if one were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dddkit.dataclasses import Aggregate, AggregateEvent, DomainEvent, Entity, ValueObject


@dataclass(frozen=True)
class Cents(ValueObject):
    amount: int

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError(self.amount)


@dataclass(frozen=True, kw_only=True)
class Alarm(DomainEvent):
    text: str


@dataclass(kw_only=True)
class Account(Aggregate):
    account_id: int
    balance: int = 0
    observers: list[Callable[[AggregateEvent], None]] = field(default_factory=list)
    last: AggregateEvent | None = None

    @dataclass(frozen=True, kw_only=True)
    class Changed(AggregateEvent):
        by: int

        def __post_init__(self) -> None:
            if not self.by:
                raise ValueError

    def Check(self, by: int) -> None:
        Cents(self.balance + by)

    @contextmanager
    def changing(self, by: int) -> Iterator[Changed]:
        self.Check(by)
        event = self.Changed(by=by)
        yield event
        self.add_event(event)

    def deposit(self, by: int) -> Changed:
        with self.changing(by) as event:
            self.balance += event.by
        return event

    def is_allowed(self, by: int) -> bool:
        try:
            self.Changed(by=by)
        except ValueError:
            return False
        return True

    def notify(self, by: int) -> None:
        self.last = self.Changed(by=by)
        for observer in self.observers:
            observer(self.Changed(by=by))
        for event in (self.Changed(by=1), self.Changed(by=2)):
            self.add_event(event)
        list(map(self.add_event, [Account.Changed(by=3)]))
        if self.last:
            self.add_event(self.last)

    def history(self) -> Iterator[Changed]:
        yield self.Changed(by=1)
        yield from (self.Changed(by=n) for n in (2, 3))

    @classmethod
    def opened(cls, by: int) -> tuple[Account, Changed]:
        account = cls(account_id=1)
        account.add_event(event := cls.Changed(by=by))
        return account, event


class Sensor(Entity):
    def __init__(self, sensor_id: int, emit: Callable[[Any], None]) -> None:
        self.sensor_id = sensor_id
        self.emit = emit

    def ring(self) -> None:
        self.emit(Alarm(text="ring"))


alarms: list[Alarm] = []
Sensor(1, alarms.append).ring()
account, first = Account.opened(3)
assert account.deposit(4).by == 4
assert account.is_allowed(0) is False
account.observers.append(account.add_event)
account.notify(5)
assert [event.by for event in account.get_events() if isinstance(event, Account.Changed)] == [3, 4, 5, 1, 2, 3, 5]
assert [event.by for event in account.history()] == [1, 2, 3]
assert alarms[0].text == "ring"
