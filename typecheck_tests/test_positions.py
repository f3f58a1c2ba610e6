"""A diagnostic underlines exactly what is wrong, from its first column to its last."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final, NamedTuple

import pytest

from dddkit_mypy._index import all_rules
from dddkit_mypy._rule import Rule
from typecheck_tests.running import CONFIG, WITHOUT_DBOS

RULES: Final = all_rules()

# In the bad example of each rule: the line, and the part of it that is underlined.
EXPECTED: Final = {
    "dddkit-unknown-step": ("    I.shpi", "I.shpi"),
    "dddkit-step-signature": ("    I.charge", "I.charge"),
    "dddkit-step-state": ("    I.charge", "I.charge"),
    "dddkit-step-return": ("    I.add_up", "I.add_up"),
    "dddkit-empty-story": ("class Checkout(Story):", "class Checkout"),
    "dddkit-repeated-step": ("    I.charge", "I.charge"),
    "dddkit-unlisted-step": ("    def ship(self, state: State) -> None: ...", "def ship"),
    "dddkit-story-state": ("    Checkout()(order_id)", "order_id"),
    "dddkit-mutable-default": ("        notes: list[str] = []", "notes"),
    "dddkit-dropped-event": ("        self.Added(sku=sku)", "self.Added(sku=sku)"),
    "dddkit-unawaited-publish": ("    broker(Paid(order_id=order_id))", "broker(Paid(order_id=order_id))"),
    "dddkit-unfrozen-event": ("class OrderPaid(DomainEvent, frozen=False):", "False"),
    "dddkit-undecorated-class": ("    class ItemAdded(AggregateEvent):", "class ItemAdded"),
    "dddkit-unfrozen-value-object": ("    model_config = ConfigDict(str_to_upper=True, frozen=False)", "False"),
    "dddkit-missing-identity": ("class Item(Entity):", "class Item"),
    "dddkit-value-object-entity": ("    residents: tuple[Customer, ...]", "residents"),
    "dddkit-foreign-event": ("        self.add_event(Basket.CheckedOut())", "Basket.CheckedOut()"),
    "dddkit-mutable-field": ("    skus: list[str]", "skus"),
    "dddkit-aggregate-reference": ("    customer: Customer", "customer"),
    "dddkit-unhandled-event": ("class BasketRows(ChangesHandler[Basket, Rows]):", "class BasketRows"),
    "dddkit-changes-result": ("class BasketRows(ChangesHandler[Basket, Rows]):", "class BasketRows"),
    "dddkit-undeclared-state": ('        state.paymnt = f"paid: {state.order_id}"', "state.paymnt"),
    "dddkit-story-attribute": ("        self.total = sum(state.prices)", "self.total"),
    "dddkit-compensation": ('    @compensates("chrge")', '"chrge"'),
    "dddkit-durable-state": ('    return Durable(Checkout(), name="checkout")', "Checkout()"),
    "dddkit-state-order": ("        print(state.receipt)", "state.receipt"),
    "dddkit-repository-parameters": ("class BasketRepository(Repository[Basket, str]): ...", "str"),
}


class Location(NamedTuple):
    """The location of a diagnostic: lines from 1, columns from 0, the last one excluded."""

    line: int
    column: int
    end_line: int
    end_column: int


@pytest.fixture(scope="module")
def locations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Location]]:
    """Return the locations of the diagnostics of each bad example, by code."""
    directory = tmp_path_factory.mktemp("positions")
    opt_in = ", ".join(rule.code.code for rule in RULES if not rule.code.default_enabled)
    (directory / "mypy.ini").write_text(f"{CONFIG}enable_error_code = {opt_in}\n{WITHOUT_DBOS}")
    for rule in RULES:
        (directory / f"{_stem(rule)}.py").write_text(rule.bad)
    command = [sys.executable, "-m", "mypy", "--output=json", "."]
    run = subprocess.run(command, cwd=directory, capture_output=True, encoding="utf-8", check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    found: dict[str, list[Location]] = {}
    for line in run.stdout.splitlines():
        said = json.loads(line)
        if "end_line" not in said:
            pytest.skip("the JSON of this mypy does not say where diagnostics end")
        location = Location(*(said[part] for part in Location._fields))
        found.setdefault(said["code"], []).append(location)
    return found


def _stem(rule: Rule) -> str:
    return rule.code.code.replace("-", "_")


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES, ids=[rule.code.code for rule in RULES])
def test_a_diagnostic_underlines_what_is_wrong(rule: Rule, locations: dict[str, list[Location]]) -> None:
    source = rule.bad.splitlines()
    underlined = [
        (source[location.line - 1], source[location.line - 1][location.column : location.end_column])
        for location in locations[rule.code.code]
        if location.end_line == location.line
    ]
    assert underlined == [EXPECTED[rule.code.code]]


@pytest.mark.slow
def test_of_a_step_listed_twice_the_second_is_underlined(locations: dict[str, list[Location]]) -> None:
    [rule] = [rule for rule in RULES if rule.code.code == "dddkit-repeated-step"]
    [location] = locations[rule.code.code]
    lines = [number for number, line in enumerate(rule.bad.splitlines(), 1) if line == "    I.charge"]
    assert location.line == max(lines)
