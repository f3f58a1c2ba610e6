"""Both flavours in one union; an optional one; a conditional expression."""

from dataclasses import dataclass
from typing import Optional

from dddkit import dataclasses as dc
from dddkit import pydantic as pd


@dataclass(kw_only=True)
class Van(dc.Aggregate):
    van_id: int

    @dataclass(frozen=True, kw_only=True)
    class Loaded(dc.AggregateEvent):
        kilos: int


class Train(pd.Aggregate):
    train_id: int

    class Loaded(pd.AggregateEvent):
        kilos: int


def load(carrier: Optional[Van | Train], kilos: int) -> int:
    if carrier is None:
        return 0
    carrier.add_event(carrier.Loaded(kilos=kilos))
    carrier.add_event(Van.Loaded(kilos=1) if isinstance(carrier, Van) else Train.Loaded(kilos=1))
    return len(carrier.get_events())


def reload(carriers: list[Van | Train]) -> None:
    for carrier in carriers:
        for event in [carrier.Loaded(kilos=2)]:
            carrier.add_event(event)


van = Van(van_id=1)
train = Train(train_id=1)
assert (load(van, 5), load(train, 6), load(None, 7)) == (2, 2, 0)
reload([van, train])
assert len(van.pull_events()) == len(train.pull_events()) == 3
