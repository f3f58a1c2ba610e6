"""What the checks of the kill test find: each kind of fault, in a history that was right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from tests.kill.bank import Account, Change
from tests.kill.checks import Attempt, Facts, Stored, figures, problems


def history(units: int = 30) -> Facts:
    """Return the facts of a run without faults: deposits and transfers, of which every fifth is rolled back."""
    random, accounts = Random(1), {number: Account(account_id=number) for number in range(3)}
    attempts, stored = list[Attempt](), list[Change]()
    for number in range(units):
        first, second = random.sample(range(3), 2)
        amounts = [(first, 5)] if number % 2 else [(first, -7), (second, 7)]
        before = {identity: replace(accounts[identity]) for identity, _ in amounts}
        changes = [accounts[identity].change(amount, f"unit {number}") for identity, amount in amounts]
        if number % 5 == 4:
            accounts.update(before)
        else:
            stored.extend(changes)
        attempts.append(Attempt(f"unit {number}", changes, "not stored" if number % 5 == 4 else "committed"))
    rows = {number: Stored(account.balance, account.number, account.last) for number, account in accounts.items()}
    return Facts(attempts, rows, arrivals=stored, effects=stored, ledgers=rows)


def test_nothing_is_wrong_with_a_right_history() -> None:
    facts = history()
    assert problems(facts) == []
    found = figures(facts)
    assert (found.messages, found.duplicates) == (len(facts.arrivals), 0)
    assert found.units == {"committed": 24, "not stored": 6}


def test_a_message_may_arrive_more_than_once_and_its_first_arrival_counts() -> None:
    facts = history()
    again = replace(facts, arrivals=[*facts.arrivals, *facts.arrivals[:4]])
    assert problems(again) == []
    assert figures(again).duplicates == 4


def test_a_unit_of_which_nobody_knows_may_be_stored_or_not() -> None:
    facts = history()
    assert problems(replace(facts, attempts=[replace(unit, outcome="unknown") for unit in facts.attempts])) == []


def rolled_back(facts: Facts) -> Change:
    return next(unit.changes[0] for unit in facts.attempts if unit.outcome == "not stored")


def all_rolled_back(facts: Facts) -> list[Attempt]:
    return [replace(attempt, outcome="not stored") for attempt in facts.attempts]


def swapped(changes: list[Change]) -> list[Change]:
    """Return them with the last two of one account in the wrong order."""
    last, one_before = [place for place in range(len(changes) - 1, -1, -1) if changes[place].account_id == 0][:2]
    changes[last], changes[one_before] = changes[one_before], changes[last]
    return changes


def without_last_row(facts: Facts) -> dict[int, Stored]:
    """Return the accounts, one of them as it was before its last event."""
    last = facts.arrivals[-1]
    before = Stored(last.balance - last.amount, last.number - 1, last.previous)
    return {**facts.accounts, last.account_id: before}


FAULTS: dict[str, tuple[str, Callable[[Facts], Facts]]] = {
    "lost": ("messages lost", lambda f: replace(f, arrivals=f.arrivals[:-1])),
    "undone": ("messages of units that were rolled", lambda f: replace(f, arrivals=[*f.arrivals, rolled_back(f)])),
    "order": ("messages out of order", lambda f: replace(f, arrivals=swapped(list(f.arrivals)))),
    "twice": ("with an effect twice", lambda f: replace(f, effects=[*f.effects, f.effects[3]])),
    "missing": ("messages without effect", lambda f: replace(f, effects=f.effects[:-1])),
    "invented": ("though nobody stored", lambda f: replace(f, effects=[*f.effects, rolled_back(f)])),
    "order of effects": ("effect out of order", lambda f: replace(f, effects=swapped(list(f.effects)))),
    "lost commit": ("committed, and not stored", lambda f: replace(f, accounts=without_last_row(f))),
    "kept rollback": ("rolled back, and stored", lambda f: replace(f, attempts=all_rolled_back(f))),
    "a row of nobody": ("0 events give 0", lambda f: replace(f, accounts={**f.accounts, 0: Stored(9, 9, "?")})),
    "money": ("money", lambda f: replace(f, accounts={**f.accounts, 0: f.accounts[0]._replace(balance=1)})),
    "ledger": ("the consumer's ledgers differ", lambda f: replace(f, ledgers={})),
    "waiting": ("1 messages wait", lambda f: replace(f, waiting=1)),
    "ended": ("relay-1 ended", lambda f: replace(f, ended=["relay-1 ended"])),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_kind_of_fault_is_found(fault: str) -> None:
    said, plant = FAULTS[fault]
    assert said in "\n".join(problems(plant(history())))


def test_a_transfer_of_which_half_is_stored_is_found() -> None:
    facts = history()
    half = next(unit for unit in reversed(facts.attempts) if len(unit.changes) == 2 and unit.outcome == "committed")
    last = half.changes[0]
    earlier = [
        change for change in facts.arrivals if change.account_id == last.account_id and change.number < last.number
    ]
    row = Stored(earlier[-1].balance, earlier[-1].number, earlier[-1].hash)
    found = problems(replace(facts, accounts={**facts.accounts, last.account_id: row}))
    assert f"stored in part: {half.unit}" in "\n".join(found)
