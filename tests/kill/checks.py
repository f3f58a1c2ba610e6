"""What must be true once all is quiet: facts on one side, the problems that they show on the other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from tests.kill.bank import Change

__all__ = ["Attempt", "Facts", "Figures", "Stored", "figures", "problems"]

Outcome = Literal["committed", "not stored", "unknown"]

SHOWN: Final = 3
"""How many examples a problem shows."""


class Stored(NamedTuple):
    """An account, as its database has it."""

    balance: int
    number: int
    last: str


@dataclass(frozen=True)
class Attempt:
    """One unit of work: what it would store, and what its writer knows of it."""

    unit: str
    changes: Sequence[Change]
    outcome: Outcome


@dataclass(frozen=True)
class Facts:
    """What writers, broker, consumers and databases say."""

    attempts: Sequence[Attempt]
    accounts: Mapping[int, Stored]
    arrivals: Sequence[Change]
    """The messages, in the order of the broker; in process, in the order in which consumers got them."""
    effects: Sequence[Change]
    """What the consumer has stored, in the order in which it did."""
    ledgers: Mapping[int, Stored]
    """The aggregates of the consumer: what its effects make of an account."""
    waiting: int = 0
    dead: int = 0
    received: int = 0
    """How often a message was given to the consumer."""
    dropped: int = 0
    """How often it had no effect, since an earlier one had."""
    ended: Sequence[str] = ()
    """Processes that have ended though nobody killed them."""


@dataclass
class Figures:
    """How much of what there was."""

    units: Counter[str] = field(default_factory=Counter[str])
    messages: int = 0
    duplicates: int = 0
    """Messages that are twice at the broker."""


def figures(facts: Facts) -> Figures:
    stored = {change.hash for chain in _chains(facts).values() for change in chain}
    found = Figures(messages=len(stored), duplicates=len(facts.arrivals) - len(set(facts.arrivals)))
    for attempt in facts.attempts:
        there = any(change.hash in stored for change in attempt.changes)
        known = attempt.outcome if attempt.outcome != "unknown" else ("unknown, stored" if there else "unknown")
        found.units[known] += 1
    return found


def problems(facts: Facts) -> list[str]:
    """Return what is wrong, a line for each kind of fault; none if nothing is."""
    return list(_problems(facts))


def _problems(facts: Facts) -> Iterator[str]:
    yield from facts.ended
    if facts.waiting or facts.dead:
        yield f"the outbox is not empty: {facts.waiting} messages wait, {facts.dead} are dead"
    chains = _chains(facts)
    stored = {change.hash: change for chain in chains.values() for change in chain}
    yield from _of_units(facts, stored)
    yield from _of_money(facts, chains)
    arrived = {change.hash: change for change in facts.arrivals}
    yield from _said("lost", (change for hash_, change in stored.items() if hash_ not in arrived))
    yield from _said("of units that were rolled back", (c for hash_, c in arrived.items() if hash_ not in stored))
    yield from _said("out of order", _out_of_order(facts.arrivals))
    effects = Counter(facts.effects)
    yield from _said("with an effect twice", (change for change, times in effects.items() if times > 1))
    yield from _said("without effect", (change for change in stored.values() if change not in effects))
    yield from _said("with an effect though nobody stored them", (c for c in effects if c.hash not in stored))
    yield from _said("with an effect out of order", _out_of_order(facts.effects))
    differing = [number for number, account in facts.accounts.items() if facts.ledgers.get(number) != account]
    if differing:
        yield f"the consumer's ledgers differ from the accounts: {', '.join(map(str, sorted(differing)))}"


def _chains(facts: Facts) -> dict[int, list[Change]]:
    """Return the events of each account, from its row backwards, as far as anybody knows the one before."""
    attempted = {change.hash: change for attempt in facts.attempts for change in attempt.changes}
    chains: dict[int, list[Change]] = {}
    for account_id, account in facts.accounts.items():
        chain, last = list[Change](), account.last
        while last in attempted:
            chain.append(attempted[last])
            last = chain[-1].previous
        chains[account_id] = chain[::-1]
    return chains


def _of_units(facts: Facts, stored: Mapping[str, Change]) -> Iterator[str]:
    """All or nothing, and what a writer was told is so."""
    found = defaultdict[str, list[str]](list)
    for attempt in facts.attempts:
        there = [change.hash in stored for change in attempt.changes]
        if any(there) and not all(there):
            found["stored in part"].append(attempt.unit)
        if attempt.outcome == "committed" and not all(there):
            found["committed, and not stored"].append(attempt.unit)
        if attempt.outcome == "not stored" and any(there):
            found["rolled back, and stored"].append(attempt.unit)
    for what, units in found.items():
        yield f"{len(units)} units {what}: {_shown(units)}"


def _of_money(facts: Facts, chains: Mapping[int, Sequence[Change]]) -> Iterator[str]:
    by_unit = defaultdict[str, list[int]](list)
    for account_id, chain in chains.items():
        account, balance = facts.accounts[account_id], 0
        for expected, change in enumerate(chain, 1):
            balance += change.amount
            by_unit[change.unit].append(change.amount)
            if (change.account_id, change.number, change.balance) != (account_id, expected, balance):
                yield f"account {account_id}: event {expected} is {change}"
                break
        if (account.number, account.balance) != (len(chain), balance):
            yield f"account {account_id} is {account}, and its {len(chain)} events give {balance}"
    deposited = sum(amounts[0] for amounts in by_unit.values() if len(amounts) == 1)
    if (total := sum(account.balance for account in facts.accounts.values())) != deposited:
        yield f"money: {deposited} were paid in, and the accounts hold {total}"


def _out_of_order(changes: Iterable[Change]) -> Iterator[Change]:
    """Return those that came after a later one of their account; only the first time that each one came counts."""
    latest: dict[int, int] = {}
    for change in dict.fromkeys(changes):
        if change.number < latest.get(change.account_id, 0):
            yield change
        latest[change.account_id] = max(change.number, latest.get(change.account_id, 0))


def _said(what: str, found: Iterable[Change]) -> Iterator[str]:
    changes = list(found)
    if changes:
        examples = _shown([f"{change.number} of account {change.account_id}" for change in changes])
        yield f"{len(changes)} messages {what}: {examples}"


def _shown(found: Sequence[str]) -> str:
    return ", ".join(found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
